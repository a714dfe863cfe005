"""Quadratic discriminants: tight in every norm, inside bounds, never above what is found.

The truth is a fine grid in two columns, a general solver from many starts in more, and a closed
form where one column moves.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.certificates.quadratic._boundary_moves import Boundary
from specreg_sklearn.certificates.quadratic._multipliers import Form, best_bound
from specreg_sklearn.space import NORMS, FeatureSpace
from tests.grids import diagonal, few_fast

CONVEX = (1, 2, np.inf)


def clouds(seed, n_columns, n_classes=2, n_rows=40):
    """Return rows around one centre for each class, correlated in each in its own way."""
    rng = np.random.default_rng(seed)
    parts = [
        rng.normal(size=(n_rows, n_columns)) @ rng.normal(size=(n_columns, n_columns))
        + 1.5 * rng.normal(size=n_columns)
        for _ in range(n_classes)
    ]
    return np.concatenate(parts), np.repeat(np.arange(n_classes), n_rows)


@pytest.mark.parametrize(("bounds", "norm"), diagonal(["data", None], CONVEX))
def test_two_columns_against_a_fine_grid(bounds, norm):
    for seed in range(4):
        X, y = clouds(seed, 2)
        model = QuadraticDiscriminantAnalysis(reg_param=0.01).fit(X, y)
        rows = FeatureSpace.from_data(X, scale=None, bounds=bounds).bind(X[::10])
        found = distance_prover(model, X).bounds(rows, norm=norm)
        low, high = X.min(axis=0), X.max(axis=0)
        if bounds is None:
            low, high = low - 8, high + 8
        sides = [np.linspace(a, b, 801) for a, b in zip(low, high, strict=True)]
        grid = np.array(np.meshgrid(*sides)).reshape(2, -1).T
        labels = model.predict(grid)
        step = float(np.linalg.norm([side[1] - side[0] for side in sides], norm))
        assert found.closed.mean() >= 0.8
        for i, x in enumerate(rows.raw):
            other = grid[labels != model.predict(x[None])]
            nearest = np.linalg.norm(other - x, norm, axis=1).min(initial=np.inf)
            assert found.lower[i] <= nearest
            # The grid passes the boundary by a step or so, wherever it is smooth.
            assert found.lower[i] >= 0.9 * nearest - 3 * step


def lead_of(model, own, other, x, units):
    """Return the lead of a class over another as numbers c, g and H, from the fitted numbers."""
    c, g, H = 0.0, 0.0, 0.0
    for k, sign in ((own, 1), (other, -1)):
        scaling, rotation = model.scalings_[k], model.rotations_[k]
        precision = rotation @ np.diag(1 / scaling) @ rotation.T
        off = x - model.means_[k]
        score = np.log(model.priors_[k]) - 0.5 * (np.log(scaling).sum() + off @ precision @ off)
        c, g = c + sign * score, g - sign * units * (precision @ off)
        H = H - sign * 0.5 * units[:, None] * precision * units
    return c, g, H


def nearest_by_solver(c, g, H, low, high, norm, rng, n_starts=25):
    """Return the length of the shortest move with ``c + g @ t + t @ H @ t <= 0`` by SLSQP."""
    d, best = len(g), np.inf

    def lead(z):
        t = z[:d] - z[d : 2 * d]
        return c + g @ t + t @ H @ t

    def lead_slope(z):
        slope = g + 2 * H @ (z[:d] - z[d : 2 * d])
        return np.concatenate([slope, -slope, [0.0]])

    cost = {
        1: lambda z: z[: 2 * d].sum(),
        2: lambda z: z[: 2 * d] @ z[: 2 * d],
        np.inf: lambda z: z[-1],
    }[norm]
    limits = [{"type": "ineq", "fun": lambda z: -lead(z), "jac": lambda z: -lead_slope(z)}]
    if norm == np.inf:
        limits.append({"type": "ineq", "fun": lambda z: z[-1] - z[: 2 * d]})
    ends = [(0, size) for size in np.concatenate([high, -low])] + [(0, None)]
    for _ in range(n_starts):
        t = np.clip(rng.normal(size=d) * rng.choice([0.1, 1.0]), low, high)
        start = np.concatenate([np.maximum(t, 0), np.maximum(-t, 0), [np.abs(t).max()]])
        found = minimize(cost, start, bounds=ends, constraints=limits, method="SLSQP")
        t = found.x[:d] - found.x[d : 2 * d]
        if lead(np.concatenate([t, np.zeros(d), [0]])) <= 1e-9 * abs(c):
            best = min(best, float(np.linalg.norm(t, norm)))
    return best


@pytest.mark.parametrize(("load", "norm"), diagonal([load_iris, load_wine], CONVEX))
def test_no_solver_finds_a_shorter_move_and_few_are_much_longer(load, norm):
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model = QuadraticDiscriminantAnalysis(reg_param=0.1).fit(X, y)
    rng, share = np.random.default_rng(0), []
    rows = FeatureSpace.from_data(X, scale=None).bind(X[:: len(X) // 5])
    bounds = distance_prover(model, X).bounds(rows, norm=norm)
    for i, x in enumerate(rows.raw):
        own = int(model.predict(x[None])[0])
        nearest = min(
            nearest_by_solver(
                *lead_of(model, own, k, x, np.ones(len(x))),
                rows.low - x,
                rows.high - x,
                norm,
                rng,
                6,
            )
            for k in range(3)
            if k != own
        )
        assert bounds.lower[i] <= nearest * (1 + 1e-7)
        share.append(bounds.lower[i] / min(nearest, bounds.upper[i]))
    assert np.median(share) > 0.95
    if norm == 2:
        assert bounds.closed.all()


@pytest.mark.parametrize("norm", CONVEX)
def test_multipliers_bound_random_forms_from_below(norm):
    rng = np.random.default_rng(1)
    gaps = []
    for _ in range(25):
        d = int(rng.integers(1, 6))
        H = rng.normal(size=(d, d))
        H, g = (H + H.T) / 2, rng.normal(size=d)
        low, high = -rng.uniform(0.1, 1, size=d), rng.uniform(0.1, 1, size=d)
        found = best_bound(Form(g, H, low, high, norm, g))
        points = rng.uniform(low, high, size=(20_000, d))
        points = np.vstack([points, list(product(*zip(low, high, strict=True)))])
        fall = 1 + points @ g + ((points @ H) * points).sum(axis=1)
        nearest = NORMS[norm].length(points[fall <= 0]).min(initial=np.inf)
        assert np.sqrt(found.squared) <= nearest
        boundary = Boundary(1.0, g, H, low, high, norm)
        boundary.offer(np.vstack([found.move, np.eye(d), -np.eye(d)]))
        boundary.sharpen(found.move)
        boundary.improve()
        if np.isfinite(boundary.length):
            t = boundary.move
            assert 1 + g @ t + t @ H @ t <= 1e-9
            assert ((t >= low) & (t <= high)).all()
            gaps.append(np.sqrt(found.squared) / min(boundary.length, 1.0))
    assert max(gaps) <= 1 + 1e-9 and np.median(gaps) > 0.99


def test_one_column_that_moves_has_the_distance_of_a_root():
    X, y = clouds(3, 4)
    model = QuadraticDiscriminantAnalysis().fit(X, y)
    units = np.array([1.0, 2.0, 0.5, 1.0])
    rows = FeatureSpace.from_data(X, scale=units, bounds=None, mutable=[2]).bind(X[::9])
    found = {norm: distance_prover(model, X).bounds(rows, norm=norm) for norm in (0, *CONVEX)}
    for i, x in enumerate(X[::9]):
        own = int(model.predict(x[None])[0])
        c, g, H = lead_of(model, own, 1 - own, x, units)
        roots = np.roots([H[2, 2], g[2], c])
        real = np.abs(roots[np.isreal(roots)].real)
        for norm in CONVEX:
            if len(real):
                np.testing.assert_allclose(found[norm].lower[i], real.min(), rtol=1e-6)
                assert found[norm].closed[i]
            else:
                assert np.isinf(found[norm].upper[i])
        assert np.isfinite(found[0].upper[i]) == bool(len(real))


@pytest.mark.parametrize("seed", few_fast(range(3), 1))
def test_the_fewest_columns_against_every_row_there_is(seed):
    X, y = clouds(seed, 4, n_classes=3)
    X = np.rint(1.2 * X).astype(int).clip(-4, 4)
    model = QuadraticDiscriminantAnalysis(reg_param=0.3).fit(X, y)
    rows = FeatureSpace.from_data(X).bind(X[::6])
    sides = [np.arange(a, b + 1) for a, b in zip(X.min(axis=0), X.max(axis=0), strict=True)]
    grid = np.array(list(product(*sides)))
    labels = model.predict(grid)
    own = model.predict(X[::6])
    prover = distance_prover(model, X)
    for norm in (0, 1, 2, np.inf):
        found = prover.bounds(rows, norm=norm)
        for i, label in enumerate(own):
            other = grid[labels != label].astype(float)
            exact = rows.distance(other, np.full(len(other), i), norm).min(initial=np.inf)
            assert found.lower[i] <= exact * (1 + 1e-12) and exact <= found.upper[i] * (1 + 1e-12)
        if norm == 0:
            assert found.closed.mean() > 0.5


def test_a_row_does_not_depend_on_the_others():
    X, y = clouds(7, 5, n_classes=3)
    model = make_pipeline(StandardScaler(), QuadraticDiscriminantAnalysis()).fit(X, y)
    space = FeatureSpace.from_data(X)
    prover = distance_prover(model, X)
    for norm in (0, *CONVEX):
        together = prover.bounds(space.bind(X[:12]), norm=norm, max_nodes=1500)
        for i in (0, 5, 11):
            alone = prover.bounds(space.bind(X[i : i + 1]), norm=norm, max_nodes=1500)
            for one, many in zip(alone, together, strict=True):
                np.testing.assert_array_equal(one[0], many[i])


def test_more_nodes_never_prove_less():
    X, y = load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), QuadraticDiscriminantAnalysis(reg_param=0.1)).fit(X, y)
    rows = FeatureSpace.from_data(X).bind(X[::45])
    prover = distance_prover(model, X)
    for norm in (1, np.inf):
        few, many = (prover.bounds(rows, norm=norm, max_nodes=n) for n in (500, 8000))
        assert (few.lower <= many.lower * (1 + 1e-9)).all()
        assert (many.upper <= few.upper * (1 + 1e-9)).all()
        assert (many.lower > few.lower * (1 + 1e-6)).any() or few.closed.all()


def test_bounds_and_prices_never_bring_a_row_nearer():
    X, y = load_breast_cancer(return_X_y=True)
    X = X[:, :8]
    model = make_pipeline(StandardScaler(), QuadraticDiscriminantAnalysis(reg_param=0.1)).fit(X, y)
    prover = distance_prover(model, X)
    spaces = [
        FeatureSpace.from_data(X, bounds=None),
        FeatureSpace.from_data(X),
        FeatureSpace.from_data(X, cost={0: (3.0, 1.0), 3: 2.0}),
    ]
    for norm in CONVEX:
        wide, inside, priced = (prover.bounds(s.bind(X[::120]), norm=norm) for s in spaces)
        assert (wide.lower <= inside.upper).all() and (inside.lower <= priced.upper).all()
        assert wide.closed.all() or norm != 2
        assert (inside.lower >= 0.99 * inside.upper).all() or norm != 2


def test_naive_bayes_behind_a_projection_is_tight():
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(PCA(3), GaussianNB()).fit(X, y)
    rows = FeatureSpace.from_data(X, scale=None).bind(X[::15])
    prover = distance_prover(model, X)
    for norm in CONVEX:
        assert prover.bounds(rows, norm=norm).closed.mean() > 0.8

"""Gaussian naive Bayes: exact in every norm, in the spaces of tables.

The truth is enumerated where all columns are whole, bounded from above by a general solver from
many starts where they are not, and known in closed form where one column moves.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler

from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.metrics import adversarial_band
from specreg_sklearn.space import FeatureSpace
from tests.certificates.every_whole_row import IN_EVERY_SPACE, NORMS, assert_exact
from tests.grids import few_fast


def clouds(seed, n_classes, n_columns, n_rows=30):
    """Return rows around one centre for each class, wide in some columns and narrow in others."""
    rng = np.random.default_rng(seed)
    parts = [
        rng.normal(
            2 * rng.normal(size=n_columns), rng.uniform(0.3, 3, size=n_columns), (n_rows, n_columns)
        )
        for _ in range(n_classes)
    ]
    return np.concatenate(parts), np.repeat(np.arange(n_classes), n_rows)


@pytest.mark.parametrize("seed", few_fast(range(3), 1))
@pytest.mark.parametrize("n_classes", [2, 3])
@IN_EVERY_SPACE
def test_whole_numbers_against_every_row_there_is(options, n_classes, seed):
    X, y = clouds(seed, n_classes, 4)
    X = np.rint(1.3 * X).astype(int)
    model = GaussianNB(var_smoothing=1e-3).fit(X, y)
    assert_exact(model, X, X[::8], options)


def nearest_by_solver(model, x, own, other, box, norm, rng):
    """Return the shortest move to another class that a general solver finds from some starts."""
    d = len(x)

    def score(k, at):
        squares = (at - model.theta_[k]) ** 2 / model.var_[k]
        return np.log(model.class_prior_[k]) - 0.5 * (np.log(model.var_[k]) + squares).sum()

    def lead(z):
        at = x + z[:d] - z[d : 2 * d]
        return score(own, at) - score(other, at)

    # Up and down apart, so that lengths are smooth; the last number is the length in Linf.
    cost = {
        1: lambda z: z[: 2 * d].sum(),
        2: lambda z: z[: 2 * d] @ z[: 2 * d],
        np.inf: lambda z: z[-1],
    }[norm]
    limits = [{"type": "ineq", "fun": lambda z: -lead(z)}]
    if norm == np.inf:
        limits.append({"type": "ineq", "fun": lambda z: z[-1] - z[: 2 * d]})
    room = np.concatenate([box[1] - x, x - box[0]])
    best = np.inf
    for _ in range(8):
        start = np.append(room * rng.random(2 * d) * rng.integers(0, 2, 2 * d), room.max())
        ends = [(0, size) for size in room] + [(0, None)]
        found = minimize(cost, start, bounds=ends, constraints=limits, method="SLSQP")
        t = found.x[:d] - found.x[d : 2 * d]
        if lead(np.append(np.append(np.maximum(t, 0), np.maximum(-t, 0)), 0)) <= 1e-9:
            best = min(best, float(np.linalg.norm(t, norm)))
    return best


@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_inside_bounds_no_solver_finds_a_shorter_move(norm):
    rng = np.random.default_rng(0)
    found_it = []
    for seed in range(3):
        X, y = clouds(seed, 2, 4)
        model = GaussianNB().fit(X, y)
        rows = FeatureSpace.from_data(X, scale=None).bind(X[::15])
        bounds = distance_prover(model, X).bounds(rows, norm=norm)
        assert bounds.closed.all()
        for i, x in enumerate(rows.raw):
            own = int(model.predict(x[None])[0])
            other = nearest_by_solver(model, x, own, 1 - own, (rows.low, rows.high), norm, rng)
            assert bounds.lower[i] <= other * (1 + 1e-7)
            found_it.append(other <= bounds.upper[i] * (1 + 1e-5))
    # The solver is no straw man: mostly it finds the same move.
    assert np.mean(found_it) > 0.5


def test_one_column_has_the_distance_of_a_root():
    """Between two normal densities of one column, boundaries are roots of a parabola."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, size=(50, 1)), rng.normal(1, 4, size=(50, 1))])
    model = GaussianNB().fit(X, np.repeat([0, 1], 50))
    (m0, m1), (v0, v1) = model.theta_[:, 0], model.var_[:, 0]
    # Equal priors: twice the difference of both log densities, by powers of x.
    parabola = [1 / v1 - 1 / v0, 2 * (m0 / v0 - m1 / v1), m1**2 / v1 - m0**2 / v0 + np.log(v1 / v0)]
    roots = np.roots(parabola)
    rows = FeatureSpace.from_data(X, scale=None, bounds=None).bind(X)
    for norm in (1, 2, np.inf):
        bounds = distance_prover(model, X).bounds(rows, norm=norm)
        np.testing.assert_allclose(bounds.lower, np.abs(X - roots).min(axis=1), rtol=1e-7)
    # One end of the box is nearer than the root on that side: only the other root is left.
    lower, upper = np.sort(roots)
    inside = X[(X[:, 0] > lower) & (X[:, 0] < upper)]
    inside = inside[inside[:, 0] < upper - 1e-2]
    space = FeatureSpace.from_data(inside, scale=None, bounds=(lower - 1, upper - 1e-3))
    for norm in (1, 2, np.inf):
        bounds = distance_prover(model, X).bounds(space.bind(inside), norm=norm)
        np.testing.assert_allclose(bounds.lower, inside[:, 0] - lower, rtol=1e-7)


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer])
def test_real_tables_are_closed_in_every_norm(load):
    X, y = load(return_X_y=True)
    search = GridSearchCV(
        make_pipeline(RobustScaler(), SelectKBest(k=3), GaussianNB()),
        {"gaussiannb__var_smoothing": [1e-9, 1e-3]},
    )
    for model in (make_pipeline(StandardScaler(), GaussianNB()), search):
        model.fit(X, y)
        for bounds in ("data", None):
            space = FeatureSpace.from_data(X, bounds=bounds)
            for norm in NORMS:
                band = adversarial_band(
                    model, X, y, space=space, norm=norm, max_samples=12, attack=None
                )
                # Without bounds one column goes as far as it takes, but rounding has no end.
                assert band.closed.all() or (norm == 0 and bounds is None)
                other = np.isfinite(band.upper) & (band.upper > 0)
                assert other.any() and (model.predict(band.X_adv) != y[band.places])[other].all()


def test_a_row_does_not_depend_on_the_others():
    X, y = clouds(5, 3, 6)
    model = make_pipeline(StandardScaler(), GaussianNB()).fit(X, y)
    whole = {1: "integer", 4: "integer"}
    X[:, [1, 4]] = np.rint(X[:, [1, 4]])
    space = FeatureSpace.from_data(X, types=whole)
    prover = distance_prover(model, X)
    for norm in NORMS:
        together = prover.bounds(space.bind(X[:40]), norm=norm)
        for i in (0, 7, 39):
            alone = prover.bounds(space.bind(X[i : i + 1]), norm=norm)
            for one, many in zip(alone, together, strict=True):
                np.testing.assert_array_equal(one[0], many[i])


def test_more_nodes_never_prove_less():
    rng = np.random.default_rng(2)
    X = rng.integers(0, 4, size=(300, 40))
    y = (X - 1.5) ** 2 @ rng.normal(size=40) > 0
    model = GaussianNB(var_smoothing=1e-2).fit(X, y)
    rows = FeatureSpace.from_data(X).bind(X[:10])
    prover = distance_prover(model, X)
    for norm in (1, 2):
        few, some, many = (prover.bounds(rows, norm=norm, max_nodes=n) for n in (20, 400, 20_000))
        assert (few.lower <= some.lower).all() and (some.lower <= many.lower).all()
        assert (many.upper <= some.upper).all() and (some.upper <= few.upper).all()
        assert (many.lower <= few.upper).all()
        assert (many.n_nodes <= 20_000 + 40 * 20).all()


def test_behind_a_projection_columns_are_no_longer_alone():
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(PCA(3), GaussianNB()).fit(X, y)
    rows = FeatureSpace.from_data(X, scale=None, bounds=None).bind(X[::15])
    prover = distance_prover(model, X)
    assert prover.bounds(rows, norm=2).closed.all()
    assert (
        prover.bounds(rows, norm=1).lower >= prover.bounds(rows, norm=2).lower * (1 - 1e-9)
    ).all()

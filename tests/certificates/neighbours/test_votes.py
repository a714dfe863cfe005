"""Votes of the k nearest points, against every set of voters and optimisers of scipy."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import linprog, minimize
from sklearn.datasets import load_breast_cancer, load_wine, make_blobs
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.space import FeatureSpace, as_norm
from tests.grids import diagonal

_NORMS = (1, 2, np.inf)


def _lost(votes, own):
    """Return whether another class has more of the votes, or as many and comes first."""
    counts = np.bincount(votes, minlength=own + 1)
    return counts.argmax() != own


def _shortest(G, h, low, high, scale, norm):
    """Return the length of the shortest step with ``G @ step >= h`` in a box, by scipy."""
    d = G.shape[1]
    if norm == 2:
        inside = linprog(
            np.zeros(d), A_ub=-G, b_ub=-h, bounds=np.stack([low, high], axis=1), method="highs"
        )
        if inside.status != 0:
            return np.inf
        # In units of the space, from a step that is allowed.
        found = minimize(
            lambda t: t @ t,
            inside.x / scale,
            jac=lambda t: 2 * t,
            bounds=list(zip(low / scale, high / scale, strict=True)),
            constraints={
                "type": "ineq",
                "fun": lambda t: (G * scale) @ t - h,
                "jac": lambda t: G * scale,
            },
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )
        assert found.success or found.status == 8, found.message
        return float(np.sqrt(found.fun))
    lengths = np.eye(d) if norm == 1 else np.ones((d, 1))
    n_lengths = lengths.shape[1]
    sides = np.diag(1 / scale)
    A = np.vstack(
        [
            np.hstack([sides, -lengths]),
            np.hstack([-sides, -lengths]),
            np.hstack([-G, np.zeros((len(G), n_lengths))]),
        ]
    )
    found = linprog(
        np.append(np.zeros(d), np.ones(n_lengths)),
        A_ub=A,
        b_ub=np.append(np.zeros(2 * d), -h),
        bounds=[*zip(low, high, strict=True), *[(0, None)] * n_lengths],
        method="highs",
    )
    return float(found.fun) if found.status == 0 else np.inf


def _by_all_sets(points, label, k, x, own, box, scale, norm):
    """Return how far a row is from where any set of k voters would vote otherwise."""
    best = np.inf
    squares = np.square(points - x).sum(axis=1)
    for voters in combinations(range(len(points)), k):
        if not _lost(label[list(voters)], own):
            continue
        rest = np.setdiff1d(np.arange(len(points)), voters)
        a, b = (part.ravel() for part in np.meshgrid(voters, rest, indexing="ij"))
        # |x + t - p_a|^2 <= |x + t - p_b|^2 is linear in t.
        G, h = 2 * (points[a] - points[b]), squares[a] - squares[b]
        best = min(best, _shortest(G, h, box[0] - x, box[1] - x, scale, norm))
    return best


def _problem(seed, n_classes, d):
    X, y = make_blobs(10, n_features=d, centers=n_classes, cluster_std=2.5, random_state=seed)
    return X, y, np.random.default_rng(seed).uniform(0.5, 2.0, size=d)


VOTES = [(2, 2), (3, 2), (4, 2), (5, 2), (3, 3), (4, 3)]


@pytest.mark.parametrize(("votes", "norm"), diagonal(VOTES, _NORMS), ids=str)
def test_distances_are_those_of_the_nearest_set_of_voters(votes, norm):
    n_boxed, (k, n_classes) = 0, votes
    for seed, d in ((0, 2), (1, 4)):
        X, y, scale = _problem(seed, n_classes, d)
        model = KNeighborsClassifier(k, algorithm="brute").fit(X, y)
        for bounds in ("data", None):
            space = FeatureSpace.from_data(X, scale=scale, bounds=bounds)
            rows = space.bind(X[:3])
            found = distance_prover(model, X).bounds(rows, norm=norm)
            low, high = (np.broadcast_to(end, (3, d)) for end in rows.box(np.arange(3)))
            for i, own in enumerate(model.predict(X[:3])):
                box = low[i], high[i]
                exact = _by_all_sets(X, y, k, X[i], own, box, scale, norm)
                assert found.closed[i]
                if np.isinf(exact):
                    n_boxed += 1
                    assert np.isinf(found.upper[i])
                    continue
                np.testing.assert_allclose(found.lower[i], exact, rtol=2e-6)
                np.testing.assert_allclose(found.upper[i], exact, rtol=2e-6)
    assert n_boxed < 6


@pytest.mark.parametrize(("k", "norm"), diagonal([3, 4, 11], _NORMS))
def test_no_sampled_row_is_nearer_than_the_bound(k, norm):
    for X, y in (load_wine(return_X_y=True), load_breast_cancer(return_X_y=True)):
        model = make_pipeline(StandardScaler(), KNeighborsClassifier(k)).fit(X, y)
        space = FeatureSpace.from_data(X)
        rows = space.bind(X[::90])
        found = distance_prover(model, X).bounds(rows, norm=norm, max_nodes=600)
        rng, length = np.random.default_rng(0), as_norm(norm).length
        for i in range(len(rows)):
            x, way = X[::90][i], found.witness[i] - X[::90][i]
            own, other = model.predict([x, found.witness[i]])
            assert own != other and np.isfinite(found.upper[i])
            # Around the way to the witness, where labels change first.
            steps = way * rng.uniform(0.5, 1.5, size=(400, 1))
            steps = steps + rng.normal(size=steps.shape) * space.scale * found.upper[i] * 0.05
            steps *= (found.lower[i] * (1 - 1e-9) / length(steps / space.scale))[:, None]
            assert (model.predict(x + steps) == own).all()


def test_more_nodes_never_give_a_worse_bound():
    X, y = load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(7)).fit(X, y)
    rows, prover = FeatureSpace.from_data(X).bind(X[::30]), distance_prover(model, X)
    for norm in _NORMS:
        last = None
        for max_nodes in (1, 20, 2000):
            found = prover.bounds(rows, norm=norm, max_nodes=max_nodes)
            assert (found.lower > 0).all() and (found.lower <= found.upper).all()
            if last is not None:
                assert (found.lower >= last.lower).all() and (found.upper <= last.upper).all()
            last = found
        assert last.closed.mean() > 0.5


def test_a_row_does_not_depend_on_the_others():
    X, y = load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(5)).fit(X, y)
    space, prover = FeatureSpace.from_data(X), distance_prover(model, X)
    for norm in (1, np.inf):
        together = prover.bounds(space.bind(X[::40]), norm=norm)
        for i in range(len(together.lower)):
            alone = prover.bounds(space.bind(X[::40][i : i + 1]), norm=norm)
            assert alone.lower[0] == together.lower[i] and alone.upper[0] == together.upper[i]
            assert alone.n_nodes[0] == together.n_nodes[i]


def test_who_cannot_lose_the_vote_is_infinitely_far():
    X, y = make_blobs(9, centers=2, random_state=0)
    y[:] = [0, 0, 0, 0, 0, 0, 0, 1, 1]
    model = KNeighborsClassifier(5).fit(X, y)
    found = distance_prover(model, X).bounds(FeatureSpace.from_data(X).bind(X), norm=2)
    assert np.isinf(found.lower).all() and found.closed.all()


def test_equal_points_with_two_labels_bound_nothing_away():
    X, y = load_wine(return_X_y=True)
    X, y = np.vstack([X, X[:60]]), np.append(y, (y[:60] + 1) % 3)
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(4)).fit(X, y)
    space = FeatureSpace.from_data(X)
    found = distance_prover(model, X).bounds(space.bind(X[::25]), norm=2)
    labels = model.predict(X[::25])
    there = np.isfinite(found.upper)
    assert there.any() and (found.lower <= found.upper).all()
    assert (model.predict(found.witness[there]) != labels[there]).all()


def test_columns_that_stay_hold_points_apart():
    X, y = load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(3)).fit(X, y)
    for mutable in ([12], [0, 9]):
        space = FeatureSpace.from_data(X, mutable=mutable)
        found = distance_prover(model, X).bounds(space.bind(X[::20]), norm=np.inf)
        for i, x in enumerate(X[::20]):
            reach = min(found.lower[i] * (1 - 1e-9), 20.0)
            grid = np.repeat(x[None], 500, axis=0)
            steps = np.random.default_rng(i).uniform(-reach, reach, size=(500, len(mutable)))
            steps[: 2 ** len(mutable)] = np.stack(
                np.meshgrid(*[[-reach, reach]] * len(mutable)), axis=-1
            ).reshape(-1, len(mutable))
            grid[:, mutable] += steps * space.scale[mutable]
            low, high = X.min(axis=0), X.max(axis=0)
            grid = np.clip(grid, low, high)
            assert (model.predict(grid) == model.predict([x])[0]).all()

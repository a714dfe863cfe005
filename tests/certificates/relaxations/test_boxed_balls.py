"""Balls that are cut by the bounds of a space, against solvers and against exact distances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq, linprog
from sklearn.neural_network import MLPClassifier

from specreg_sklearn import FeatureSpace
from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.certificates.gradients import Room
from specreg_sklearn.certificates.relaxations import falls_in_balls
from specreg_sklearn.space import as_norm
from tests.certificates.enumerated_networks import exact_distance, random_network
from tests.grids import diagonal


def _largest_fall(slope, radius, low, high, norm):
    """Return how far a linear function falls in a ball and a box, by another way."""
    far = np.where(slope > 0, -low, high)
    size = np.abs(slope)
    if norm == np.inf:
        return float(size @ np.minimum(far, radius))
    if norm == 1:
        n = len(size)
        ends = [(0, None if np.isinf(f) else f) for f in far]
        return -linprog(-size, np.ones((1, n)), [radius], bounds=ends).fun
    if np.linalg.norm(far) <= radius:
        return float(size @ far)

    def length(rate):  # of the move whose cells go at this rate, or to their ends
        return np.linalg.norm(np.minimum(far, rate * size)) - radius

    return float(size @ np.minimum(far, brentq(length, 0, 1e9, xtol=1e-15) * size))


@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_falls_are_those_of_a_solver_or_hardly_larger(norm):
    rng = np.random.default_rng(0)
    n, m, d = 12, 7, 9
    slope = rng.normal(size=(n, m, d)) * rng.choice([0.02, 1.0, 5.0], size=(n, m, d))
    radius = rng.uniform(0.2, 3, size=n)
    low, high = (
        rng.choice([0.0, 0.1, 0.6, np.inf], p=[0.2, 0.3, 0.3, 0.2], size=(n, d)) for _ in "ab"
    )
    fall = falls_in_balls(slope, radius, as_norm(norm), Room(-low, high))
    whole = falls_in_balls(slope, radius, as_norm(norm), None)
    for i in range(n):
        for j in range(m):
            truth = _largest_fall(slope[i, j], radius[i], -low[i], high[i], norm)
            assert truth * (1 - 1e-9) <= fall[i, j] <= min(1.05 * truth, whole[i, j]) + 1e-12
    assert (fall < 0.9 * whole).mean() > 0.5  # boxes count
    shared = falls_in_balls(slope[:1], radius, as_norm(norm), Room(-low, high))
    again = falls_in_balls(
        np.broadcast_to(slope[:1], slope.shape), radius, as_norm(norm), Room(-low, high)
    )
    np.testing.assert_allclose(shared, again, rtol=1e-12)


def _boxed_space(row, rng):
    """Return a space with ends around one row: some near, some far, some that it stands on."""
    down, up = (rng.choice([0.0, 0.2, 1.0, 5.0], size=len(row)) for _ in "ab")
    bounds = {j: (row[j] - down[j], row[j] + up[j]) for j in range(len(row))}
    return FeatureSpace.from_data(row[None], bounds=bounds, scale=None), (-down, up)


@pytest.mark.parametrize(("widths", "norm"), diagonal([(5,), (3, 3)], [1, 2, np.inf]))
def test_closes_to_the_exact_distance_in_a_box_and_never_passes_it(widths, norm):
    rng = np.random.default_rng(5)
    model, X = random_network(rng, 4, widths, 3)
    met, beyond = 0, []
    for row in X[:6]:
        space, box = _boxed_space(row, rng)
        rows, prover = space.bind(row[None]), distance_prover(model, X)
        exact, free = exact_distance(model, row, norm, box), exact_distance(model, row, norm)
        quick, long = (prover.bounds(rows, norm=norm, max_nodes=n) for n in (1, 10_000))
        for found in (quick, long):
            assert found.lower[0] <= exact * (1 + 1e-9)
            assert found.upper[0] >= exact * (1 - 1e-9)
        assert quick.lower[0] <= long.lower[0]
        if np.isfinite(exact):
            met += exact > 1.02 * free
            np.testing.assert_allclose(long.lower[0], exact, rtol=0.012)
            np.testing.assert_allclose(long.upper[0], exact, rtol=0.012)
        else:
            beyond.append(np.isinf(long.lower[0]) and long.closed[0])
    assert met >= 1 and any(beyond)  # the box makes a difference


def test_a_column_that_only_grows_and_whole_numbers():
    rng = np.random.default_rng(3)
    model, X = random_network(rng, 5, (8,), 2)
    X = np.rint(3 * X)
    labels = model.predict(X)
    kinds = ["real", "real", "integer", "real", "real"]
    free = FeatureSpace.from_data(X, scale=None, types=["real"] * 5)
    tight = FeatureSpace.from_data(X, scale=None, increase_only=[0, 1, 3, 4], types=kinds)
    prover = distance_prover(model, X)
    wide, narrow = (space.bind(X[:20]) for space in (free, tight))
    for norm in (1, 2, np.inf):
        one, other = (prover.bounds(rows, norm=norm, max_nodes=500) for rows in (wide, narrow))
        assert (other.lower >= one.lower * 0.99).all() and (other.lower > 1.1 * one.lower).any()
        found = np.isfinite(other.upper)
        assert found.sum() >= 5
        cells = other.witness[found]
        grown = [0, 1, 3, 4]
        assert (cells[:, grown] >= X[:20][found][:, grown]).all()
        assert (cells[:, 2] == np.rint(cells[:, 2])).all()
        assert (model.predict(cells) != labels[:20][found]).all()


def test_bounds_of_the_data_raise_what_is_proved_of_a_trained_network():
    rng = np.random.default_rng(1)
    X = rng.exponential(size=(400, 6)) ** 2
    y = (X[:, 0] + X[:, 1] > X[:, 2] + 1).astype(int)
    model = MLPClassifier((10, 10), solver="lbfgs", random_state=0, max_iter=200).fit(X, y)
    prover = distance_prover(model, X)
    for norm in (1, 2, np.inf):
        boxed, whole = (
            prover.bounds(
                FeatureSpace.from_data(X, scale=None, bounds=bounds).bind(X[:20]),
                norm=norm,
                max_nodes=500,
            )
            for bounds in ("data", None)
        )
        assert (boxed.lower <= boxed.upper).all() and (whole.lower <= whole.upper).all()
        assert (boxed.lower > 1.01 * whole.lower).sum() >= 4
        assert np.median(boxed.lower / boxed.upper) > 0.9

"""What radii in L2 imply in L1 and Linf, against bisection and against rows that are found."""

from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn import FeatureSpace
from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.certificates.relaxations import _prover
from specreg_sklearn.certificates.relaxations._from_l2 import implied_radii, reach_of
from tests.certificates.enumerated_networks import random_network
from tests.certificates.relaxations.test_relaxed_radii import found_near, space_of


def longest(reach, radius):
    """Return the largest L2 length of moves in boxes whose entries are at most a radius."""
    return np.linalg.norm(np.minimum(reach, radius[:, None]), axis=1)


def test_linf_radii_are_the_largest_whose_cut_balls_lie_inside():
    rng = np.random.default_rng(0)
    reach = rng.exponential(size=(400, 5)) * rng.choice([0.0, 1.0, 10.0, np.inf], size=(400, 5))
    radius = rng.exponential(size=400)
    low, high = np.zeros(400), np.full(400, 1e3)
    for _ in range(80):
        middle = (low + high) / 2
        fits = longest(reach, middle) <= radius
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    found = implied_radii(radius, reach, np.inf)
    ends = np.isinf(found)
    assert 0 < ends.sum() < 400
    np.testing.assert_array_equal(ends, low > 999)
    np.testing.assert_allclose(found[~ends], low[~ends], rtol=1e-9)
    assert (longest(reach, np.where(ends, 1e300, found)) <= radius * (1 + 1e-15)).all()


def test_an_l2_ball_holds_the_l1_ball_and_sometimes_the_box():
    reach = np.array([[3.0, 4.0], [3.0, 4.0], [np.inf, 0.0], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    radius = np.array([4.9, 5.1, 2.0, 1.0, 0.0, np.inf])
    expected = [4.9, np.inf, 2.0, np.inf, 0.0, np.inf]
    np.testing.assert_allclose(implied_radii(radius, reach, 1), expected, rtol=1e-12)
    assert (implied_radii(radius[:1], reach[:1], 1) < 4.9).all()


def test_reach_is_in_units_and_open_where_a_repair_may_leave_the_bounds():
    X = np.array([[0.0, 0.0], [4.0, 1.0], [1.0, 1.0]])
    space = FeatureSpace.from_data(X, scale=[2.0, 0.5])
    np.testing.assert_allclose(reach_of(space.bind(X)), [[2, 2], [2, 2], [1.5, 2]])
    one_way = FeatureSpace.from_data(X, scale=None, decrease_only=[0])
    np.testing.assert_allclose(reach_of(one_way.bind(X)), [[0, 1], [4, 1], [1, 1]])
    repaired = FeatureSpace.from_data(X, scale=None, repair=np.asarray)
    assert np.isinf(reach_of(repaired.bind(X))).all()


@pytest.mark.parametrize("norm", [1, np.inf])
def test_radii_of_networks_rise_to_what_l2_implies_and_never_fall(norm, monkeypatch):
    """With one column all norms are one; with many neurons, parabolas win in Linf."""
    rng = np.random.default_rng(3)
    d, widths = (1, (40,)) if norm == 1 else (12, (200,))
    nearest, raised = np.inf, 0
    for _ in range(3):
        model, X = random_network(rng, d, widths, 2)
        X = X[:3]
        rows, prover = space_of(X).bind(X), distance_prover(model, X)
        lower = prover.bounds(rows, norm=norm, max_nodes=1).lower
        by_l2 = prover.bounds(rows, norm=2, max_nodes=1).lower / (1 if norm == 1 else d**0.5)
        assert (lower >= by_l2 * (1 - 1e-12)).all()
        with monkeypatch.context() as patched:
            patched.setattr(_prover, "implied_radii", lambda radius, *_: np.zeros_like(radius))
            before = prover.bounds(rows, norm=norm, max_nodes=1).lower
        assert (lower >= before).all()
        raised += int((lower > before * (1 + 1e-3)).sum())
        for i in np.flatnonzero(lower > 0):
            found = found_near(model, X[i], lower[i], norm, rng)
            nearest = min(nearest, found / lower[i])
    assert raised
    assert nearest >= 1

from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn.attacks import FeatureSpace
from specreg_sklearn.attacks._starts import StartPool, noise_starts


def pool_of(X, codes):
    space = FeatureSpace.from_data(X, scale=None, bounds=None)
    return StartPool(space.bind(X), np.asarray(codes))


def none_missing(x):
    return np.zeros(len(x), dtype=bool)


def test_every_other_class_comes_before_a_second_row_of_any():
    X = np.array([[1.0, 0], [1.1, 0], [5.0, 0], [0.1, 0], [9.0, 0], [1.2, 0]])
    codes = [1, 1, 2, 0, 2, 1]
    found = pool_of(X, codes).nearest(np.zeros(2), none_missing(X[0]), 0, 4, 2)
    assert found[:, 0].tolist() == [1.0, 5.0, 1.1, 9.0]


def test_matches_brute_force():
    rng = np.random.default_rng(0)
    X, codes, x = rng.normal(size=(200, 6)), rng.integers(0, 4, size=200), rng.normal(size=6)
    for norm in (2, np.inf):
        found = pool_of(X, codes).nearest(x, none_missing(x), 3, 9, norm)
        distance = np.linalg.norm(X - x, ord=norm, axis=1)
        expected = []
        for rank in range(3):
            tier = [np.flatnonzero(codes == c) for c in range(3)]
            tier = [members[np.argsort(distance[members])[rank]] for members in tier]
            expected += sorted(tier, key=lambda i: distance[i])
        np.testing.assert_array_equal(found, X[expected])


def test_order_of_the_pool_does_not_matter():
    # Four rows at the same distance: only their content may decide.
    X = np.array([[1.0, 0], [0, 1.0], [-1.0, 0], [0, -1.0]])
    codes = np.array([1, 1, 1, 1])
    rng = np.random.default_rng(0)
    expected = pool_of(X, codes).nearest(np.zeros(2), none_missing(X[0]), 0, 2, 2)
    for _ in range(10):
        order = rng.permutation(4)
        found = pool_of(X[order], codes[order]).nearest(np.zeros(2), none_missing(X[0]), 0, 2, 2)
        np.testing.assert_array_equal(found, expected)


def test_missing_cells_are_filled_from_the_clean_row():
    X = np.array([[1.0, np.nan], [3.0, 4.0]])
    found = pool_of(X, [1, 1]).nearest(np.array([0.0, 7.0]), np.array([False, False]), 0, 2, 2)
    assert found.tolist() == [[1.0, 7.0], [3.0, 4.0]]
    found = pool_of(X, [1, 1]).nearest(np.array([0.0, 0.0]), np.array([False, True]), 0, 2, 2)
    assert found.tolist() == [[1.0, 0.0], [3.0, 0.0]]


def test_no_candidate():
    X = np.array([[1.0, 0], [2.0, 1.0]])
    assert pool_of(X, [0, 0]).nearest(X[0], none_missing(X[0]), 0, 3, 2).shape == (0, 2)


def test_noise_stays_in_the_box_and_stops_when_it_has_succeeded():
    asked = []
    lo, hi = np.array([[0.0, 5.0], [10.0, 5.0]]), np.array([[1.0, 6.0], [20.0, 5.5]])

    def decide(Z, owner):
        assert (Z >= lo[owner]).all() and (Z <= hi[owner]).all()
        asked.extend(owner.tolist())
        return owner == 0

    points, owner = noise_starts(
        decide, lo, hi, np.array([0, 1]), lambda block: np.random.default_rng(block)
    )
    assert set(owner.tolist()) == {0}
    assert len(points) == asked.count(0) == 10
    assert asked.count(1) == 100


def test_reach_covers_three_times_the_data():
    X = np.array([[0.0, 5.0], [2.0, 5.0]])
    low, high = StartPool(
        FeatureSpace.from_data(X, scale=None, bounds=None).bind(X), np.array([0, 1])
    ).reach()
    assert low.tolist() == [-2.0, 4.0]
    assert high.tolist() == [4.0, 6.0]


@pytest.mark.parametrize("order", ["C", "F"])
def test_layout_of_the_pool_does_not_matter(order):
    X = np.asarray(np.random.default_rng(0).normal(size=(50, 3)), order=order)
    found = pool_of(X, np.arange(50) % 3).nearest(np.zeros(3), np.zeros(3, bool), 0, 5, 2)
    again = pool_of(X.copy("C"), np.arange(50) % 3).nearest(np.zeros(3), np.zeros(3, bool), 0, 5, 2)
    np.testing.assert_array_equal(found, again)

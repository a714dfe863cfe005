"""Thresholds on single columns, corners of boxes, separate regions: all of known shape."""

from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn.attacks import CGBA, FeatureSpace, RayS
from specreg_sklearn.attacks.boundary import SphereSearch
from specreg_sklearn.attacks.boxes import BoxSearch
from specreg_sklearn.attacks.boxes._axis_test import at_threshold, is_oblique
from specreg_sklearn.attacks.boxes._column_moves import toward
from specreg_sklearn.attacks.boxes._polish import Polish
from specreg_sklearn.attacks.questions import NO_LIMIT, Oracle, SearchTask
from specreg_sklearn.tables import LabelCoder
from tests.grids import diagonal

TOLERANCE = 2.0**-7
# How much of the distance a column may be off after it has been polished.
PRECISION = 1e-3


class Region:
    """A model that is fooled in a region, given as a function of rows; it notes what is asked."""

    def __init__(self, inside):
        self.inside, self.asked = inside, []

    def predict(self, X):
        self.asked.append(np.array(X, dtype=float))
        return self.inside(X).astype(int)


def above(column, threshold=1.0):
    return Region(lambda X: X[:, column] > threshold)


def half_space(weights):
    """Beyond the plane at right angles to `weights`, one unit away from the origin."""
    unit = np.asarray(weights) / np.linalg.norm(weights)
    return Region(lambda X: X @ unit >= 1)


def boxes(low, high):
    """Inside any of k boxes, given by two arrays of shape (k, d)."""
    return Region(lambda X: ((X[:, None] >= low) & (X[:, None] <= high)).all(axis=2).any(axis=1))


def task_at(region, X, points, *, owner=None, limit=NO_LIMIT, norm=2):
    """Return the task of rows X that are wrong at points, one per row unless `owner` says so."""
    owner = np.arange(len(X)) if owner is None else owner
    rows = FeatureSpace.from_data(X, bounds=None, scale=None).bind(X)
    labels, coder = np.zeros(len(X), dtype=int), LabelCoder(np.array([0, 1]))
    oracle = Oracle(region.predict, rows, labels, coder, norm=norm)
    oracle.limit = limit
    assert oracle.decide(points, owner).all()
    region.asked.clear()
    reach = np.full(X.shape[1], -9.0), np.full(X.shape[1], 9.0)
    return SearchTask(oracle, reach, points, owner, np.ones(len(owner), dtype=int), 0.0, seed=0)


def n_asked(region):
    return sum(map(len, region.asked))


def random_boxes(rng, k, d):
    """Return leaves of depth four at most, that leave the Linf ball of radius 0.3 around 0 free."""
    low, high = np.full((k, d), -3.0), np.full((k, d), 3.0)
    for i in range(k):
        asked = rng.choice(d, size=min(rng.integers(1, 5), d), replace=False)
        low[i, asked] = rng.uniform(-2, 1.5, size=len(asked))
        low[i, asked[0]] = rng.uniform(0.3, 1.5)
        high[i, asked] = low[i, asked] + rng.uniform(0.3, 2, size=len(asked))
    return low, high


def nearest_in_boxes(X, low, high, norm=2):
    """Return the distance of each row from the nearest point of any box."""
    gap = np.clip(X[:, None], low, high) - X[:, None]
    return np.linalg.norm(gap, ord=norm, axis=2).min(axis=1)


# --- Threshold or oblique? -----------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 7, 30])
@pytest.mark.parametrize("excess", [1e-6, 0.9 * TOLERANCE])
def test_one_threshold_is_found(d, excess):
    rng = np.random.default_rng(d)
    X = rng.uniform(-0.5, 0.5, size=(40, d))
    for column in {0, d // 2, d - 1}:
        points = rng.uniform(-3, 3, size=X.shape)
        points[:, column] = 1 + excess * (1 - X[:, column])
        region = above(column)
        task = task_at(region, X, points)
        assert at_threshold(task, points, np.arange(40), TOLERANCE).all()
        # Two halves at every level, and what all other columns do.
        assert n_asked(region) <= 40 * (2 * np.ceil(np.log2(d)) + 1)


@pytest.mark.parametrize("d", [2, 7, 30])
def test_one_side_of_a_box_is_a_threshold_and_a_corner_is_not(d):
    rng = np.random.default_rng(d)
    X = np.zeros((40, d))
    points = rng.uniform(2, 3, size=(40, d))
    points[:, 0] = 1 + 1e-6
    region = Region(lambda Z: (Z > 1).all(axis=1))
    owner = np.arange(40)
    assert at_threshold(task_at(region, X, points), points, owner, TOLERANCE).all()
    points[:, 1] = 1 + 1e-6
    assert not at_threshold(task_at(region, X, points), points, owner, TOLERANCE).any()


@pytest.mark.parametrize("d", [2, 7, 30])
def test_nothing_oblique_is_a_threshold(d):
    rng = np.random.default_rng(d)
    X = rng.normal(size=(60, d)) * 0.1
    weights = rng.choice([-1, 1], size=d) * rng.uniform(0.7, 1.3, size=d)
    unit = weights / np.linalg.norm(weights)
    foot = X + (1 + 1e-9 - X @ unit)[:, None] * unit
    task = task_at(half_space(weights), X, foot)
    assert not at_threshold(task, foot, np.arange(60), TOLERANCE).any()


@pytest.mark.parametrize("d", [2, 7, 30])
def test_nothing_curved_is_a_threshold(d):
    rng = np.random.default_rng(d)
    X = np.zeros((60, d))
    # Columns of like size: at a pole a ball is flat, and as good as a threshold.
    way = rng.choice([-1, 1], size=X.shape) * rng.uniform(0.7, 1.3, size=X.shape)
    way /= np.linalg.norm(way, axis=1)[:, None]
    outside = Region(lambda Z: np.linalg.norm(Z, axis=1) >= 1)
    points = way * (1 + 1e-9)
    assert not at_threshold(task_at(outside, X, points), points, np.arange(60), TOLERANCE).any()
    for x, centre, point in zip(X, 3 * way, points, strict=True):
        ball = Region(lambda Z, c=centre: np.linalg.norm(Z - c, axis=1) <= 2)
        task = task_at(ball, x[None], point[None])
        assert not at_threshold(task, point[None], np.array([0]), TOLERANCE).any()


def test_whole_numbers_move_by_one():
    X = np.zeros((30, 5), dtype=int)
    points = np.random.default_rng(0).integers(5, 9, size=X.shape).astype(float)
    points[:, 2] = 4
    region = above(2, threshold=3)
    task = task_at(region, X, points)
    moved = toward(task, points, np.arange(30), np.full(30, 0.01))
    np.testing.assert_array_equal(moved, points - 1)
    assert at_threshold(task, points, np.arange(30), TOLERANCE).all()


@pytest.mark.parametrize("d", [3, 7, 30])
def test_oblique_boundaries_and_corners(d):
    rng = np.random.default_rng(d)
    X, rows = rng.normal(size=(50, d)) * 0.1, np.arange(50)
    weights = rng.uniform(0.7, 1.3, size=d)
    unit = weights / np.linalg.norm(weights)
    foot = X + (1 + 1e-9 - X @ unit)[:, None] * unit
    task = task_at(half_space(weights), X, foot)
    assert is_oblique(task, rows, 0).mean() >= 0.9
    corner = X.copy()
    corner[:, :2] = 1 + 1e-9
    for turn in range(3):
        region = Region(lambda Z: (Z[:, 0] > 1) & (Z[:, 1] > 1))
        assert not is_oblique(task_at(region, X, corner), rows, turn).any()


# --- Polishing -----------------------------------------------------------------------------------


def polished(task, points):
    """Return the best points after one polish of each."""
    polish, rows = Polish(task), np.arange(len(points))
    polish.start(rows, points)
    for _ in range(100):
        polish.settle(rows)
        if not polish.busy(rows).any():
            return task.oracle.best
        tried, owner = polish.questions(rows)
        polish.learn(task.oracle.decide(tried, owner))
    raise AssertionError("a polish does not end")


def test_thresholds_of_the_best_point_spare_brackets():
    d, threshold = 12, np.linspace(0.5, 1.5, 12)
    region = Region(lambda Z: (Z >= threshold).all(axis=1))
    X, far = np.zeros((1, d)), np.full((1, d), 2.0)
    asked = []
    for known in (far, threshold[None] * (1 + 1e-9)):
        task = task_at(region, X, known)
        found = polished(task, far)
        assert np.linalg.norm(found[0]) < 1.01 * np.linalg.norm(threshold)
        asked.append(n_asked(region))
    # 2 questions a column, against 2 for each third that its bracket is cut to.
    assert asked[1] < 0.5 * asked[0]


@pytest.mark.parametrize("norm", [2, 1])
@pytest.mark.parametrize("d", [1, 2, 6, 40])
def test_the_nearest_point_of_a_box(d, norm):
    rng = np.random.default_rng(d)
    X = np.zeros((30, d))
    low, high = random_boxes(rng, 1, d)
    points = rng.uniform(low, high, size=X.shape)
    region = boxes(low, high)
    task = task_at(region, X, points, norm=norm)
    found = polished(task, points)
    exact = np.clip(X, low, high)
    assert region.inside(found).all()
    # Columns that the box does not ask for are back where they were, to the bit.
    assert (found[exact == 0] == 0).all()
    length = np.linalg.norm(found, ord=norm, axis=1)
    ratio = length / np.linalg.norm(exact, ord=norm, axis=1)
    assert ratio.min() >= 1 and ratio.max() <= 1 + 4 * PRECISION
    np.testing.assert_allclose(task.oracle.best_distance, length)
    assert task.oracle.n_queries.mean() <= 90


def test_only_the_needed_columns_of_a_box_are_counted():
    rng = np.random.default_rng(0)
    low, high = random_boxes(rng, 1, 40)
    X = np.zeros((30, 40))
    task = task_at(boxes(low, high), X, rng.uniform(low, high, size=X.shape), norm=0)
    polished(task, task.oracle.best.copy())
    assert (task.oracle.best_distance == np.count_nonzero(np.clip(X, low, high)[0])).all()


@pytest.mark.parametrize("norm", [2, 1])
def test_the_nearest_whole_point_of_a_box(norm):
    rng = np.random.default_rng(0)
    low, high = rng.integers(2, 9, size=8), np.full(8, 30)
    low[:4] = -30
    X = np.zeros((30, 8), dtype=int)
    points = rng.integers(low, high + 1, size=X.shape).astype(float)
    task = task_at(boxes(low[None], high[None]), X, points, norm=norm)
    found = polished(task, points)
    np.testing.assert_array_equal(found, np.broadcast_to(np.maximum(low, 0), X.shape))
    # From there, each column is asked about once more, and nothing else is.
    before = task.oracle.n_queries.copy()
    polished(task, found.copy())
    assert (task.oracle.n_queries - before <= 20).all()


# --- A search among boxes ------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "d"), diagonal([3, 8, 1], [20, 5, 2]))
def test_the_nearest_of_several_boxes(k, d):
    """Each box holds rows of data, so all of them are there to be found."""
    rng = np.random.default_rng(100 * k + d)
    low, high = random_boxes(rng, k, d)
    X = rng.uniform(-0.25, 0.25, size=(25, d))
    pool = rng.uniform(low, high, size=(10, k, d)).reshape(-1, d)
    space = FeatureSpace.from_data(pool, bounds=None, scale=None)
    result = CGBA().run(boxes(low, high), X, np.zeros(25, dtype=int), space=space, pool=pool)
    ratio = result.distances / nearest_in_boxes(X, low, high)
    assert result.success.all()
    assert ratio.min() >= 1
    assert np.mean(ratio <= 1 + 4 * PRECISION) >= 0.96


def test_a_nearer_box_without_rows_of_data():
    """All data lies far out; a nearer box, which two columns reach, holds none of it."""
    rng = np.random.default_rng(8)
    low, high = np.full((2, 8), -9.0), np.full((2, 8), 9.0)
    low[0, 0], low[1, 3], low[1, 5] = 2.0, 0.8, 0.6
    X = rng.uniform(-0.1, 0.1, size=(25, 8))
    pool = rng.uniform(-1, 1, size=(40, 8)) * np.where(np.isin(np.arange(8), [3, 5]), 0.5, 1)
    pool[:, 0] = rng.uniform(2.2, 3, size=40)
    space = FeatureSpace.from_data(pool, bounds=(-3, 3), scale=None)
    result = CGBA().run(boxes(low, high), X, np.zeros(25, dtype=int), space=space, pool=pool)
    ratio = result.distances / nearest_in_boxes(X, low, high)
    assert ratio.min() >= 1
    assert ratio.max() <= 1.01


def searched(X, low, high, points, limit):
    region = boxes(low, high)
    task = task_at(region, X, points, limit=limit)
    BoxSearch(task).search(np.arange(len(X)), limit)
    return region, task


@pytest.mark.parametrize("limit", [1, 30, 100, 250, 1000])
def test_no_row_asks_beyond_its_budget(limit):
    rng = np.random.default_rng(limit)
    low, high = random_boxes(rng, 4, 8)
    points = rng.uniform(low, high, size=(2, 4, 8)).reshape(-1, 8)
    region, task = searched(np.zeros((8, 8)), low, high, points, limit)
    # One question, about the start, had been asked before; all others are used.
    assert (task.oracle.n_queries == limit).all()
    assert n_asked(region) + 8 == task.oracle.n_queries.sum()


def test_no_budget_is_spent_without_end():
    rng = np.random.default_rng(3)
    low, high = random_boxes(rng, 4, 8)
    points = rng.uniform(low, high, size=(2, 4, 8)).reshape(-1, 8)
    _, task = searched(np.zeros((8, 8)), low, high, points, NO_LIMIT)
    assert task.oracle.n_queries.max() < 20_000


def test_rows_with_nothing_to_ask_are_given_up():
    """The only row but the clean one has been asked: every proposal is built as one of the two."""
    X = np.zeros((3, 1), dtype=int)
    region = Region(lambda Z: Z[:, 0] >= 1)
    task = task_at(region, X, np.ones((3, 1)))
    rest = BoxSearch(task).search(np.arange(3), NO_LIMIT)
    assert not len(rest)
    assert (task.oracle.best_distance == 1).all()
    assert task.oracle.n_queries.max() < 20_000


def test_the_first_queries_of_a_longer_search_are_those_of_a_shorter_one():
    rng = np.random.default_rng(5)
    low, high = random_boxes(rng, 4, 8)
    X = rng.uniform(-0.2, 0.2, size=(4, 8))
    points = rng.uniform(low, high)
    for i in range(4):
        longer, _ = searched(X[[i]], low, high, points[[i]], 700)
        asked = np.concatenate(longer.asked)
        for limit in (50, 97, 333):
            shorter, _ = searched(X[[i]], low, high, points[[i]], limit)
            np.testing.assert_array_equal(np.concatenate(shorter.asked), asked[: limit - 1])


def test_a_search_goes_on_where_it_stopped():
    rng = np.random.default_rng(6)
    low, high = random_boxes(rng, 4, 8)
    X, points = np.zeros((4, 8)), rng.uniform(low, high)
    whole, task = searched(X, low, high, points, 600)
    halves = boxes(low, high)
    again = task_at(halves, X, points, limit=600)
    search, rows = BoxSearch(again), np.arange(4)
    for until in (100, 101, 350, 600):
        rows = search.search(rows, until)
    np.testing.assert_array_equal(again.oracle.best, task.oracle.best)
    assert n_asked(halves) == n_asked(whole)


def test_rows_do_not_depend_on_their_neighbours():
    rng = np.random.default_rng(4)
    low, high = random_boxes(rng, 4, 8)
    X = rng.uniform(-0.2, 0.2, size=(12, 8))
    points = rng.uniform(low, high, size=(3, 4, 8)).reshape(-1, 8)
    _, together = searched(X, low, high, points, 400)
    order = rng.permutation(12)
    _, mixed = searched(X[order], low, high, points[order], 400)
    np.testing.assert_array_equal(mixed.oracle.best, together.oracle.best[order])
    for i in range(12):
        _, alone = searched(X[[i]], low, high, points[[i]], 400)
        np.testing.assert_array_equal(alone.oracle.best[0], together.oracle.best[i])


@pytest.mark.parametrize("gap", [1e-9, 1e-6, 1e-3])
def test_rows_close_to_a_threshold_are_found_at_any_scale(gap):
    rng = np.random.default_rng(7)
    X = rng.uniform(-0.5, 0.5, size=(20, 6))
    X[:, 2] = 1 - gap
    space = FeatureSpace.from_data(X, bounds=(-3, 3), scale=None)
    pool = np.concatenate([X, X + 1.5])
    found = CGBA().run(above(2), X, np.zeros(20, dtype=int), space=space, pool=pool)
    assert found.success.all()
    assert (found.distances <= gap * 1.01 + 1e-12).all()


# --- Separate regions ----------------------------------------------------------------------------


def half_space_and_ball(d, norm, half=0.15):
    """Wrong beyond 1 in column 0, and on a ball of the norm that comes as near as -0.6."""
    centre = np.zeros(d)
    centre[0] = -0.6 - half
    return Region(
        lambda X: (X[:, 0] > 1) | (np.linalg.norm(X - centre, ord=norm, axis=1) < half)
    ), centre


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize(("kind", "norm", "half"), [(CGBA, 2, 0.15), (RayS, np.inf, 0.12)])
def test_a_separate_region_that_is_nearer_is_found(d, kind, norm, half):
    rng = np.random.default_rng(d)
    X = rng.uniform(-0.05, 0.05, size=(40, d))
    region, centre = half_space_and_ball(d, norm, half)
    # No row of data is in the ball, so no start is.
    pool = np.concatenate([X, rng.uniform([1.1] * d, 2, size=(40, d))])
    space = FeatureSpace.from_data(pool, bounds=None, scale=None)
    attack = kind(max_queries=2000)
    found = attack.run(region, X, np.zeros(40, dtype=int), space=space, pool=pool).distances
    exact = np.linalg.norm(X - centre, ord=norm, axis=1) - half
    assert (exact < 0.8 * (1 - X[:, 0])).all()
    assert (found >= exact * (1 - 1e-9)).all()
    assert np.mean(found <= 1.01 * exact) >= 0.95


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("norm", [2, np.inf])
def test_searches_on_spheres_alone_find_the_ball(d, norm):
    X = np.random.default_rng(d).uniform(-0.05, 0.05, size=(40, d))
    region, _ = half_space_and_ball(d, norm)
    points = X.copy()
    points[:, 0] = 1.01
    task = task_at(region, X, points, norm=norm)
    spheres = SphereSearch(task)
    landed = np.zeros(40, dtype=bool)
    for turn in range(30):
        found = spheres.search(turn)
        assert region.inside(found.points).all()
        landed[found.owner[found.points[:, 0] < 0]] = True
    assert landed.mean() >= 0.95
    assert (task.oracle.best[landed, 0] < 0).all()


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("norm", [2, np.inf])
def test_spheres_are_searched_all_around_and_never_beyond_the_best_point(d, norm):
    X = np.zeros((5, d))
    region = above(0)
    points = np.zeros((5, d))
    points[:, 0] = 1 + 1e-9
    task = task_at(region, X, points, norm=norm)
    spheres = SphereSearch(task)
    turns = 0
    while len(spheres.rows()):
        assert not len(spheres.search(turns))
        turns += 1
        assert turns < 1000
    asked = np.concatenate(region.asked)
    assert np.linalg.norm(asked, ord=norm, axis=1).max() < 1
    # Every direction of a fine set has a question within ten degrees of it.
    way = np.random.default_rng(0).normal(size=(200, d))
    cosine = (way / np.linalg.norm(way, axis=1)[:, None]) @ (
        asked / np.linalg.norm(asked, axis=1)[:, None]
    ).T
    assert cosine.max(axis=1).min() > np.cos(np.deg2rad(10))


def test_searches_on_spheres_keep_to_the_budget_and_to_their_row():
    X = np.linspace(-0.05, 0.05, 12).reshape(6, 2)
    points = np.column_stack([np.full(6, 1.01), X[:, 1]])

    def searched_around(rows, limit):
        region, _ = half_space_and_ball(2, 2)
        task = task_at(region, X[rows], points[rows], limit=limit)
        spheres = SphereSearch(task)
        for turn in range(100):
            if len(spheres.rows()):
                spheres.search(turn)
        return region, task.oracle

    for limit in (20, 62, 63, 200, 500):
        _, together = searched_around(np.arange(6), limit)
        assert (together.n_queries <= limit).all()
        for i in range(6):
            region, alone = searched_around([i], limit)
            assert n_asked(region) + 1 == alone.n_queries[0] == together.n_queries[i]
            np.testing.assert_array_equal(alone.best[0], together.best[i])


@pytest.mark.parametrize(("k", "d"), [(2, 6), (6, 6), (8, 8), (12, 20)])
def test_edges_where_many_thresholds_meet(k, d):
    """The wrong region is a quadrant of k columns; a walk may end on one of its edges."""

    class Quadrant:
        def predict(self, Z):
            return (Z[:, :k] > 0.5).all(axis=1).astype(int)

    rng = np.random.default_rng(0)
    pool = rng.uniform(0.6, 2, size=(20, d))
    X = rng.uniform(-0.3, 0.3, size=(50, d))
    exact = np.linalg.norm(0.5 - X[:, :k], axis=1)
    space = FeatureSpace.from_data(pool, bounds=None, scale=None)
    found = CGBA().run(Quadrant(), X, np.zeros(50, int), space=space, pool=pool)
    assert (found.distances / exact).max() < 1.01


@pytest.mark.parametrize("seed", range(3))
def test_columns_of_the_best_move_go_farther_for_another_one(seed):
    # The nearer box asks for a little more in ten columns and nothing in the eleventh.
    low, high = np.full((2, 14), -9.0), np.full((2, 14), 9.0)
    low[0, :10], low[0, 10], low[1, :10] = 1.0, 3.0, 1.2
    start = np.where(low[0] > 0, low[0], 0.0)[None]
    task = task_at(boxes(low, high), np.zeros((1, 14)), start, limit=500)
    task.seed = seed
    BoxSearch(task).search(np.arange(1), 500)
    assert task.oracle.best_distance[0] < 1.01 * 1.2 * np.sqrt(10)

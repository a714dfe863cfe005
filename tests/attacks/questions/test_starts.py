"""Starts: class diversity, exact order, ties by content, gaps, noise, the user's own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from specreg_sklearn.attacks import CGBA, FeatureSpace, TangentAttack
from specreg_sklearn.attacks.questions._start_pool import StartPool
from specreg_sklearn.attacks.questions._starts import noise_starts


def pool_of(X, codes, **options):
    space = FeatureSpace.from_data(X, scale=None, bounds=None)
    return StartPool(space.bind(X), np.asarray(codes), **options)


def nearest(pool, x, label, n_starts, targeted=False):
    """Ask for one clean row without gaps."""
    x = np.asarray(x, dtype=float)
    missing = np.isnan(x)[None]
    points, owner, group = pool.nearest(
        np.nan_to_num(x)[None], missing, np.array([label]), n_starts, targeted
    )
    assert (owner == 0).all()
    return points, group


def test_every_other_class_comes_before_a_second_row_of_any():
    X = np.array([[1.0, 0], [1.1, 0], [5.0, 0], [0.1, 0], [9.0, 0], [1.2, 0]])
    codes = [1, 1, 2, 0, 2, 1]
    points, group = nearest(pool_of(X, codes), np.zeros(2), 0, 4)
    assert points[:, 0].tolist() == [1.0, 5.0, 1.1, 9.0]
    assert group.tolist() == [1, 2, 1, 2]


def test_targeted_takes_the_wanted_class_only():
    X = np.array([[1.0, 0], [1.1, 0], [5.0, 0], [0.1, 0], [9.0, 0], [1.2, 0]])
    points, group = nearest(pool_of(X, [1, 1, 2, 0, 2, 1]), np.zeros(2), 2, 4, targeted=True)
    assert points[:, 0].tolist() == [5.0, 9.0]
    assert group.tolist() == [2, 2]


def test_matches_brute_force_for_many_rows_at_once():
    rng = np.random.default_rng(0)
    X, codes = rng.normal(size=(200, 6)), rng.integers(0, 4, size=200)
    clean, labels = rng.normal(size=(30, 6)), rng.integers(0, 4, size=30)
    points, owner, group = pool_of(X, codes).nearest(
        clean, np.zeros(clean.shape, bool), labels, 9, False
    )
    for i, (x, label) in enumerate(zip(clean, labels, strict=True)):
        distance = np.linalg.norm(X - x, axis=1)
        expected = []
        for rank in range(3):
            tier = [np.flatnonzero(codes == c) for c in range(4) if c != label]
            tier = [members[np.argsort(distance[members])[rank]] for members in tier]
            expected += sorted(tier, key=lambda j: distance[j])
        np.testing.assert_array_equal(points[owner == i], X[expected])
        np.testing.assert_array_equal(group[owner == i], codes[expected])


def test_order_of_the_pool_does_not_matter():
    # Four rows at the same distance: only their content may decide.
    X = np.array([[1.0, 0], [0, 1.0], [-1.0, 0], [0, -1.0]])
    codes = np.array([1, 1, 1, 1])
    rng = np.random.default_rng(0)
    expected, _ = nearest(pool_of(X, codes), np.zeros(2), 0, 2)
    for _ in range(10):
        order = rng.permutation(4)
        found, _ = nearest(pool_of(X[order], codes[order]), np.zeros(2), 0, 2)
        np.testing.assert_array_equal(found, expected)


def test_many_ties_are_settled_alike_alone_and_in_a_batch():
    """On small whole numbers most distances are equal; rounding must not choose among them."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, size=(300, 8)) * 0.1
    pool = pool_of(X, rng.integers(0, 3, size=300))
    clean, labels = X[:40] + 0.05, rng.integers(0, 3, size=40)
    gaps = np.zeros(clean.shape, bool)
    points, owner, _ = pool.nearest(clean, gaps, labels, 5, False)
    for i in range(40):
        alone, *_ = pool.nearest(clean[[i]], gaps[[i]], labels[[i]], 5, False)
        np.testing.assert_array_equal(alone, points[owner == i])


def test_missing_cells_are_filled_from_the_clean_row():
    X = np.array([[1.0, np.nan], [3.0, 4.0]])
    found, _ = nearest(pool_of(X, [1, 1]), [0.0, 7.0], 0, 2)
    assert found.tolist() == [[1.0, 7.0], [3.0, 4.0]]
    found, _ = nearest(pool_of(X, [1, 1]), [0.0, np.nan], 0, 2)
    assert found.tolist() == [[1.0, 0.0], [3.0, 0.0]]


def test_no_candidate():
    X = np.array([[1.0, 0], [2.0, 1.0]])
    assert nearest(pool_of(X, [0, 0]), X[0], 0, 3)[0].shape == (0, 2)


def test_a_large_pool_is_cut_to_size_evenly_and_whatever_its_order():
    rng = np.random.default_rng(0)
    X, codes = rng.normal(size=(1000, 3)), np.repeat([0, 1, 2], [900, 90, 10])
    small = pool_of(X, codes, size=120)
    assert np.bincount(small.codes).tolist() == [40, 40, 10]
    order = rng.permutation(1000)
    again = pool_of(X[order], codes[order], size=120)
    np.testing.assert_array_equal(again.x, small.x)
    np.testing.assert_array_equal(again.codes, small.codes)
    # What is kept lies all over the class.
    assert small.x[small.codes == 0].std() == pytest.approx(X[:900].std(), rel=0.25)


class Asked:
    """An oracle that is fooled on row 0 only, and notes who asked."""

    def __init__(self, lo, hi):
        self.lo, self.hi, self.owners = lo, hi, []

    def decide(self, Z, owner):
        assert (Z >= self.lo[owner]).all() and (Z <= self.hi[owner]).all()
        self.owners.extend(owner.tolist())
        return owner == 0


def test_noise_stays_in_the_box_and_stops_when_it_has_succeeded():
    lo, hi = np.array([[0.0, 5.0], [10.0, 5.0]]), np.array([[1.0, 6.0], [20.0, 5.5]])
    oracle = Asked(lo, hi)
    points, owner, _ = noise_starts(
        oracle, lo, hi, np.array([0, 1]), lambda block: np.random.default_rng(block)
    )
    assert set(owner.tolist()) == {0}
    assert len(points) == oracle.owners.count(0) == 10
    assert oracle.owners.count(1) == 100


def test_reach_covers_three_times_the_data():
    X = np.array([[0.0, 5.0], [2.0, 5.0]])
    low, high = pool_of(X, [0, 1]).reach
    assert low.tolist() == [-2.0, 4.0]
    assert high.tolist() == [4.0, 6.0]


@pytest.mark.parametrize("order", ["C", "F"])
def test_layout_of_the_pool_does_not_matter(order):
    X = np.asarray(np.random.default_rng(0).normal(size=(50, 3)), order=order)
    found, _ = nearest(pool_of(X, np.arange(50) % 3), np.zeros(3), 0, 5)
    again, _ = nearest(pool_of(X.copy("C"), np.arange(50) % 3), np.zeros(3), 0, 5)
    np.testing.assert_array_equal(found, again)


def test_own_starts_decide_the_side(iris):
    """Between two wrong classes, the attack begins where the user says."""
    X = np.array([[-1.0, 0], [0, 0], [3.0, 0]])
    y = np.array([0, 1, 2])

    class Stripes:
        def predict(self, Z):
            return np.digitize(Z[:, 0], [-0.5, 2.0])

    space = FeatureSpace.from_data(X, scale=None)
    near = TangentAttack().run(Stripes(), X[[1]], y[[1]], space=space, pool=X)
    assert near.distances[0] == pytest.approx(0.5, rel=1e-3)
    far = TangentAttack(starts=X[[2]]).run(Stripes(), X[[1]], y[[1]], space=space, pool=X)
    assert far.distances[0] == pytest.approx(2.0, rel=1e-3)
    both = TangentAttack(starts=X[None, [0, 2]]).run(Stripes(), X[[1]], y[[1]], space=space, pool=X)
    assert both.distances[0] == pytest.approx(0.5, rel=1e-3)


def test_own_starts_may_be_a_frame_and_useless_ones_fall_back_on_noise(iris):
    X, y, _ = iris
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = LogisticRegression(max_iter=1000).fit(frame, y)
    rows, other = frame.iloc[:5], frame.iloc[60:65]
    assert CGBA(starts=other).run(model, rows, y[:5], pool=frame).success.all()
    useless = CGBA(starts=rows).run(model, rows, y[:5], pool=frame)
    assert useless.success.all()


def test_rows_all_over_the_pool_are_tried_where_the_nearest_do_not_serve():
    """Column 1 is fixed; with its cell, only one far row of data still fools the model."""
    rng = np.random.default_rng(0)
    pool = np.column_stack([rng.uniform(0, 1, size=(300, 3)), np.ones(300)])
    pool[37, :3] = 5.0
    clean = np.zeros((4, 4))

    class OneWay:
        def predict(self, Z):
            return ((Z[:, 3] > 0.5) | (Z[:, :3] > 3).all(axis=1)).astype(int)

    space = FeatureSpace.from_data(np.vstack([pool, clean]), mutable=[0, 1, 2], scale=None)
    result = CGBA().run(OneWay(), clean, np.zeros(4, int), space=space, pool=pool)
    assert result.success.all()
    assert (result.X_adv[:, 3] == 0).all()
    # The nearest corner of the region is 3 away in each of the three columns; data is at 5.
    assert (result.distances > 3 * np.sqrt(3)).all()
    assert (result.distances < 3.3 * np.sqrt(3)).all()
    assert result.n_queries.max() <= 1000


def test_uniform_starts_use_no_data(iris):
    X, y, model = iris
    only_setosa = X[:50]
    space = FeatureSpace.from_data(X)
    result = CGBA(starts="uniform").run(model, X[:5], y[:5], space=space, pool=only_setosa)
    assert result.success.all()


@pytest.mark.parametrize(
    ("starts", "message"),
    [
        ("pool", "starts='pool' is not 'data', 'uniform' or an array of rows"),
        (None, "starts=None is not"),
        (3, "starts=3 is not"),
        (np.zeros((2, 4)), r"starts has the shape \(2, 4\), but X has 5 rows"),
        (np.zeros((5, 0, 4)), r"starts has the shape \(5, 0, 4\), but X has 5 rows"),
        (np.zeros((5, 3)), "starts has 3 columns"),
    ],
)
def test_bad_starts(iris, starts, message):
    X, y, model = iris
    with pytest.raises(ValueError, match=message):
        CGBA(starts=starts).run(model, X[:5], y[:5], pool=X)

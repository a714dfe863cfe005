"""Parts of the moves to data: what they are, and the basins that only they lead to."""

from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn.attacks import CGBA, FeatureSpace, TangentAttack
from specreg_sklearn.attacks.boundary._partial_starts import partial_starts
from specreg_sklearn.attacks.questions import Oracle, SearchTask
from specreg_sklearn.tables import LabelCoder

D = 6


class TwoBasins:
    """Fooled far out where all columns but the first fall, and nearer where the first one rises.

    All rows of data that fool it lie in the far one, and rise in the first column.
    """

    def predict(self, X):
        far = -X[:, 1:].sum(axis=1) > 5
        near = (X[:, 0] > 1 + (X[:, 1:] ** 2).sum(axis=1)) & (X[:, 1:].max(axis=1) < 0.5)
        return (far | near).astype(int)


def tables(seed=0):
    rng = np.random.default_rng(seed)
    sign = np.r_[1.0, -np.ones(D - 1)]
    wrong = 1.6 * sign + 0.05 * rng.normal(size=(30, D))
    right = 0.05 * rng.normal(size=(30, D))
    return np.concatenate([wrong, right]), 0.02 * rng.normal(size=(5, D))


@pytest.mark.parametrize("attack", [CGBA, TangentAttack])
def test_a_basin_without_data_is_found(attack):
    pool, X = tables()
    model = TwoBasins()
    y = model.predict(X)
    space = FeatureSpace.from_data(pool, bounds=(-3, 3), scale=None)
    found = attack(max_queries=1000).run(model, X, y, space=space, pool=pool)
    # The far one is at 5 / sqrt(5).
    assert (found.distances < 1.1).all()


def task_of(x):
    rows = FeatureSpace.from_data(x, bounds=None, scale=None).bind(x)
    labels = np.zeros(len(x), dtype=np.int64)
    oracle = Oracle(TwoBasins().predict, rows, labels, LabelCoder(labels))
    reach = (np.full(D, -9.0), np.full(D, 9.0))
    return SearchTask(oracle, reach, x, np.arange(len(x)), labels, 0.0, seed=0)


def test_parts_keep_some_columns_and_leave_the_others_at_the_clean_row():
    x = np.arange(2.0 * D).reshape(2, D)
    starts = np.stack([x[0] + [1, -2, 3, 0, 5, -6], x[1] + 1.0, x[1] - 2.0])
    owner, group = np.array([0, 1, 1]), np.array([4, 5, 6])
    points, whose, which = partial_starts(task_of(x), (starts, owner, group))
    moves = points - x[whose]
    for move, i, code in zip(moves, whose, which, strict=True):
        (whole,) = (starts[group == code] - x[i]).tolist()
        kept = move != 0
        assert 0 < kept.sum() < np.count_nonzero(whole)
        np.testing.assert_array_equal(move[kept], np.array(whole)[kept])
    first = moves[whose == 0].tolist()
    assert [1, 0, 3, 0, 5, 0] in first
    assert [0, -2, 0, 0, 0, -6] in first
    # Moves that go one way only have two halves, and no other parts.
    assert (whose == 1).sum() == 4
    assert list(whose) == sorted(whose)


def test_a_row_gets_the_same_parts_alone():
    x = np.arange(2.0 * D).reshape(2, D)
    starts = np.concatenate([x + 1.0, x - np.arange(1.0, D + 1)])
    owner, group = np.array([0, 1, 0, 1]), np.array([1, 1, 2, 2])
    order = np.argsort(owner, kind="stable")
    both = partial_starts(task_of(x), (starts[order], owner[order], group[order]))
    mine = owner == 1
    alone = partial_starts(task_of(x[1:]), (starts[mine], owner[mine] - 1, group[mine]))
    np.testing.assert_array_equal(both[0][both[1] == 1], alone[0])

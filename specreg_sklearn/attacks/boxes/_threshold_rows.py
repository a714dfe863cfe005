"""Which rows have a boundary that is a threshold on one column, and are searched as boxes."""

from __future__ import annotations

from functools import partial

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.boundary import BoundaryPoints
from specreg_sklearn.attacks.boxes._axis_test import at_threshold
from specreg_sklearn.attacks.questions import SearchTask, bisect, stream
from specreg_sklearn.tables import rank_within

# Steps of a walk before which its nearest point is tested: one that is nearer tells more.
_TESTED_BEFORE = (0, 1)
# Points are tested this near to the boundary: in deep forests another threshold is never far. The
# bracket in which the boundary is looked for first.
_FINE, _FIRST_BRACKET = 2.0**-12, 2.0**-8
# Columns may be too far, where thresholds meet, if groups of them that make up this share of the
# squared distance can move back by so much.
_N_GROUPS, _SLACK, _LOOSE_SHARE = 32, 1 / 16, 0.05
_GROUP_DRAW = 2**44


class ThresholdRows:
    """Finds rows that are at thresholds, before or on a walk."""

    def __init__(self, task: SearchTask) -> None:
        self.task = task
        self._found = np.zeros(len(task.x), dtype=bool)

    @property
    def rows(self) -> IntArray:
        """The rows that have been found so far."""
        return np.flatnonzero(self._found)

    def leave(self, current: BoundaryPoints, t: int) -> BoundaryPoints:
        """Test the rows of a walk before its step t; return the points of those that walk on."""
        if t not in _TESTED_BEFORE or not len(current):
            return current
        rank = rank_within((current.owner,), current.distances(self.task))
        nearest = np.flatnonzero(rank == 0)
        self._test(current.points[nearest], current.owner[nearest])
        return current.take(np.flatnonzero(~self._found[current.owner]))

    def test_best(self, rows: IntArray) -> None:
        """Test the best points of some rows, which do not lead on, also where thresholds meet."""
        self._test(self.task.oracle.best[rows], rows)
        rows = rows[~self._found[rows]]
        self._found[rows[_is_loose(self.task, rows)]] = True

    def _test(self, points: FloatArray, owner: IntArray) -> None:
        if len(owner):
            task = self.task
            ask = partial(task.oracle.decide, remember=False)
            points = bisect(
                ask, task.x[owner], points, owner, tolerance=_FINE, first=_FIRST_BRACKET, norm=2
            )
            task.oracle.remember(points, owner)
            self._found[owner[at_threshold(task, points, owner, _FINE)]] = True


def _is_loose(task: SearchTask, rows: IntArray) -> BoolArray:
    """Mark rows of which many columns of the best point can move back a little, each few alone.

    Where several thresholds meet no single column decides. At the nearest point of a smooth
    boundary every group of columns is needed where it is.
    """
    if not len(rows):
        return np.zeros(0, dtype=bool)
    d = task.x.shape[1]
    n_groups = min(d, _N_GROUPS)
    group = stream(task.seed, _GROUP_DRAW).permutation(d) % n_groups
    gap = task.oracle.best[rows] - task.x[rows]
    chosen = group == np.arange(n_groups)[:, None]
    tried = task.oracle.best[rows][:, None] - _SLACK * chosen * gap[:, None]
    fooled = task.oracle.decide(tried.reshape(-1, d), np.repeat(rows, n_groups), remember=False)
    weight = np.matmul(gap[:, None] ** 2, chosen.T.astype(np.float64))[:, 0]
    loose = (weight * fooled.reshape(len(rows), n_groups)).sum(axis=1)
    return np.asarray(loose > _LOOSE_SHARE * weight.sum(axis=1))

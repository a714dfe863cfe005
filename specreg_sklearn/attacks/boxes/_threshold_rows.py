"""Which rows have a boundary that is a threshold on one column, and are searched as boxes."""

from __future__ import annotations

from functools import partial

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.boundary import BoundaryPoints
from specreg_sklearn.attacks.boxes._axis_test import at_threshold
from specreg_sklearn.attacks.questions import SearchTask, bisect, rank_within, stream

# Steps of a walk before which its nearest point is tested: one that is nearer tells more.
_TESTED_BEFORE = (0, 1)
_FINE = 2.0**-9
# Columns may be too far, where thresholds meet, if groups of them that make up this share of the
# squared distance can move back by so much.
_N_GROUPS, _SLACK, _LOOSE_SHARE = 32, 1 / 16, 0.05
_GROUP_DRAW = 2**44
_STEPS = np.arange(1, 8)


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
            points = _brought_near(self.task, points, owner)
            self._found[owner[at_threshold(self.task, points, owner, _FINE)]] = True


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


def _brought_near(task: SearchTask, points: FloatArray, owner: IntArray) -> FloatArray:
    """Return points within `_FINE` of the boundary, from points near it already.

    Most points need a few steps of this width only, which are all asked about in one call.
    """
    x, d = task.x[owner], points.shape[1]
    tried = points[:, None] - _FINE * _STEPS[:, None] * (points - x)[:, None]
    whose = np.repeat(owner, len(_STEPS))
    ask = partial(task.oracle.decide, remember=False)
    fooled = ask(tried.reshape(-1, d), whose)
    n_steps = np.logical_and.accumulate(fooled.reshape(len(owner), -1), axis=1).sum(axis=1)
    near = np.where((n_steps > 0)[:, None], tried[np.arange(len(owner)), n_steps - 1], points)
    far = np.flatnonzero(n_steps == len(_STEPS))
    if len(far):
        first = _FINE * len(_STEPS)
        near[far] = bisect(ask, x[far], near[far], owner[far], tolerance=_FINE, first=first, norm=2)
    task.oracle.remember(near, owner)
    return near

"""Which rows have a boundary that is a threshold on one column, and are searched as boxes."""

from __future__ import annotations

from functools import partial

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.boundary import BoundaryPoints
from specreg_sklearn.attacks.boxes._axis_test import at_threshold
from specreg_sklearn.attacks.questions import SearchTask, bisect, rank_within

# Steps of a walk before which its nearest point is tested: one that is nearer tells more.
_TESTED_BEFORE = (0, 2)
_FINE = 2.0**-9
_STEPS = np.arange(1, 8)


class ThresholdRows:
    """Finds rows that are at thresholds, before or on a walk.

    Points are as near to the boundary as `tolerance`, a share of their distance.
    """

    def __init__(self, task: SearchTask, tolerance: float) -> None:
        self.task, self.tolerance = task, tolerance
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
        points, owner = current.points[nearest], current.owner[nearest]
        if not t:
            self._test(points, owner, fine=False)
        rest = np.flatnonzero(~self._found[owner])
        self._test(points[rest], owner[rest], fine=True)
        return current.take(np.flatnonzero(~self._found[current.owner]))

    def test_best(self, rows: IntArray) -> None:
        """Test the best points of some rows."""
        self._test(self.task.oracle.best[rows], rows, fine=True)

    def _test(self, points: FloatArray, owner: IntArray, *, fine: bool) -> None:
        if not len(owner):
            return
        tolerance = self.tolerance
        if fine:
            points, tolerance = _brought_near(self.task, points, owner), _FINE
        self._found[owner[at_threshold(self.task, points, owner, tolerance)]] = True


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

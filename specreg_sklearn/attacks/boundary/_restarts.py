"""Other starts: a walk ends in the basin it began in, and another start may lie in a nearer one.

Between two stretches of its walk a row looks at a few more starts. They are brought to the
boundary and walk a little, and are dropped as soon as they are farther out than the walk of the row
was after as many steps. When all this happens depends on the queries that a row has sent.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.boundary._boundary_points import BoundaryPoints
from specreg_sklearn.attacks.boundary._choose_starts import choose_starts
from specreg_sklearn.attacks.questions import SearchTask, rank_within

BeforeStep = Callable[[BoundaryPoints, int], BoundaryPoints]

FIRST_STARTS = 2
"""Starts that a row begins with; the others come later."""

# Queries at which a stretch of the walk ends, and until which the starts that then come may walk;
# from the last ones on, both double.
_UNTIL = (240, 980, 2450, 4900)
_OTHERS_UNTIL = (600, 1600, 3500, 7000)
# Starts that are looked at in a round, how many of them walk, and how much farther out than the
# first start a start may meet the boundary, and a walk may be after as many steps.
_N_OTHERS, OTHERS_KEPT = 9, 3
_START_SLACK, _WALK_SLACK = 1.3, 1.0
_START_ROUNDS = 6
# A row ends after so many rounds in vain, if it has queries left: nobody set it a budget.
_MOST_IN_VAIN, _GAIN = 12, 1e-4


class Restarts:
    """The rounds in which rows look at other starts; `n_seen` of them have been looked at."""

    def __init__(self, task: SearchTask, n_seen: int, tolerance: float) -> None:
        self.task, self.n_seen, self.tolerance = task, n_seen, tolerance
        n = len(task.x)
        self.in_vain = np.zeros(n, dtype=np.int64)
        # How far out each row was after so many steps, in the walk that led nearest; in the race.
        self.curve, self._race = np.full((n, 1), np.inf), np.full((n, 1), np.inf)
        self.n_rounds = 0

    def until(self) -> int:
        """Return how many queries end the present stretch of the walk."""
        return _at(_UNTIL, self.n_rounds)

    def watched(self, before_step: BeforeStep | None) -> BeforeStep:
        """Return what to do before steps: take down how far out walks are."""

        def watch(current: BoundaryPoints, t: int) -> BoundaryPoints:
            current = current if before_step is None else before_step(current, t)
            self.curve = _noted(self.curve, current, t, self.task)
            return current

        return watch

    def others(self, main: BoundaryPoints) -> BoundaryPoints:
        """Bring other starts of the rows of some points to the boundary."""
        task = self.task
        rows = np.unique(main.owner[task.is_open(main.owner)])
        last = self.n_seen + _N_OTHERS
        points, owner, group = task.starting_points(rows, last)
        # Of the first starts, those of other classes than the one that was followed come again.
        followed = np.full(len(task.x), -1)
        followed[main.owner] = main.group
        new = rank_within((owner,)) >= self.n_seen
        if not self.n_rounds:
            new |= group != followed[owner]
        points, owner, group = points[new], owner[new], group[new]
        self.n_seen = last
        fooled = task.oracle.decide(points, owner)
        points, owner, group = points[fooled], owner[fooled], group[fooled]
        found = choose_starts(
            task,
            OTHERS_KEPT,
            _START_ROUNDS,
            slack=_START_SLACK,
            tolerance=self.tolerance,
            starts=(points, owner, group),
            rivals=self.curve[:, 0],
        )
        self._race = np.full((len(task.x), 1), np.inf)
        self._before = task.oracle.best_distance.copy()
        return BoundaryPoints(*found)

    def race(self, current: BoundaryPoints, t: int) -> BoundaryPoints:
        """Drop points that are farther out than the row's own walk was after t steps."""
        self._race = _noted(self._race, current, t, self.task)
        rival = self.curve[current.owner, min(t, self.curve.shape[1] - 1)]
        slack = _START_SLACK if not t else _WALK_SLACK
        return current.take(np.flatnonzero(current.distances(self.task) <= slack * rival))

    def others_until(self) -> int:
        """Return up to how many queries other starts may walk."""
        return _at(_OTHERS_UNTIL, self.n_rounds)

    def nearer(self, main: BoundaryPoints, others: BoundaryPoints) -> BoundaryPoints:
        """Return the points that rows walk on from, and end the round."""
        task = self.task
        both = BoundaryPoints.joined([main, others]).keep_nearest(task, 1)
        self.in_vain += 1
        gained = task.oracle.best_distance < (1 - _GAIN) * self._before
        self.in_vain[gained] = 0
        self.n_rounds += 1
        going = task.is_open(both.owner) & (self.in_vain[both.owner] < _MOST_IN_VAIN)
        return both.take(np.flatnonzero(going))


def _at(numbers: tuple[int, ...], k: int) -> int:
    last = len(numbers) - 1
    return numbers[min(k, last)] << max(k - last, 0)


def _noted(curve: FloatArray, current: BoundaryPoints, t: int, task: SearchTask) -> FloatArray:
    """Take down the smallest distance of each row before step t; later steps are as far as that."""
    if t >= curve.shape[1]:
        curve = np.concatenate([curve, curve[:, -1:]], axis=1)
    np.minimum.at(curve[:, t], current.owner, current.distances(task))
    return curve

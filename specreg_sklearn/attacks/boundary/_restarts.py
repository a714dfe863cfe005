"""Other starts: a walk ends in the basin it began in, and another start may lie in a nearer one.

Between two stretches of its walk a row looks at a few more starts. They are brought to the
boundary and walk a little, and are dropped as soon as they are farther out than the walk of the row
was after as many steps. When all this happens depends on the queries that a row has sent.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from specreg_sklearn._typing import IntArray
from specreg_sklearn.attacks.boundary._boundary_points import BoundaryPoints
from specreg_sklearn.attacks.boundary._choose_starts import choose_starts
from specreg_sklearn.attacks.boundary._partial_starts import MOST_COLUMNS, partial_starts
from specreg_sklearn.attacks.questions import SearchTask, StartPoints, no_starts
from specreg_sklearn.tables import rank_within

BeforeStep = Callable[[BoundaryPoints, int], BoundaryPoints]

FIRST_STARTS = 2
"""Starts that a row begins with; the others come later."""

# Queries at which a stretch of the walk ends, and until which the starts that then come may walk;
# from the last ones on, both double.
_UNTIL = (440, 980, 2450, 4900)
_OTHERS_UNTIL = (720, 1600, 3500, 7000)
# How many of the starts of a round walk, and how much farther out than the first start a start may
# meet the boundary, and a walk may be after as many queries.
OTHERS_KEPT = 3
_START_SLACK, _WALK_SLACK = 1.3, 1.0
_START_ROUNDS, _ROUNDS_AHEAD = 6, 3
# What a step in one part of a basis costs, about; how far walks are taken down, in such parts.
_PART_QUERIES, _LENGTH = 40, 128
# A row ends after so many rounds in vain, if it has queries left: nobody set it a budget.
_MOST_IN_VAIN, _GAIN = 12, 1e-4


class Restarts:
    """The rounds in which rows look at other starts, `n_starts` in each; none if that is 1."""

    def __init__(self, task: SearchTask, n_starts: int, tolerance: float) -> None:
        self.task, self.tolerance = task, tolerance
        self.n_seen = min(FIRST_STARTS, n_starts)
        # One start is meant to be the only one.
        self._n_others = n_starts if n_starts > 1 else 0
        n = len(task.x)
        self.in_vain = np.zeros(n, dtype=np.int64)
        # How far out each row was at most when its walk had asked in so many parts of a basis.
        self._curve = np.full((n, _LENGTH), np.inf)
        self.n_rounds = self._n_known = 0
        self._known: StartPoints = no_starts(task.x.shape[1])
        # The class from which the start came that each row followed at first.
        self._followed = np.full(n, -1)

    def until(self, stretch: int) -> int:
        """Return how many queries end a stretch of the walk."""
        return _at(_UNTIL, stretch)

    def n_parts_before(self, stretch: int) -> int:
        """Return in about how many parts a walk has asked when a stretch begins."""
        return self.until(stretch - 1) // _PART_QUERIES if stretch else 0

    def watched(self, before_step: BeforeStep | None, n_parts: int) -> BeforeStep:
        """Return what to do before steps in `n_parts` parts: take down how far out walks are."""
        begun = self.n_parts_before(self.n_rounds)

        def watch(current: BoundaryPoints, t: int) -> BoundaryPoints:
            current = current if before_step is None else before_step(current, t)
            self._note(current, begun + t * n_parts)
            return current

        return watch

    def _note(self, current: BoundaryPoints, place: int) -> None:
        column = self._curve[:, min(place, _LENGTH - 1)]
        np.minimum.at(column, current.owner, current.distances(self.task))

    def raced(self, n_parts: int) -> BeforeStep:
        """Return what to do before steps of other starts, in `n_parts` parts each.

        Points are dropped that are farther out than the row's own walk was after as many parts.
        """
        curve = np.minimum.accumulate(self._curve, axis=1)

        def race(current: BoundaryPoints, t: int) -> BoundaryPoints:
            rival = curve[current.owner, min(t * n_parts, _LENGTH - 1)]
            slack = _WALK_SLACK if t else _START_SLACK
            return current.take(np.flatnonzero(current.distances(self.task) <= slack * rival))

        return race

    def others(self, main: BoundaryPoints) -> BoundaryPoints:
        """Bring other starts of the rows of some points to the boundary."""
        task = self.task
        rows = np.unique(main.owner[task.is_open(main.owner)])
        last = self.n_seen + self._n_others
        points, owner, group = self._nearest(last)
        there = np.flatnonzero(np.isin(owner, rows))
        points, owner, group = points[there], owner[there], group[there]
        rank = rank_within((owner,))
        new = rank >= self.n_seen
        if self._n_others and self.n_rounds < 2:
            # The first round is for other classes than the one that was followed, those that rows
            # began with among them. A second start of the same class is seldom worth its steps:
            # the second round takes them along.
            if not self.n_rounds:
                self._followed[main.owner] = main.group
            same = group == self._followed[owner]
            new = ~same if not self.n_rounds else new | (same & (rank >= FIRST_STARTS))
        new &= rank < last
        points, owner, group = points[new], owner[new], group[new]
        if self._n_others and not self.n_rounds and task.x.shape[1] <= MOST_COLUMNS:
            points, owner, group = self._with_parts((points, owner, group), rows)
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
            rivals=self._curve[:, 0],
        )
        self._before = task.oracle.best_distance.copy()
        return BoundaryPoints(*found)

    def _with_parts(self, others: StartPoints, rows: IntArray) -> StartPoints:
        """Return other starts, and for rows that have none, with two classes, partial ones."""
        points, owner, group = self._known
        lone = np.flatnonzero(np.isin(owner, np.setdiff1d(rows, others[1])))
        parts = partial_starts(self.task, (points[lone], owner[lone], group[lone]))
        joined, whose, which = (np.concatenate(p) for p in zip(others, parts, strict=True))
        order = np.argsort(whose, kind="stable")
        return joined[order], whose[order], which[order]

    def _nearest(self, n: int) -> StartPoints:
        """Return n starts of every row or more; looking for them costs more than keeping them."""
        if n > self._n_known:
            self._n_known = n + _ROUNDS_AHEAD * self._n_others
            every = np.arange(len(self.task.x))
            self._known = self.task.starting_points(every, self._n_known)
        return self._known

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

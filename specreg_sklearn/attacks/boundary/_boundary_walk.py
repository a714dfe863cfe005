"""Walking along the decision boundary: what CGBA and the Tangent Attack have in common."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.boundary._boundary_points import BoundaryPoints
from specreg_sklearn.attacks.boundary._normals import boundary_normals
from specreg_sklearn.attacks.boundary._restarts import FIRST_STARTS, Restarts
from specreg_sklearn.attacks.frame import BlackBoxAttack
from specreg_sklearn.attacks.questions import NO_LIMIT, SearchTask

# Up to so many features a step asks in a whole basis of directions. On more, a basis is cut into
# parts of about this size, and each step asks in the next one: several steps along rough normals
# come nearer than one along a good one.
_MOST_DIRECTIONS = 32
# From stretch to stretch of a walk, steps ask in twice as many parts, up to so many.
_MOST_PARTS = 16
# A row rests that did not get nearer by this share in so many steps.
_LEAST_GAIN = 1e-4
_PATIENCE = 6
_MOST_STEPS = 10000
_MOST_ROUNDS = 400
# Walks of one search draw from keys this far apart.
_KEYS_PER_WALK = 2**20


class BoundaryWalk(BlackBoxAttack):
    """Base of attacks that estimate a normal, step along the boundary, and begin again.

    The best of a few starts of each row, of different classes where there are any, is brought to
    the boundary, and the row walks on from there. Later it looks whether other starts lead to
    nearer points. All rows ask in the same orthogonal directions. When that happens depends on the
    queries that a row has sent, never on its budget: a longer run begins with all that a shorter
    one asks.

    Subclasses say what a step is, in ``_step``, and what it costs, in ``_step_queries``.
    """

    _norms: ClassVar[tuple[float, ...]] = (2,)
    _from_boundary: ClassVar[bool] = False
    _last_bisection: ClassVar[bool] = False
    # Whether only the part of the normal at right angles to the radial direction is needed.
    _sideways: ClassVar[bool] = False

    @abstractmethod
    def _step(
        self, task: SearchTask, current: BoundaryPoints, normals: FloatArray, t: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return boundary points nearer to the clean rows, or the same, and their distances."""

    @abstractmethod
    def _step_queries(self, n_features: int, t: int) -> int:
        """Return what step t costs, apart from the normal."""

    def _n_data_starts(self, n_features: int) -> int:
        return min(super()._n_data_starts(n_features), FIRST_STARTS)

    def _part(self, n_features: int) -> int:
        """Return how many directions a part of a basis has."""
        n_parts = max(1, round(n_features / _MOST_DIRECTIONS))
        return -(-n_features // n_parts)

    def _probe_radius(self, current: BoundaryPoints) -> float | FloatArray:
        """Return the length of the moves that estimate normals, as a share of the distance."""
        return 1 / math.sqrt(current.points.shape[1])

    def _search(self, task: SearchTask) -> None:
        self._walk_on(task, *self._first_points(task))

    def _first_points(self, task: SearchTask) -> tuple[BoundaryPoints, int]:
        """Return the points to begin with, and how many each row may have."""
        tolerance = self._tolerance(task.x.shape[1])
        current = BoundaryPoints.from_starts(task, keep=1, tolerance=tolerance)
        return current, 1

    def _tolerance(self, n_features: int) -> float:
        """Return how near to the boundary points begin, as a share of their distance."""
        return 1 / (4 * n_features)

    def _walk_on(
        self,
        task: SearchTask,
        current: BoundaryPoints,
        keep: int,
        before_step: Callable[[BoundaryPoints, int], BoundaryPoints] | None = None,
        most_in_vain: int = 30,
    ) -> None:
        """Walk from these points, and from time to time from other starts, until budgets are spent.

        ``before_step(points, t)``, in the first walk only, may replace the points, or take rows
        away for good.
        """
        restarts = Restarts(task, FIRST_STARTS, self._tolerance(task.x.shape[1]))
        hook = restarts.watched(before_step)
        for turn in range(_MOST_ROUNDS):
            key = 2 * turn * _KEYS_PER_WALK
            current.idle[:] = 0
            current = self._walk(
                task,
                current,
                keep,
                key=key,
                before_step=None if turn else hook,
                until=restarts.until(),
                n_parts=min(2**turn, _MOST_PARTS),
            )
            current = current.take(np.flatnonzero(restarts.in_vain[current.owner] < most_in_vain))
            if not len(current):
                break
            others = self._walk(
                task,
                restarts.others(current),
                2,
                key=key + _KEYS_PER_WALK,
                before_step=restarts.race,
                until=restarts.others_until(),
            )
            current = restarts.nearer(current, others)
            keep = 1

    def _walk(
        self,
        task: SearchTask,
        current: BoundaryPoints,
        keep: int,
        *,
        key: int = 0,
        before_step: Callable[[BoundaryPoints, int], BoundaryPoints] | None = None,
        until: int | IntArray | None = None,
        n_parts: int = 1,
    ) -> BoundaryPoints:
        """Walk on until budgets are spent; return where rows that have something left stand.

        A row walks from all its points at first, and from the nearest one in the end; `keep` says
        how many may go on. `key` tells the draws of several walks apart;
        ``before_step(points, t)`` may replace the points. A row begins no step once it has sent
        `until` queries: one number, or one for each row of the task. Each step asks in `n_parts`
        parts of a basis.
        """
        until = np.broadcast_to(NO_LIMIT if until is None else until, len(task.x))
        rested = [current.take(np.empty(0, dtype=np.int64))]
        n, d = task.x.shape
        asked, n_asked, spent = 0, n_parts * self._part(d), task.fraction_spent()
        for t in range(_MOST_STEPS):
            going = task.oracle.n_queries[current.owner] < until[current.owner]
            going &= current.idle < _PATIENCE
            rested.append(current.take(np.flatnonzero(~going)))
            current = current.take(np.flatnonzero(going))
            if before_step is not None:
                current = before_step(current, t)
            current = current.affordable(task, n_asked + self._step_queries(d, t))
            if not len(current):
                break
            distance = current.distances(task)
            normals = boundary_normals(
                task.oracle,
                current.points,
                self._probe_radius(current) * distance,
                task.directions(key, asked, n_asked),
                current.owner,
                np.full(len(current), n_asked),
                current.radial(task) if self._sideways else None,
            )
            asked += n_asked
            points, nearer = self._step(task, current, normals, t)
            current.move(points, nearer)
            current.idle += 1
            current.idle[nearer < (1 - _LEAST_GAIN) * distance] = 0
            keep = max(1, keep // 2)
            current = current.keep_nearest(task, keep)
            before, spent = spent, task.fraction_spent()
            task.report((spent - before) * n)
        return BoundaryPoints.joined(rested)

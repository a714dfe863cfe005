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
from specreg_sklearn.attacks.frame import BlackBoxAttack
from specreg_sklearn.attacks.questions import NO_LIMIT, SearchTask

# One start is kept for every so many steps that the budget pays for. A second one of the
# same class is rarely worth its steps.
_STEPS_PER_START = 4
_STEPS_PER_SAME_CLASS_START = 50
# A start costs six queries or so: at most a tenth of the budget goes into them.
_STARTS_PER_STEP = 0.5
# A search of so many steps asks about more and more bases of directions.
_LONG_SEARCH = 60
_FASTEST_GROWTH = 4.0
# All steps that estimate one normal are held in memory together.
_MOST_DIRECTIONS = 4096
# Up to so many features a first step asks in a whole basis of directions. On more, several steps
# along rough normals come nearer than one along a good one: on images of 784 pixels 64 directions
# do as well as a basis does with twice the queries.
_MOST_FIRST_DIRECTIONS = 64
# A row ends that did not get nearer by this share in so many steps; twice as many with no budget.
_LEAST_GAIN = 1e-4
_PATIENCE = 6
_MOST_STEPS = 10000


class BoundaryWalk(BlackBoxAttack):
    """Base of attacks that estimate a normal, step along the boundary, and begin again.

    The best starts of each row, of different classes where there are any, are brought to the
    boundary. They share the first steps; then the nearest goes on alone. All rows ask in the same
    orthogonal directions, whole bases at a time.

    Subclasses say what a step is, in ``_step``, and what it costs, in ``_step_queries``.
    """

    _norms: ClassVar[tuple[float, ...]] = (2,)
    _from_boundary: ClassVar[bool] = False
    # Whether only the part of the normal at right angles to the radial direction is needed.
    _sideways: ClassVar[bool] = False

    @abstractmethod
    def _step(
        self, task: SearchTask, current: BoundaryPoints, normals: FloatArray, t: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return boundary points nearer to the clean rows, or the same, and their distances."""

    @abstractmethod
    def _step_queries(self, n_features: int) -> int:
        """Return what a step costs, apart from the normal."""

    def _n_data_starts(self, n_features: int) -> int:
        wanted = super()._n_data_starts(n_features)
        if self.max_queries is None:
            return wanted
        return min(wanted, max(2, round(self._n_steps(n_features) * _STARTS_PER_STEP)))

    def _n_steps(self, n_features: int) -> float:
        """Return about how many steps the budget of one row pays for."""
        budget = math.inf if self.max_queries is None else self.max_queries
        return budget / (self._first_directions(n_features) + self._step_queries(n_features))

    def _first_directions(self, n_features: int) -> int:
        most = min(n_features, _MOST_FIRST_DIRECTIONS)
        return most if self.max_queries is None else max(1, min(most, self.max_queries // 3))

    def _n_directions(self, n_features: int, t: int) -> int:
        speed = min((self._n_steps(n_features) / _LONG_SEARCH) ** 2, _FASTEST_GROWTH)
        growth = math.sqrt(max(1.0, (t + 1) * speed))
        # Multiples of the first number: the last directions of a complete basis are worth the most.
        first = self._first_directions(n_features)
        return first * int(min(growth, max(_MOST_DIRECTIONS // first, 1)))

    def _probe_radius(self, n_features: int) -> float:
        """Return the length of the moves that estimate a normal, as a share of the distance."""
        return 1 / math.sqrt(n_features)

    def _search(self, task: SearchTask) -> None:
        self._walk(task, *self._first_points(task))

    def _first_points(self, task: SearchTask) -> tuple[BoundaryPoints, int]:
        """Return the points to begin with, and how many each row may have."""
        d = task.x.shape[1]
        steps = self._n_steps(d)
        keep = int(np.clip(steps / _STEPS_PER_START, 1, self.n_starts))
        current = BoundaryPoints.from_starts(
            task,
            keep=keep,
            same_class=int(min(steps / _STEPS_PER_SAME_CLASS_START, self.n_starts)),
            tolerance=self._tolerance(d),
        )
        return current, keep

    def _tolerance(self, n_features: int) -> float:
        """Return how near to the boundary points begin, as a share of their distance."""
        return 1 / (4 * n_features)

    def _walk(
        self,
        task: SearchTask,
        current: BoundaryPoints,
        keep: int,
        *,
        key: int = 0,
        before_step: Callable[[BoundaryPoints, int], BoundaryPoints] | None = None,
        until: int | IntArray | None = None,
    ) -> BoundaryPoints:
        """Walk on until budgets are spent; return where rows that have something left stand.

        A row walks from all its points at first, and from the nearest one in the end; `keep` says
        how many may go on. `key` tells the draws of several walks apart;
        ``before_step(points, t)`` may replace the points. A row begins no step once it has sent
        `until` queries: one number, or one for each row of the task.
        """
        until = np.broadcast_to(NO_LIMIT if until is None else until, len(task.x))
        rested = [current.take(np.empty(0, dtype=np.int64))]
        n, d = task.x.shape
        idle = np.zeros(n, dtype=np.int64)
        patience = _PATIENCE if self.max_queries is not None else 2 * _PATIENCE
        least = max(1, self._first_directions(d) // 4)
        radius = self._probe_radius(d)
        spent = 0.0
        for t in range(_MOST_STEPS):
            going = task.oracle.n_queries[current.owner] < until[current.owner]
            rested.append(current.take(np.flatnonzero(~going)))
            current = current.take(np.flatnonzero(going))
            if before_step is not None:
                current = before_step(current, t)
            wanted = self._n_directions(d, t)
            chosen, n_asked = current.affordable(
                task, wanted, reserve=self._step_queries(d), least=least
            )
            current = current.take(chosen)
            if not len(current):
                break
            owner, distance = current.owner, current.distances(task)
            normals = boundary_normals(
                task.oracle,
                current.points,
                radius * distance,
                task.directions(key + t, wanted),
                owner,
                n_asked,
                current.radial(task) if self._sideways else None,
            )
            points, nearer = self._step(task, current, normals, t)
            current.move(points, nearer)
            gained = nearer < (1 - _LEAST_GAIN) * distance
            idle[owner] += 1
            idle[owner[gained]] = 0
            rested.append(current.take(np.flatnonzero(idle[owner] >= patience)))
            current = current.take(np.flatnonzero(idle[owner] < patience))
            keep = max(1, keep // 2)
            current = current.keep_nearest(task, keep)
            before, spent = spent, task.fraction_spent()
            task.report((spent - before) * n)
        return BoundaryPoints.joined(rested)

"""Walking along the decision boundary: what CGBA and the Tangent Attack have in common."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.boundary._boundary_points import BoundaryPoints
from specreg_sklearn.attacks.boundary._directions import (
    Directions,
    ImageShape,
    check_image_shape,
)
from specreg_sklearn.attacks.boundary._normals import boundary_normals
from specreg_sklearn.attacks.boundary._restarts import FIRST_STARTS, OTHERS_KEPT, Restarts
from specreg_sklearn.attacks.frame import BlackBoxAttack
from specreg_sklearn.attacks.questions import NO_LIMIT, SearchTask
from specreg_sklearn.space import L2

# A row rests that did not get nearer by this share in so many steps.
_LEAST_GAIN = 1e-4
_PATIENCE = 6
_MOST_STEPS = 10000
_MOST_ROUNDS = 400
# Walks of one search draw from keys this far apart.
_KEYS_PER_WALK = 2**20


@dataclass(kw_only=True, eq=False, repr=False)
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
    # Up to so many features a step asks in a whole basis of directions. On more, a basis is cut
    # into parts of about this size.
    _largest_part: ClassVar[int] = 64
    # In how many parts steps ask, by the stretch of a walk: answers of one basis and more say what
    # a boundary that is not flat is like as a whole.
    _parts: ClassVar[tuple[int, ...]] = (1, 2, 4, 4)

    image_shape: ImageShape = None

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_image_shape(self.image_shape)

    def _check_run(self, n_features: int, eps: float | None) -> None:
        check_image_shape(self.image_shape, n_features)

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

    def _probe_radius(self, current: BoundaryPoints) -> float | FloatArray:
        """Return the length of the moves that estimate normals, as a share of the distance."""
        return 1 / math.sqrt(current.points.shape[1])

    def _n_directions(self, n_different: int, stretch: int) -> int:
        """Return how many of so many orthogonal directions a step asks in."""
        n_parts = max(1, round(n_different / self._largest_part))
        return -(-n_different // n_parts) * self._n_parts(stretch)

    def _n_parts(self, stretch: int) -> int:
        return self._parts[min(stretch, len(self._parts) - 1)]

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
        *,
        key: int = 0,
        before_step: Callable[[BoundaryPoints, int], BoundaryPoints] | None = None,
        at_rest: Callable[[BoundaryPoints], BoundaryPoints] | None = None,
        most_rounds: int | None = None,
    ) -> None:
        """Walk from these points, and from time to time from other starts, until budgets are spent.

        `keep` and `key` are those of :meth:`_walk`. ``before_step(points, t)``, in the first
        stretch, and ``at_rest(points)``, when rows first come to rest, may take rows away for good.
        A row looks at other starts `most_rounds` times; None goes on until that is in vain.
        """
        restarts = Restarts(task, self.n_starts, self._tolerance(task.x.shape[1]))
        rested = np.zeros(len(task.x), dtype=bool)
        for turn in range(_MOST_ROUNDS):
            n_parts = self._n_parts(turn)
            current = self._walk(
                task,
                current,
                keep,
                key=key + 2 * turn * _KEYS_PER_WALK,
                before_step=restarts.watched(before_step, n_parts),
                until=restarts.until(turn),
                stretch=turn,
                first_step=restarts.n_parts_before(turn),
            )
            before_step, keep = None, 1
            current = current.keep_nearest(task, 1)
            if at_rest is not None:
                current = _left_by(at_rest, current, rested)
            if turn == most_rounds or not len(current):
                break
            others = self._walk(
                task,
                restarts.others(current),
                OTHERS_KEPT,
                key=key + (2 * turn + 1) * _KEYS_PER_WALK,
                before_step=restarts.raced(n_parts),
                until=restarts.others_until(),
                stretch=turn,
            )
            current = restarts.nearer(current, others)
            current.idle[:] = 0

    def _walk(
        self,
        task: SearchTask,
        current: BoundaryPoints,
        keep: int,
        *,
        key: int = 0,
        before_step: Callable[[BoundaryPoints, int], BoundaryPoints] | None = None,
        until: int | IntArray | None = None,
        stretch: int = 0,
        first_step: int = 0,
    ) -> BoundaryPoints:
        """Walk on until budgets are spent; return where rows that have something left stand.

        A row walks from all its points at first, and from the nearest one in the end; `keep` says
        how many may go on. `key` tells the draws of several walks apart;
        ``before_step(points, t)`` may replace the points. A row begins no step once it has sent
        `until` queries: one number, or one for each row of the task. In each further `stretch`
        steps ask in more directions; its steps are counted from `first_step`.
        """
        until = np.broadcast_to(NO_LIMIT if until is None else until, len(task.x))
        rested = [current.take(np.empty(0, dtype=np.int64))]
        n, d = task.x.shape
        directions = Directions(task, self.image_shape)
        n_asked = self._n_directions(directions.n_different(stretch), stretch)
        asked, spent = 0, task.fraction_spent()
        for t in range(_MOST_STEPS):
            going = task.oracle.n_queries[current.owner] < until[current.owner]
            going &= current.idle < _PATIENCE
            if not going.all():
                rested.append(current.take(np.flatnonzero(~going)))
                current = current.take(np.flatnonzero(going))
            if before_step is not None:
                current = before_step(current, t)
            current = current.affordable(task, n_asked + self._step_queries(d, first_step + t))
            if not len(current):
                break
            distance = current.distances(task)
            normals = boundary_normals(
                task.oracle,
                current.points,
                self._probe_radius(current) * distance,
                directions.draw(key, asked, n_asked, stretch),
                current.owner,
                np.full(len(current), n_asked),
                current.radial(task) if self._sideways else None,
            )
            asked += n_asked
            normals = _inside(task, current, normals, self._sideways)
            points, nearer = self._step(task, current, normals, first_step + t)
            current.move(points, nearer)
            current.idle += 1
            current.idle[nearer < (1 - _LEAST_GAIN) * distance] = 0
            keep = max(1, keep // 2)
            current = current.keep_nearest(task, keep)
            before, spent = spent, task.fraction_spent()
            task.report((spent - before) * n)
        return BoundaryPoints.joined(rested)


def _inside(
    task: SearchTask, current: BoundaryPoints, normals: FloatArray, sideways: bool
) -> FloatArray:
    """Return unit normals without what leads out of the box, from points at its faces.

    Moves there were clipped: half of what such a column has said is noise.
    """
    rows = task.oracle.rows
    lo, hi = rows.box(current.owner)
    cells = current.points if rows.unit else rows.cells(current.points, current.owner)
    outwards = ((cells <= lo) & (normals < 0)) | ((cells >= hi) & (normals > 0))
    some = np.flatnonzero(outwards.any(axis=1))
    if not len(some):
        return normals
    normals = normals.copy()
    kept = np.where(outwards[some], 0.0, normals[some])
    if sideways:
        radial = current.radial(task)[some]
        kept -= np.einsum("ij,ij->i", kept, radial)[:, None] * radial
    length = L2.length(kept)
    normals[some] = kept / np.where(length > 0, length, 1.0)[:, None]
    return normals


def _left_by(
    at_rest: Callable[[BoundaryPoints], BoundaryPoints], current: BoundaryPoints, rested: BoolArray
) -> BoundaryPoints:
    """Show it the points of rows that are at rest for the first time; return what it leaves."""
    now = (current.idle >= _PATIENCE) & ~rested[current.owner]
    rested[current.owner[now]] = True
    left = at_rest(current.take(np.flatnonzero(now)))
    return BoundaryPoints.joined([current.take(np.flatnonzero(~now)), left])

"""Boundary points from which an attack walks on, one or more for each row."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.boundary._choose_starts import choose_starts
from specreg_sklearn.attacks.boundary._mean_starts import with_means
from specreg_sklearn.attacks.questions import SearchTask, nearest_by_group
from specreg_sklearn.tables import rank_within

# Starts are compared after so many halvings; one that is then much farther out is dropped.
_START_ROUNDS = 6
_FIRST_ANGLE = 0.6
_START_SLACK = 1.3


@dataclass
class BoundaryPoints:
    """Adversarial points on the boundary, one or more for each row; one entry per point.

    `owner` is the row of each point, and `group` the class that its start came from. `angle` says,
    in radians, how far a step is expected to turn, `idle` how many steps in turn gained nothing,
    and `distance` how far the points are from the clean rows, if that is known.
    """

    points: FloatArray
    owner: IntArray
    group: IntArray
    angle: FloatArray = field(init=False)
    idle: IntArray = field(init=False)
    distance: FloatArray | None = field(default=None, init=False)
    _radial: FloatArray | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.angle = np.full(len(self.owner), _FIRST_ANGLE)
        self.idle = np.zeros(len(self.owner), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.owner)

    @classmethod
    def from_starts(
        cls, task: SearchTask, *, keep: int, same_class: int = 1, tolerance: float
    ) -> BoundaryPoints:
        """Bring the best starts of each row to the boundary.

        They are the starts of the task, and with many columns those by class means as well. A row
        keeps at most `keep` of them and no more than it has classes of starts, but
        `same_class` of them in any case.
        """
        fresh = rank_within((task.group, task.owner)) == 0
        n_classes = np.bincount(task.owner[fresh], minlength=len(task.x))
        # Each row counts its own classes: those its neighbours start from must not matter.
        most = np.maximum(np.minimum(keep, n_classes), same_class)
        points, owner, group = with_means(task)
        found = choose_starts(
            task,
            most[owner],
            _START_ROUNDS,
            slack=_START_SLACK,
            tolerance=tolerance,
            starts=(points, owner, group),
        )
        return cls(*found)

    @classmethod
    def joined(cls, parts: list[BoundaryPoints]) -> BoundaryPoints:
        """Return the points of all parts, ordered by their rows."""
        owner = np.concatenate([part.owner for part in parts])
        order = np.argsort(owner, kind="stable")

        def together(name: str) -> np.ndarray:
            return np.concatenate([getattr(part, name) for part in parts])[order]

        points = cls(together("points"), owner[order], together("group"))
        points.angle, points.idle = together("angle"), together("idle")
        return points

    def move(self, points: FloatArray, distance: FloatArray | None = None) -> None:
        """Go to other points, whose distances from the clean rows may be known."""
        self.points, self.distance, self._radial = points, distance, None

    def replace(self, task: SearchTask, some: IntArray, points: FloatArray) -> None:
        """Go to other points with some of them; the others stay as they are."""
        distance = self.distances(task).copy()
        distance[some] = task.distance(points, self.owner[some])
        self.points[some] = points
        self.move(self.points, distance)

    def distances(self, task: SearchTask) -> FloatArray:
        """Return how far the points are from the clean rows."""
        if self.distance is None:
            self.distance = task.distance(self.points, self.owner)
        return self.distance

    def radial(self, task: SearchTask) -> FloatArray:
        """Return unit vectors from the clean rows to the points, of shape (m, d)."""
        if self._radial is None:
            self._radial = self.points - task.x[self.owner]
            distance = self.distances(task)
            # A model that does not repeat its answers may lead back to the clean row itself.
            self._radial /= np.where(distance > 0, distance, 1.0)[:, None]
        return self._radial

    def take(self, chosen: IntArray) -> BoundaryPoints:
        """Return some of the points, given by their increasing numbers."""
        if len(chosen) == len(self):
            return self
        taken = BoundaryPoints(self.points[chosen], self.owner[chosen], self.group[chosen])
        taken.angle, taken.idle = self.angle[chosen], self.idle[chosen]
        taken.distance = None if self.distance is None else self.distance[chosen]
        return taken

    def keep_nearest(self, task: SearchTask, keep: int) -> BoundaryPoints:
        """Return the `keep` nearest points of each row, of different classes where there are."""
        if not len(self) or np.bincount(self.owner).max() <= keep:
            return self
        kept = nearest_by_group(self.owner, self.group, self.distances(task), keep)
        return self.take(np.flatnonzero(kept))

    def affordable(self, task: SearchTask, n_queries: int) -> BoundaryPoints:
        """Return the points of rows that are open and can pay a step for each of their points.

        Steps are taken whole or not at all: what is asked up to some number of queries does not
        depend on the budget.
        """
        n_points = np.bincount(self.owner, minlength=len(task.x))[self.owner]
        pays = n_points * n_queries <= task.oracle.left(self.owner)
        task.end(self.owner[~pays])
        return self.take(np.flatnonzero(pays & task.is_open(self.owner)))

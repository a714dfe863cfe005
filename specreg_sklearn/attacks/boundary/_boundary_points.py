"""Boundary points from which an attack walks on, one or more for each row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.boundary._choose_starts import choose_starts
from specreg_sklearn.attacks.questions import SearchTask, nearest_by_group, rank_within

# Starts are compared after so many halvings; one that is then much farther out is dropped.
_START_ROUNDS = 6
FIRST_ANGLE = 0.6
_START_SLACK = 1.3


@dataclass
class BoundaryPoints:
    """Adversarial points on the boundary, one or more for each row; one entry per point.

    Parameters
    ----------
    points : ndarray of shape (m, d)
        Adversarial points.
    owner : ndarray of shape (m,), int
        The row of each.
    group : ndarray of shape (m,), int
        The class that its start came from.
    angle : ndarray of shape (m,), or None
        How far a step is expected to turn, in radians. None stands for the first guess.
    distance : ndarray of shape (m,), or None
        How far the points are from the clean rows; None if this has to be found out.
    """

    points: FloatArray
    owner: IntArray
    group: IntArray
    angle: FloatArray | None = None
    distance: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.angle is None:
            self.angle = np.full(len(self.owner), FIRST_ANGLE)

    def __len__(self) -> int:
        return len(self.owner)

    @classmethod
    def from_starts(
        cls, task: SearchTask, *, keep: int, same_class: int = 1, tolerance: float
    ) -> BoundaryPoints:
        """Bring the best starts of each row to the boundary.

        A row keeps at most `keep` of them and no more than it has classes of starts, but
        `same_class` of them in any case.
        """
        fresh = rank_within((task.group, task.owner)) == 0
        n_classes = np.bincount(task.owner[fresh], minlength=len(task.x))
        # Each row counts its own classes: those its neighbours start from must not matter.
        most = np.maximum(np.minimum(keep, n_classes), same_class)[task.owner]
        return cls(
            *choose_starts(
                task, keep=most, rounds=_START_ROUNDS, slack=_START_SLACK, tolerance=tolerance
            )
        )

    def move(self, points: FloatArray, distance: FloatArray | None = None) -> None:
        """Go to other points, whose distances from the clean rows may be known."""
        self.points, self.distance = points, distance

    def distances(self, task: SearchTask) -> FloatArray:
        """Return how far the points are from the clean rows."""
        if self.distance is None:
            self.distance = task.distance(self.points, self.owner)
        return self.distance

    def radial(self, task: SearchTask) -> FloatArray:
        """Return unit vectors from the clean rows to the points, of shape (m, d)."""
        steps = self.points - task.x[self.owner]
        distance = self.distances(task)
        # A model that does not repeat its answers may lead back to the clean row itself.
        steps /= np.where(distance > 0, distance, 1.0)[:, None]
        return steps

    def take(self, chosen: IntArray) -> BoundaryPoints:
        """Return some of the points, given by their increasing numbers."""
        if len(chosen) == len(self):
            return self
        assert self.angle is not None
        return BoundaryPoints(
            self.points[chosen],
            self.owner[chosen],
            self.group[chosen],
            self.angle[chosen],
            None if self.distance is None else self.distance[chosen],
        )

    def keep_nearest(self, task: SearchTask, keep: int) -> BoundaryPoints:
        """Return the `keep` nearest points of each row, of different classes where there are."""
        if not len(self) or np.bincount(self.owner).max() <= keep:
            return self
        kept = nearest_by_group(self.owner, self.group, self.distances(task), keep)
        return self.take(np.flatnonzero(kept))

    def affordable(
        self, task: SearchTask, wanted: int, *, reserve: int, least: int
    ) -> tuple[IntArray, IntArray]:
        """Return which points can pay for an iteration, and in how many directions they ask.

        Parameters
        ----------
        task : SearchTask
            Holds the budgets. The points of one row share what it has left.
        wanted : int
            Directions that an iteration asks about.
        reserve : int
            Queries that the rest of the iteration needs.
        least : int
            Directions without which it is not worth while.
        """
        oracle, n = task.oracle, len(task.x)
        share = np.maximum(oracle.limit - oracle.n_queries, 0)
        share //= np.maximum(np.bincount(self.owner, minlength=n), 1)
        n_asked = np.minimum(share - reserve, wanted)
        best = oracle.best_distance
        n_asked *= np.isfinite(best) & (best > task.stop_distance)
        n_asked = n_asked[self.owner]
        chosen = np.flatnonzero(n_asked >= least)
        return chosen, n_asked[chosen]

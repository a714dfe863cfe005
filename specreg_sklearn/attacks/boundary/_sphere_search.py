"""A search on spheres: where there are few dimensions, nothing nearer need be missed.

A walk ends in the basin it began in. In two or three dimensions a sphere just inside the best point
can be searched for another one: a basin that comes nearer by a tenth covers a seventh of the circle
and a twelfth of the sphere. In more dimensions the share is too small to be found by chance.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.boundary._boundary_points import BoundaryPoints
from specreg_sklearn.attacks.questions import SearchTask, bisect, stream
from specreg_sklearn.space import as_norm

MOST_DIMENSIONS = 3
# Directions of one search, and at which shares of the best distance: most are at the sphere, the
# others look for separate regions inside, of which there is more in three dimensions.
_N_AROUND = 24
_SPHERE, _N_INSIDE = 0.99, {1: 6, 2: 6, 3: 12}
# As many again stay near the best point, at angles between these: a corner of the wrong region,
# into which no walk finds, is nearer by little, and narrow.
_N_NEAR, _NEAR_SPHERE, _ANGLES = 8, 0.995, (3e-3, 0.5)
_TOLERANCE = 2.0**-8
# A row is left after so many searches that found nothing.
_MOST_IN_VAIN = 30
_SPHERE_DRAW = 2**43


class SphereSearch:
    """Asks on spheres around the clean rows, again and again."""

    def __init__(self, task: SearchTask) -> None:
        self.task = task
        self.in_vain = np.zeros(len(task.x), dtype=np.int64)

    def rows(self) -> IntArray:
        """Return the rows that may ask, and were not searched in vain too often."""
        rows = self.task.active()
        return rows[self.in_vain[rows] < _MOST_IN_VAIN]

    def search(self, turn: int, rows: IntArray | None = None) -> BoundaryPoints:
        """Ask around rows, or all of them; return boundary points of those that found something."""
        task, oracle = self.task, self.task.oracle
        rows = self.rows() if rows is None else np.intersect1d(rows, self.rows())
        x, best = task.x[rows], oracle.best_distance[rows]
        steps = self._steps((oracle.best[rows] - x) / best[:, None], turn)
        points = x[:, None] + best[:, None, None] * steps
        whose = np.repeat(rows, steps.shape[1])
        oracle.decide(points.reshape(-1, x.shape[1]), whose)
        # Whatever fooled the model is nearer than the best point was.
        found = rows[oracle.best_distance[rows] < best]
        self.in_vain[rows] += 1
        self.in_vain[found] = 0
        points = bisect(
            oracle.decide,
            task.x[found],
            oracle.best[found].copy(),
            found,
            tolerance=_TOLERANCE,
            norm=oracle.norm,
        )
        return BoundaryPoints(points, found, np.zeros(len(found), dtype=np.int64))

    def _steps(self, towards: FloatArray, turn: int) -> FloatArray:
        """Return steps of length 1 at most: all around, and near the one that leads to the best.

        `towards` has shape (m, d), the result (m, n_steps, d).
        """
        norm, d = as_norm(self.task.oracle.norm), towards.shape[1]
        rng = stream(self.task.seed, _SPHERE_DRAW + turn)
        around = _around(rng, _N_AROUND, d)
        share = np.full(_N_AROUND, _SPHERE)
        inside = rng.choice(_N_AROUND, _N_INSIDE[d], replace=False)
        share[inside] *= rng.random(_N_INSIDE[d]) ** (1 / d)
        around *= (share / norm.length(around))[:, None]
        least, largest = np.log(_ANGLES).tolist()
        angle = np.exp(rng.uniform(least, largest, _N_NEAR))
        near = (towards[:, None] + angle[:, None] * _around(rng, _N_NEAR, d)).reshape(-1, d)
        near *= _NEAR_SPHERE / norm.length(near)[:, None]
        everywhere = np.broadcast_to(around, (len(towards), *around.shape))
        return np.concatenate([everywhere, near.reshape(len(towards), _N_NEAR, d)], axis=1)


def _around(rng: np.random.Generator, n: int, d: int) -> FloatArray:
    """Return n unit directions, evenly spread on the circle, else at random with opposites."""
    if d == 2:
        angles = (np.arange(n) + rng.random()) * (2 * np.pi / n)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)
    half = rng.normal(size=(n // 2, d))
    half /= np.linalg.norm(half, axis=1)[:, None]
    return np.concatenate([half, -half])

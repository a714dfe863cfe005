"""One step of CGBA: along a semicircle towards the clean row.

The plane is spanned by the direction to the boundary point and the normal of the boundary there.
In it, the semicircle whose diameter is the segment from the clean row to the boundary point meets
a flat boundary exactly at the point nearest to the clean row (Thales), and every point of it is
nearer than the boundary point one came from (Reza et al., arXiv:2308.03163, section 4).

The plane needs of the normal only the part at right angles to the segment. The angle at which the
arc meets the boundary is looked for around that of the step before.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn.attacks._search import SearchTask

# The arc is searched in rounds of a few questions each: a call of a model costs more than a row.
ROUNDS, PER_ROUND = 3, 3
STEP_QUERIES = ROUNDS * PER_ROUND
# Where the rounds look: in units of the expected angle, then of the bracket. Where nothing fools
# the model yet, the answer is near the point one came from; where everything does, farther on.
_FIRST = np.array([0.25, 0.6, 1.2])
_INNER = np.arange(1, PER_ROUND + 1) / (PER_ROUND + 1)
_NEAR = np.array([0.2, 0.45, 0.7])
_FARTHER = 3.0
_PLACES = np.arange(1, PER_ROUND + 1)
# Beyond this the arc is all but back at the clean row.
_LAST_ANGLE = 0.98 * np.pi / 2
# After a step in vain, the next one is expected to turn less.
_LESS, _LEAST_ANGLE = 0.25, 1e-4


def semicircle_step(
    task: SearchTask,
    points: np.ndarray,
    sideways: np.ndarray,
    owner: np.ndarray,
    radius: np.ndarray,
    angle: np.ndarray,
    n_rounds: int = ROUNDS,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points nearer to the clean rows, or the same ones where the arc held none.

    Parameters
    ----------
    task : SearchTask
        Where to ask.
    points : ndarray of shape (m, d)
        Adversarial points on the boundary, one per chain.
    sideways : ndarray of shape (m, d)
        Unit vectors at right angles to the way from the clean row: where the boundary's normal
        leans, on the adversarial side.
    owner : ndarray of shape (m,), int
        The row of each chain.
    radius : ndarray of shape (m,)
        How far the points are from the clean rows.
    angle : ndarray of shape (m,)
        How far steps are expected to turn, in radians.
    n_rounds : int, default=ROUNDS
        Rounds of questions.

    Returns
    -------
    points : ndarray of shape (m, d)
        Adversarial points inside the box.
    distance : ndarray of shape (m,)
        How far they are from the clean rows.
    angle : ndarray of shape (m,)
        What to expect of the next step.
    """
    arc = _Arc(task.x[owner], points, sideways, radius)
    fence = np.empty((len(points), PER_ROUND + 2))
    angles = fence[:, 1:-1]
    low, high = np.zeros(len(points)), np.full(len(points), _LAST_ANGLE)
    np.minimum(angle[:, None] * _FIRST, 0.99 * _LAST_ANGLE, out=angles)
    left_end = np.arange(len(points)) * fence.shape[1]
    reached = points.copy()
    for turn in range(n_rounds):
        if turn:
            top = np.where(high < _LAST_ANGLE, high, np.minimum(_FARTHER * low, high))
            inner = np.where((low == 0)[:, None], _NEAR, _INNER)
            np.multiply((top - low)[:, None], inner, out=angles)
            angles += low[:, None]
        fence[:, 0], fence[:, -1] = low, high
        tried = arc.at(angles)
        fooled = task.oracle.decide_each(tried, owner)
        # The last angle that still fools the model is the nearest to the clean row.
        last = (fooled * _PLACES).max(axis=1)
        some = np.flatnonzero(last)
        reached[some] = tried[some, last[some] - 1]
        place = left_end + last
        low, high = fence.take(place), fence.take(place + 1)
    some = np.flatnonzero(low)
    distance = radius.copy()
    if len(some):
        reached[some] = task.clip(reached[some], owner[some])
        task.oracle.remember(reached[some], owner[some])
        distance[some] = task.distance(reached[some], owner[some])
    # Clipping may have moved a point of the arc outwards of where it should be.
    nearer = distance < radius
    expected = np.maximum(np.where(low > 0, low, _LESS * angle), _LEAST_ANGLE)
    if not nearer.all():
        reached = np.where(nearer[:, None], reached, points)
        distance = np.where(nearer, distance, radius)
    return reached, distance, expected


class _Arc:
    """The semicircles of some chains; see :func:`semicircle_step`."""

    def __init__(
        self, x: np.ndarray, points: np.ndarray, sideways: np.ndarray, radius: np.ndarray
    ) -> None:
        # Seen from the middle of the segment, an arc turns by twice the angle at the clean row.
        self.plane = np.empty((len(x), 3, x.shape[1]))
        half = np.subtract(points, x, out=self.plane[:, 0])
        half /= 2
        np.multiply(sideways, radius[:, None] / 2, out=self.plane[:, 1])
        np.add(x, half, out=self.plane[:, 2])

    def at(self, angles: np.ndarray) -> np.ndarray:
        """Return the points of shape (m, k, d) at k angles of each chain's semicircle."""
        turned, weights = 2 * angles, np.empty((*angles.shape, 3))
        np.cos(turned, out=weights[..., 0])
        np.sin(turned, out=weights[..., 1])
        weights[..., 2] = 1.0
        return np.matmul(weights, self.plane)

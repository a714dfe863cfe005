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
    angle: np.ndarray,
    n_rounds: int = ROUNDS,
) -> tuple[np.ndarray, np.ndarray]:
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
    angle : ndarray of shape (m,)
        How far steps are expected to turn, in radians.
    n_rounds : int, default=ROUNDS
        Rounds of questions.

    Returns
    -------
    points : ndarray of shape (m, d)
        Adversarial points inside the box.
    angle : ndarray of shape (m,)
        What to expect of the next step.
    """
    x = task.x[owner]
    radius = task.distance(points, owner)
    plane = np.empty((len(x), 2, x.shape[1]))
    plane[:, 0] = (points - x) / np.where(radius > 0, radius, 1.0)[:, None]
    plane[:, 1] = sideways
    low, high = np.zeros(len(points)), np.full(len(points), _LAST_ANGLE)
    angles = np.minimum(angle[:, None] * _FIRST, 0.99 * _LAST_ANGLE)
    chain = np.arange(len(points))
    whose = np.repeat(owner, PER_ROUND)
    for turn in range(n_rounds):
        if turn:
            top = np.where(high < _LAST_ANGLE, high, np.minimum(_FARTHER * low, high))
            inner = np.where((low == 0)[:, None], _NEAR, _INNER)
            angles = low[:, None] + (top - low)[:, None] * inner
        arc = _on_arc(x, radius, plane, angles)
        fooled = task.oracle.decide(arc.reshape(len(whose), -1), whose).reshape(angles.shape)
        # The last angle that still fools the model is the nearest to the clean row.
        last = (fooled * _PLACES).max(axis=1)
        fence = np.concatenate([low[:, None], angles, high[:, None]], axis=1)
        low, high = fence[chain, last], fence[chain, last + 1]
    reached = task.clip(_on_arc(x, radius, plane, low[:, None])[:, 0], owner)
    # Clipping may have moved a point of the arc outwards of where it should be.
    nearer = (low > 0) & (task.distance(reached, owner) < radius)
    expected = np.maximum(np.where(low > 0, low, _LESS * angle), _LEAST_ANGLE)
    return np.where(nearer[:, None], reached, points), expected


def _on_arc(x: np.ndarray, radius: np.ndarray, plane: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return the points of shape (m, k, d) at k angles of each chain's semicircle."""
    c = np.cos(angles)
    weights = np.empty((*angles.shape, 2))
    reach = radius[:, None] * c
    weights[..., 0], weights[..., 1] = reach * c, reach * np.sin(angles)
    arc = np.matmul(weights, plane)
    arc += x[:, None]
    return arc

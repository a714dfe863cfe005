"""One step of CGBA: along a semicircle towards the clean row.

The plane is spanned by the direction to the boundary point and the normal of the boundary there.
In it, the semicircle whose diameter is the segment from the clean row to the boundary point meets
a flat boundary exactly at the point nearest to the clean row (Thales), and every point of it is
nearer than the boundary point one came from (Reza et al., arXiv:2308.03163, section 4).
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn.attacks._search import SearchTask

# The arc is searched in rounds of a few questions each: a call of a model costs more than a row.
ROUNDS, PER_ROUND = 3, 3
STEP_QUERIES = ROUNDS * PER_ROUND
# The first round looks at and before the angle that is right for a flat boundary.
_FIRST = np.array([0.5, 0.8, 1.0])
_INNER = np.arange(1, PER_ROUND + 1) / (PER_ROUND + 1)
_PLACES = np.arange(1, PER_ROUND + 1)
# Beyond this the arc is all but back at the clean row.
_LAST_ANGLE = 0.98 * np.pi / 2


def semicircle_step(
    task: SearchTask, points: np.ndarray, normals: np.ndarray, owner: np.ndarray
) -> np.ndarray:
    """Return points nearer to the clean rows, or the same ones where the arc held none.

    Parameters
    ----------
    task : SearchTask
        Where to ask.
    points : ndarray of shape (m, d)
        Adversarial points on the boundary, one per chain.
    normals : ndarray of shape (m, d)
        Unit normals there, pointing to the adversarial side.
    owner : ndarray of shape (m,), int
        The row of each chain.

    Returns
    -------
    ndarray of shape (m, d)
        Adversarial points inside the box.
    """
    x = task.x[owner]
    radius = task.distance(points, owner)
    v = (points - x) / np.where(radius > 0, radius, 1.0)[:, None]
    cosine = np.minimum(np.maximum(np.einsum("ij,ij->i", v, normals), -1.0), 1.0)
    flat = np.arccos(cosine)
    w = normals - cosine[:, None] * v
    size = np.sqrt(np.einsum("ij,ij->i", w, w))
    plane = np.empty((len(v), 2, v.shape[1]))
    plane[:, 0], plane[:, 1] = v, w / np.where(size > 0, size, 1.0)[:, None]
    # Towards the clean row at angle pi/2, no further than twice the angle of a flat boundary.
    low, high = np.zeros(len(points)), np.minimum(2 * flat, _LAST_ANGLE)
    angles = np.minimum(flat, high)[:, None] * _FIRST
    chain = np.arange(len(points))
    whose = np.repeat(owner, PER_ROUND)
    for turn in range(ROUNDS):
        if turn:
            angles = low[:, None] + (high - low)[:, None] * _INNER
        arc = _on_arc(x, radius, plane, angles)
        fooled = task.oracle.decide(arc.reshape(len(whose), -1), whose).reshape(angles.shape)
        # The last angle that still fools the model is the nearest to the clean row.
        last = (fooled * _PLACES).max(axis=1)
        fence = np.concatenate([low[:, None], angles, high[:, None]], axis=1)
        low, high = fence[chain, last], fence[chain, last + 1]
    reached = task.clip(_on_arc(x, radius, plane, low[:, None])[:, 0], owner)
    # Clipping may have moved a point of the arc outwards of where it should be.
    nearer = (low > 0) & (task.distance(reached, owner) < radius)
    return np.where(nearer[:, None], reached, points)


def _on_arc(x: np.ndarray, radius: np.ndarray, plane: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return the points of shape (m, k, d) at k angles of each chain's semicircle."""
    c = np.cos(angles)
    weights = np.empty((*angles.shape, 2))
    reach = radius[:, None] * c
    weights[..., 0], weights[..., 1] = reach * c, reach * np.sin(angles)
    arc = np.matmul(weights, plane)
    arc += x[:, None]
    return arc

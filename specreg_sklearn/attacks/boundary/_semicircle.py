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

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.questions import Oracle, SearchTask

# The arc is searched in rounds of a few questions each: a call of a model costs more than a row.
ROUNDS, PER_ROUND = 3, 3
STEP_QUERIES = ROUNDS * PER_ROUND
# Where the first round looks, in units of the expected angle; where the others do, in units of the
# bracket. Where nothing fools the model yet, the answer is near the point one came from; where
# everything does, farther on.
_FIRST = np.array([0.25, 0.6, 1.2])
_INNER = np.arange(1, PER_ROUND + 1) / (PER_ROUND + 1)
_NEAR = np.array([0.2, 0.45, 0.7])
_FARTHER = 3.0
# The place of the last yes, counted from 1, by the answers of a round read as a binary number.
_BITS = 2 ** np.arange(PER_ROUND)
_LAST = np.array([n.bit_length() for n in range(2**PER_ROUND)])
# Where the bracket ends in which the second round looks, in units of the expected angle, and where
# it looks in there, by the place of the last yes in the first.
_TOP = np.array([*_FIRST, _FARTHER * _FIRST[-1]])
_SECOND = np.array([_NEAR, _INNER, _INNER, _INNER])
# Beyond this the arc is all but back at the clean row.
_LAST_ANGLE = 0.98 * np.pi / 2
_LARGEST_ANGLE = 0.99 * _LAST_ANGLE
# After a step in vain, the next one is expected to turn less.
_LESS, _LEAST_ANGLE = 0.25, 1e-4


def semicircle_step(
    task: SearchTask,
    points: FloatArray,
    radial: FloatArray,
    sideways: FloatArray,
    owner: IntArray,
    radius: FloatArray,
    angle: FloatArray,
    n_rounds: int = ROUNDS,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return points nearer to the clean rows, or the same ones where the arc held none.

    `points`, (m, d), lie on the boundary, `radius`, (m,), away from the clean rows in the unit
    directions `radial`. The unit vectors `sideways`, at right angles to those, say where the
    boundary's normal leans, on the adversarial side. Steps are expected to turn by `angle`, (m,),
    in radians. Returns adversarial points inside the box, how far they are from the clean rows, and
    what angle to expect of the next step.
    """
    m, d = points.shape
    arc = _Arc(points, radial, sideways, radius)
    ask = _RepeatedQueries(task.oracle, owner, PER_ROUND, n_rounds)
    tried = np.empty((n_rounds, m, PER_ROUND, d))
    before = np.arange(-1, m * PER_ROUND - 1, PER_ROUND)
    low, high = np.zeros(m), np.full(m, _LAST_ANGLE)
    # Where among all points tried the nearest one stands that fools the model.
    nearest = last = np.zeros(m, dtype=np.int64)
    angles = np.minimum(angle[:, None] * _FIRST, _LARGEST_ANGLE)
    for turn in range(n_rounds):
        if turn == 1:
            top, inner = np.minimum(angle * _TOP[last], _LAST_ANGLE), _SECOND[last]
        elif turn:
            top = np.where(high < _LAST_ANGLE, high, np.minimum(_FARTHER * low, high))
            inner = np.where((low == 0)[:, None], _NEAR, _INNER)
        if turn:
            angles = (top - low)[:, None] * inner
            angles += low[:, None]
        fooled = ask(arc.at(angles, tried[turn]))
        # The last angle that still fools the model is the nearest to the clean row.
        last = _LAST[fooled @ _BITS]
        some, place = last > 0, before + last
        nearest = np.where(some, place + turn * m * PER_ROUND, nearest)
        low = np.where(some, angles.take(place), low)
        if n_rounds > 2:
            ends = np.concatenate([angles, high[:, None]], axis=1)
            high = ends[np.arange(m), last]
    moved = np.flatnonzero(low)
    reached, distance = points.copy(), radius.copy()
    if len(moved):
        found = tried.reshape(-1, d)[nearest[moved]]
        reached[moved], distance[moved] = ask.remember(found, owner[moved])
    # Clipping may have moved a point of the arc outwards of where it should be.
    nearer = distance < radius
    expected = np.maximum(np.where(low > 0, low, _LESS * angle), _LEAST_ANGLE)
    if np.count_nonzero(nearer) < len(moved):
        reached = np.where(nearer[:, None], reached, points)
        distance = np.where(nearer, distance, radius)
    return reached, distance, expected


class _Arc:
    """The semicircles of some points; see :func:`semicircle_step`."""

    def __init__(
        self, points: FloatArray, radial: FloatArray, sideways: FloatArray, radius: FloatArray
    ) -> None:
        m, d = points.shape
        half = radius[:, None] / 2
        # Seen from the middle of the segment, an arc turns by twice the angle at the clean row.
        self._plane = np.empty((m, 3, d))
        np.multiply(radial, half, out=self._plane[:, 0])
        np.multiply(sideways, half, out=self._plane[:, 1])
        np.subtract(points, self._plane[:, 0], out=self._plane[:, 2])
        self._weights = np.ones((m, PER_ROUND, 3))

    def at(self, angles: FloatArray, out: FloatArray) -> FloatArray:
        """Write the points at some angles of each semicircle; shape (m, PER_ROUND, d)."""
        turned = 2 * angles
        np.cos(turned, out=self._weights[..., 0])
        np.sin(turned, out=self._weights[..., 1])
        return np.matmul(self._weights, self._plane, out=out)


class _RepeatedQueries:
    """Asks as ``oracle.decide`` does, with little to do beside asking.

    What fools the model may not be remembered: show the nearest points to :meth:`remember`. Each of
    at most `n_calls` calls is about `k` points of every semicircle.
    """

    def __init__(self, oracle: Oracle, owner: IntArray, k: int, n_calls: int) -> None:
        self._oracle, self._owner, self._k = oracle, owner, k
        rows = oracle.rows
        self._asked = k * np.bincount(owner, minlength=len(rows))
        covered = (n_calls * self._asked <= oracle.limit - oracle.n_queries).all()
        # Where cells are rounded, a point may be built as the clean row itself.
        self._plain = bool(
            rows.exact and not rows.settles and len(owner) * k <= oracle.batch_rows and covered
        )
        lo, hi = rows.box(owner)
        self._box = lo[:, None], hi[:, None]

    def __call__(self, Z: FloatArray) -> BoolArray:
        """Return, of shape (m, k), where the model is fooled.

        `Z` holds coordinates of shape (m, k, d). They may be clipped in place, and shown to the
        model as they are.
        """
        m, k, d = Z.shape
        oracle, owner = self._oracle, self._owner
        if not self._plain:
            fooled = oracle.decide(Z.reshape(-1, d), np.repeat(owner, k), remember=False)
            return fooled.reshape(m, k)
        cells = Z if oracle.rows.unit else oracle.rows.cells(Z, owner[:, None])
        cells = oracle.rows.fit(cells, *self._box)
        fooled = oracle.ask(cells, owner, copy=False)
        oracle.n_queries += self._asked
        return fooled

    def remember(self, Z: FloatArray, owner: IntArray) -> tuple[FloatArray, FloatArray]:
        """Let the oracle remember some of the points asked about, which fooled the model.

        Returns the points, of shape (m, d), moved into the boxes, and their distances.
        """
        rows = self._oracle.rows
        # Where coordinates are cells, asking has clipped them already.
        built = self._plain and rows.unit
        Z = Z if built else rows.clip(Z, owner)
        return Z, self._oracle.remember(Z, owner, Z if built else None)

"""Steps along slopes of the margin, for smooth models.

Near a smooth boundary the margin is nearly linear. Its slope comes from differences of scores:
along each column, or along random directions where there are many. The nearest point at which the
linear margin is zero is known in each norm; points on the way there and beyond are asked about in
one call, and the boundary between them in another.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.questions import Margins, SearchTask
from specreg_sklearn.space import as_norm
from specreg_sklearn.tables import rank_within

# Columns up to which each is asked about; else so many directions.
_MOST_DIRECTIONS = 64
# Length of the differences, as a share of the distance.
_DIFFERENCE = 0.01
# How far to go from the present point to the nearest one of the linear margin; and lengths of the
# moves from the clean row that are asked about, as shares of that point's.
_ON_THE_WAY = np.array([1.0, 0.5, 0.2])
_LENGTHS = np.array([0.9, 0.98, 1.0, 1.02, 1.1, 1.3])
_N_SECANTS = 3
# A row goes on from its point while that comes nearer by this share; then from its next start.
_GAIN = 1e-3
# Small moves that tell slopes from flat pieces: twice the move, twice the change, up to so much.
_N_TESTS, _TEST, _BENT = 4, 1e-3, 0.3
_TINY = 1e-300
# Keys of the draws, beyond those of rounds.
_DIRECTION_KEY = 2**32


class SlopeSteps:
    """Takes rows along the slope of their margins, from one start after the other.

    Rows are `smooth` once the margin was seen to have a slope around their point.
    """

    def __init__(self, task: SearchTask, margins: Margins) -> None:
        n = len(task.x)
        self.task, self.margins = task, margins
        self.norm = as_norm(task.oracle.norm)
        self.smooth = np.zeros(n, dtype=bool)
        self.at = np.zeros(task.x.shape)
        self.distance = np.full(n, np.inf)
        # The starts of each row, the nearest first.
        self._order = np.argsort(task.owner, kind="stable")
        place = rank_within((task.owner,), task.distance(task.starts, task.owner))
        self._start = {
            (i, k): j
            for j, (i, k) in enumerate(zip(task.owner.tolist(), place.tolist(), strict=True))
        }
        self._next = np.zeros(n, dtype=np.int64)

    def begin(self, rows: IntArray) -> None:
        """Find out which rows are smooth, at their best points."""
        rows = rows[np.isfinite(self.task.oracle.best_distance[rows])]
        if not len(rows):
            return
        d = self.task.x.shape[1]
        best, b = self.task.oracle.best[rows], self.task.oracle.best_distance[rows]
        tests = _directions(self.task, 0, min(d, _N_TESTS))
        steps = np.concatenate([np.zeros((1, d)), tests, 2 * tests]) * _TEST
        points = best[:, None] + b[:, None, None] * steps
        values = self.margins.measure(points.reshape(-1, d), np.repeat(rows, len(steps)))
        values = values.reshape(len(rows), -1)
        with np.errstate(invalid="ignore", divide="ignore"):
            once, twice = np.split(values[:, 1:] - values[:, :1], 2, axis=1)
            # Pieces of trees are flat, and where small moves change them they do so by jumps.
            doubled = np.abs(twice / once - 2) < _BENT
        self.smooth[rows] = doubled.sum(axis=1) > len(tests) / 2
        self.at[rows], self.distance[rows] = best, b

    def due(self, rows: IntArray) -> BoolArray:
        """Return which rows can go on."""
        return np.asarray(self.smooth[rows] & np.isfinite(self.distance[rows]))

    def step(self, rows: IntArray, t: int) -> None:
        """Take one step in round t."""
        if not len(rows):
            return
        d = self.task.x.shape[1]
        x, at, before = self.task.x[rows], self.at[rows], self.distance[rows].copy()
        n = min(d, _MOST_DIRECTIONS)
        directions = np.eye(d) if n == d else _directions(self.task, t + 1, n)
        here, slope = self._slopes(at, rows, directions, before)
        nearest = self._nearest_of_linear(x, at, here, slope, rows)
        self._ask_on_the_way(x, at, nearest, rows)
        done = rows[~(self.distance[rows] < (1 - _GAIN) * before)]
        self._to_next_start(done)

    def _to_next_start(self, rows: IntArray) -> None:
        """Go on from the next start; rows that have none are at their end."""
        self.distance[rows] = np.inf
        for i in rows.tolist():
            j = self._start.get((i, int(self._next[i])))
            self._next[i] += 1
            if j is not None:
                self.at[i] = self.task.starts[j]
                self.distance[i] = self.task.distance(self.at[[i]], np.array([i]))[0]

    def _slopes(
        self, at: FloatArray, rows: IntArray, directions: FloatArray, b: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return margins at points, and slopes (m, d)."""
        m, d = at.shape
        size = (_DIFFERENCE * b)[:, None, None]
        owner = np.repeat(rows, len(directions))
        ahead = at[:, None] + size * directions
        # Towards the inside of the box, where there is room on one side only.
        clipped = self.task.clip(ahead.reshape(-1, d), owner).reshape(ahead.shape)
        back = (clipped != ahead).any(axis=2, keepdims=True)
        ahead = np.where(back, at[:, None] - size * directions, ahead)
        radial = at - self.task.x[rows]
        radial = radial / np.maximum(np.linalg.norm(radial, axis=1), _TINY)[:, None]
        inner = at - size[:, 0] * radial
        points = np.concatenate([at[:, None], inner[:, None], ahead], axis=1)
        values = self.margins.measure(points.reshape(-1, d), np.repeat(rows, len(directions) + 2))
        values = values.reshape(m, -1)
        here = np.where(np.isfinite(values[:, 0]), values[:, 0], 0.0)
        change = np.where(np.isfinite(values), values - here[:, None], 0.0) / size[:, :, 0]
        sign = np.where(back[..., 0], -1.0, 1.0)
        # Not a matrix product: its rounding would depend on how many rows there are.
        slope = np.einsum("ij,jk->ik", sign * change[:, 2:], directions)
        if len(directions) < d:
            # What the directions do not span is taken from the way to the clean row.
            along = -change[:, 1] - np.einsum("ij,ij->i", slope, radial)
            slope = slope + along[:, None] * radial
        return here, slope

    def _nearest_of_linear(
        self, x: FloatArray, at: FloatArray, here: FloatArray, slope: FloatArray, rows: IntArray
    ) -> FloatArray:
        """Return the nearest points where the margin would be 0 if it were linear."""
        # What the margin at x would be, with the other sign: the step has to make up for it.
        wanted = np.einsum("ij,ij->i", slope, at - x) - here
        step, free = np.zeros(x.shape), slope != 0
        for _ in range(4):
            left = wanted - np.einsum("ij,ij->i", slope, np.where(free, 0.0, step))
            step = np.where(free, _along(np.where(free, slope, 0.0), left, self.norm.order), step)
            inside = self.task.clip(x + step, rows) - x
            free &= np.isclose(inside, step, rtol=1e-9, atol=0.0)
            step = inside
        return x + step

    def _ask_on_the_way(
        self, x: FloatArray, at: FloatArray, nearest: FloatArray, rows: IntArray
    ) -> None:
        """Ask along the rays to points between these, then between those that tell the boundary."""
        m, d = x.shape
        ray = ((at - x)[:, None] + _ON_THE_WAY[:, None] * (nearest - at)[:, None]).reshape(-1, d)
        whose, start = np.repeat(rows, len(_ON_THE_WAY)), np.repeat(x, len(_ON_THE_WAY), axis=0)
        n_lengths = len(_LENGTHS)
        points = start[:, None] + _LENGTHS[:, None] * ray[:, None]
        margin = self.margins.measure(points.reshape(-1, d), np.repeat(whose, n_lengths))
        margin = margin.reshape(-1, n_lengths)
        # The shortest length that fools, and the next one before it.
        first = (margin <= 0).argmax(axis=1)
        each = np.arange(len(margin))
        hit = margin[each, first] <= 0
        before = np.maximum(first - 1, 0)
        far, near = _LENGTHS[first], np.where(first > 0, _LENGTHS[before], 0.5 * _LENGTHS[0])
        at_far, at_near = margin[each, first], np.where(first > 0, margin[each, before], np.nan)
        for _ in range(_N_SECANTS):
            some = np.flatnonzero(hit)
            with np.errstate(invalid="ignore", divide="ignore"):
                share = at_near[some] / (at_near[some] - at_far[some])
            # A little beyond the root, so that it is a hit more often than not.
            share = np.where(np.isfinite(share), np.clip(1.02 * share, 0.02, 0.98), 0.5)
            middle = near[some] + share * (far - near)[some]
            found = self.margins.measure(start[some] + middle[:, None] * ray[some], whose[some])
            inside = found <= 0
            far[some] = np.where(inside, middle, far[some])
            at_far[some] = np.where(inside, found, at_far[some])
            near[some] = np.where(inside, near[some], middle)
            at_near[some] = np.where(inside, at_near[some], found)
        distance = np.where(hit, self.norm.length(far[:, None] * ray), np.inf).reshape(m, -1)
        best = distance.argmin(axis=1)
        nearer = distance[np.arange(m), best] < self.distance[rows]
        place = np.arange(m) * len(_ON_THE_WAY) + best
        self.at[rows[nearer]] = (start + far[:, None] * ray)[place][nearer]
        self.distance[rows[nearer]] = distance[np.arange(m), best][nearer]


def _directions(task: SearchTask, key: int, n: int) -> FloatArray:
    """Return n orthonormal directions, the same for all rows."""
    drawn = task.rng(_DIRECTION_KEY + key).normal(size=(task.x.shape[1], n))
    return np.ascontiguousarray(np.linalg.qr(drawn)[0].T)


def _along(slope: FloatArray, wanted: FloatArray, order: float) -> FloatArray:
    """Return the shortest steps whose products with the slopes are what is wanted."""
    if order == 2:
        return (wanted / np.maximum((slope**2).sum(axis=1), _TINY))[:, None] * slope
    if order == np.inf:
        return (wanted / np.maximum(np.abs(slope).sum(axis=1), _TINY))[:, None] * np.sign(slope)
    step, largest = np.zeros(slope.shape), np.abs(slope).argmax(axis=1)
    each = np.arange(len(slope))
    steepest = slope[each, largest]
    some = steepest != 0
    step[each[some], largest[some]] = wanted[some] / steepest[some]
    return step

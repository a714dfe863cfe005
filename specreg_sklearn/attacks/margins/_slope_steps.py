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

# Columns up to which each is asked about; else so many directions.
_MOST_DIRECTIONS = 64
# Length of the differences, as a share of the distance.
_DIFFERENCE = 0.01
# How far to go from the present point to the nearest one of the linear margin; and lengths of the
# moves from the clean row that are asked about, as shares of that point's.
_ON_THE_WAY = np.array([1.0, 0.5, 0.2])
_LENGTHS = np.array([0.97, 1.0, 1.02, 1.06])
_N_SECANTS = 2
# A row comes here again in the next round after a gain; else after as many rounds as it has waited.
_GAIN, _FIRST_AT = 1e-3, 1
_N_TESTS = 4
_TINY = 1e-300


class SlopeSteps:
    """Takes rows along the slope of their margins where that brings them nearer."""

    def __init__(self, task: SearchTask, margins: Margins) -> None:
        n = len(task.x)
        self.task, self.margins = task, margins
        self.norm = as_norm(task.oracle.norm)
        self.next = np.full(n, _FIRST_AT)
        self.wait = np.ones(n, dtype=np.int64)

    def due(self, rows: IntArray, t: int) -> BoolArray:
        """Return which rows take their next step in round t."""
        known = np.isfinite(self.task.oracle.best_distance[rows])
        return np.asarray(known & (self.next[rows] <= t))

    def step(self, rows: IntArray, t: int) -> None:
        """Take one step in round t."""
        if not len(rows):
            return
        task, d = self.task, self.task.x.shape[1]
        x, b = task.x[rows], task.oracle.best_distance[rows].copy()
        best = task.oracle.best[rows].copy()
        directions = np.eye(d) if d <= _MOST_DIRECTIONS else task.directions(t, _MOST_DIRECTIONS)
        here, slope = self._slopes(best, rows, directions, b, t)
        flat = ~(slope != 0).any(axis=1)
        self.next[rows[flat]] = np.iinfo(np.int64).max
        some = np.flatnonzero(~flat)
        if not len(some):
            return
        rows, x, b, best, here = rows[some], x[some], b[some], best[some], here[some]
        nearest = self._nearest_of_linear(x, best, here, slope[some], rows)
        self._ask_on_the_way(x, best, nearest, rows)
        gained = task.oracle.best_distance[rows] < (1 - _GAIN) * b
        self.wait[rows] = np.where(gained, 1, 2 * self.wait[rows])
        self.next[rows] = t + self.wait[rows]

    def _slopes(
        self, best: FloatArray, rows: IntArray, directions: FloatArray, b: FloatArray, t: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return margins at points, and slopes (m, d); slopes of 0 where the margin is flat."""
        m, d = best.shape
        # Flat pieces, as of trees, show on a few random moves.
        tests = self.task.directions(t, max(_N_TESTS, d))[:_N_TESTS]
        near = best[:, None] + (_DIFFERENCE * b)[:, None, None] * tests
        points = np.concatenate([best[:, None], near], axis=1)
        values = self.margins.measure(points.reshape(-1, d), np.repeat(rows, _N_TESTS + 1))
        values = values.reshape(m, -1)
        here = values[:, 0]
        n_flat = (values[:, 1:] == here[:, None]).sum(axis=1)
        slope = np.zeros((m, d))
        some = np.flatnonzero(np.isfinite(here) & (n_flat <= _N_TESTS // 2))
        if not len(some):
            return here, slope
        # Towards the inside of the box, where there is room on one side only.
        size = (_DIFFERENCE * b[some])[:, None, None]
        ahead = best[some][:, None] + size * directions
        owner = np.repeat(rows[some], len(directions))
        clipped = self.task.clip(ahead.reshape(-1, d), owner).reshape(ahead.shape)
        back = (clipped != ahead).any(axis=2, keepdims=True)
        points = np.where(back, best[some][:, None] - size * directions, ahead)
        margin = self.margins.measure(points.reshape(-1, d), owner).reshape(len(some), -1)
        change = np.where(np.isfinite(margin), margin - here[some][:, None], 0.0)
        change = np.where(back[..., 0], -change, change) / size[..., 0]
        # Not a matrix product: its rounding would depend on how many rows there are.
        slope[some] = np.einsum("ij,jk->ik", change, directions)
        if len(directions) < d:
            # What the directions do not span is taken from the way to the clean row.
            radial = best[some] - self.task.x[rows[some]]
            radial /= np.maximum(np.linalg.norm(radial, axis=1), _TINY)[:, None]
            inner = best[some] - (_DIFFERENCE * b[some])[:, None] * radial
            margin = self.margins.measure(inner, rows[some])
            along = (here[some] - margin) / (_DIFFERENCE * b[some])
            along = np.where(np.isfinite(along), along, 0.0)
            known = np.einsum("ij,ij->i", slope[some], radial)
            slope[some] += (along - known)[:, None] * radial
        return here, slope

    def _nearest_of_linear(
        self, x: FloatArray, best: FloatArray, here: FloatArray, slope: FloatArray, rows: IntArray
    ) -> FloatArray:
        """Return the nearest points where the margin would be 0 if it were linear."""
        # What the margin at x would be; the step has to undo it.
        wanted = np.einsum("ij,ij->i", slope, best - x) - here
        step, free = np.zeros(x.shape), slope != 0
        for _ in range(4):
            left = wanted - np.einsum("ij,ij->i", slope, np.where(free, 0.0, step))
            step = np.where(free, _along(np.where(free, slope, 0.0), left, self.norm.order), step)
            inside = self.task.clip(x + step, rows) - x
            free &= np.isclose(inside, step, rtol=1e-9, atol=0.0)
            step = inside
        return x + step

    def _ask_on_the_way(
        self, x: FloatArray, best: FloatArray, nearest: FloatArray, rows: IntArray
    ) -> None:
        """Ask along the rays to points between the best and the nearest, then between those."""
        m, d = x.shape
        target = best[:, None] + _ON_THE_WAY[:, None] * (nearest - best)[:, None]
        steps = (target - x[:, None])[:, :, None] * _LENGTHS[:, None]  # (m, ways, lengths, d)
        owner = np.repeat(rows, steps.shape[1] * steps.shape[2])
        margin = self.margins.measure((x[:, None, None] + steps).reshape(-1, d), owner)
        margin = margin.reshape(m * len(_ON_THE_WAY), len(_LENGTHS))
        ray = (target - x[:, None]).reshape(-1, d)
        whose, start = np.repeat(rows, len(_ON_THE_WAY)), np.repeat(x, len(_ON_THE_WAY), axis=0)
        # The shortest length that fools, and the next one before it.
        fooled = margin <= 0
        first = fooled.argmax(axis=1)
        each = np.arange(len(margin))
        bracket = fooled.any(axis=1) & (first > 0)
        far, near = _LENGTHS[first], _LENGTHS[np.maximum(first - 1, 0)]
        at_far, at_near = margin[each, first], margin[each, np.maximum(first - 1, 0)]
        for _ in range(_N_SECANTS):
            distance = self.norm.length(near[:, None] * ray)
            hopeful = (
                bracket & np.isfinite(at_near) & (distance < self.task.oracle.best_distance[whose])
            )
            some = np.flatnonzero(hopeful)
            if not len(some):
                break
            share = at_near[some] / np.maximum(at_near[some] - at_far[some], _TINY)
            # A little beyond the root, so that it is a hit more often than not.
            share = np.clip(share * 1.02, 0.02, 0.98)
            middle = near[some] + share * (far - near)[some]
            found = self.margins.measure(start[some] + middle[:, None] * ray[some], whose[some])
            hit = found <= 0
            far[some] = np.where(hit, middle, far[some])
            at_far[some] = np.where(hit, found, at_far[some])
            near[some] = np.where(hit, near[some], middle)
            at_near[some] = np.where(hit, at_near[some], found)


def _along(slope: FloatArray, wanted: FloatArray, order: float) -> FloatArray:
    """Return the shortest steps whose products with the slopes are what is wanted."""
    if order == 2:
        return (wanted / np.maximum((slope**2).sum(axis=1), _TINY))[:, None] * slope
    if order == np.inf:
        return (wanted / np.maximum(np.abs(slope).sum(axis=1), _TINY))[:, None] * np.sign(slope)
    step, largest = np.zeros(slope.shape), np.abs(slope).argmax(axis=1)
    each = np.arange(len(slope))
    steepest = slope[each, largest]
    step[each, largest] = np.where(
        steepest == 0, 0.0, wanted / np.where(steepest == 0, 1.0, steepest)
    )
    return step

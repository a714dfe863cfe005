"""Polishing with margins: take columns home that cost much and gain little, then shrink the rest.

A label says whether one column can go home. A margin says what that costs, so that a single call
tells which of them can go together.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.margins._column_gains import cost_of
from specreg_sklearn.attacks.questions import Margins, SearchTask
from specreg_sklearn.space import as_norm

# Columns are put into so many groups, of similar sizes; then once more with what is left.
_GROUPS = (24, 16, 16, 16)
# How many of the groups are taken home together, as multiples of what margins say is possible.
_MULTIPLES = np.array([0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 4.0])
# Where the brackets of columns are asked about; shares of the new values that are taken together.
_INNER, _TOGETHER = np.array([0.25, 0.5, 0.75]), np.array([1.0, 0.75, 0.5, 0.25])
_SHRINK_ROUNDS, _PRECISION = 6, 1e-3
# Radii that are asked about in Linf, as shares of the present one; then finer ones.
_RADII = (np.linspace(0.3, 0.95, 8), np.linspace(0.91, 0.99, 5), np.linspace(0.992, 0.999, 4))


class MarginPolish:
    """Moves points that fool the model nearer to the clean rows; the oracle keeps the best ones."""

    def __init__(self, task: SearchTask, margins: Margins) -> None:
        self.task, self.margins = task, margins
        self.norm = as_norm(task.oracle.norm)

    def polish(self, points: FloatArray, rows: IntArray, margin: FloatArray) -> None:
        """Polish one point of each row; `margin` is 0 or less."""
        if not len(rows):
            return
        if self.norm.order == np.inf:
            self._into_cubes(points, rows)
            return
        points, margin = points.copy(), margin.copy()
        left = np.arange(len(rows))
        for n_groups in _GROUPS:
            left = left[self.task.oracle.left(rows[left]) > 0]
            if not len(left):
                break
            points[left], margin[left], gained = self._strip(
                points[left], rows[left], margin[left], n_groups
            )
            left = left[gained]
        self._shrink(points, rows)

    def _strip(
        self, points: FloatArray, rows: IntArray, margin: FloatArray, n_groups: int
    ) -> tuple[FloatArray, FloatArray, np.ndarray]:
        """Take groups of columns home; return (points, margins, where that worked)."""
        gap = points - self.task.x[rows]
        groups = _groups(np.abs(gap), n_groups)  # (m, n_groups, d)
        filled = np.asarray(groups.any(axis=2))
        tried = points[:, None] - groups * gap[:, None]
        alone = self._ask(tried, filled, rows)
        loss = np.maximum(alone - margin[:, None], 0.0)
        saving = (groups * cost_of(gap, self.norm)[:, None]).sum(axis=2)
        possible = filled & (alone <= 0)
        # The least loss for what is saved goes first; among those that lose nothing, the largest.
        with np.errstate(invalid="ignore", divide="ignore"):
            rate = np.where(possible, loss / saving, np.inf)
        order = np.lexsort((-saving, rate), axis=1)
        rank = np.argsort(order, axis=1, kind="stable")
        n_possible = possible.sum(axis=1)[:, None]
        sums = np.cumsum(np.take_along_axis(loss, order, axis=1), axis=1)
        expected = np.maximum((sums <= -margin[:, None]).sum(axis=1), 1)[:, None]
        counts = np.clip(np.round(expected * _MULTIPLES).astype(np.int64), 1, None)
        counts = np.minimum(counts, n_possible)
        home = ((rank[:, None] < counts[..., None])[..., None] & groups[:, None]).any(axis=2)
        tried = points[:, None] - home * gap[:, None]
        wanted = counts > np.concatenate([np.zeros((len(rows), 1), int), counts[:, :-1]], axis=1)
        together = self._ask(tried, wanted, rows)
        saved = (home * cost_of(gap, self.norm)[:, None]).sum(axis=2)
        best = np.where(together <= 0, saved, -1.0).argmax(axis=1)
        each = np.arange(len(rows))
        gained = together[each, best] <= 0
        points = np.where(gained[:, None], tried[each, best], points)
        return points, np.where(gained, together[each, best], margin), gained

    def _shrink(self, points: FloatArray, rows: IntArray) -> None:
        """Move columns back to their thresholds, all in one call, then as many as go together."""
        x = self.task.x[rows]
        full = points - x
        low, high = np.zeros(full.shape), np.ones(full.shape)
        for _ in range(_SHRINK_ROUNDS):
            best = self.task.oracle.best_distance[rows]
            hopeful = (self.task.length(low * full) < best) & (self.task.oracle.left(rows) > 0)
            weight = (high - low) * high * cost_of(full, self.norm)
            i, j = np.nonzero(
                (weight > _PRECISION * cost_of(best, self.norm)[:, None]) & hopeful[:, None]
            )
            if not len(i):
                break
            inner = low[i, j][:, None] + _INNER * (high - low)[i, j][:, None]
            tried = np.repeat((x + high * full)[i][:, None], len(_INNER), axis=1)
            tried[np.arange(len(i)), :, j] = x[i, j][:, None] + inner * full[i, j][:, None]
            margin = self.margins.measure(
                tried.reshape(-1, x.shape[1]), np.repeat(rows[i], len(_INNER))
            )
            fooled = margin.reshape(len(i), -1) <= 0
            n_steps = np.logical_and.accumulate(fooled[:, ::-1], axis=1).sum(axis=1)
            ends = np.concatenate([low[i, j][:, None], inner, high[i, j][:, None]], axis=1)
            to, new_low = high.copy(), low.copy()
            each = np.arange(len(i))
            to[i, j] = ends[each, len(_INNER) + 1 - n_steps]
            new_low[i, j] = ends[each, len(_INNER) - n_steps]
            taken = self._together(x, full, high, to, rows)
            low = np.where(taken == to, new_low, low)
            high = taken

    def _together(
        self, x: FloatArray, full: FloatArray, high: FloatArray, to: FloatArray, rows: IntArray
    ) -> FloatArray:
        """Return the new ends of brackets, of which as many are taken as fool the model."""
        saving = cost_of(high * full, self.norm) - cost_of(to * full, self.norm)
        rank = np.argsort(np.argsort(-saving, axis=1, kind="stable"), axis=1, kind="stable")
        counts = np.ceil((saving > 0).sum(axis=1)[:, None] * _TOGETHER).astype(np.int64)
        ends = np.where(rank[:, None] < counts[..., None], to[:, None], high[:, None])
        wanted = np.asarray(counts > 0)
        wanted[:, 1:] &= np.diff(counts, axis=1) < 0
        margin = self._ask(x[:, None] + ends * full[:, None], wanted, rows)
        fooled = np.asarray(margin <= 0)
        first, some = fooled.argmax(axis=1), np.asarray(fooled.any(axis=1))
        return np.where(some[:, None], ends[np.arange(len(rows)), first], high)

    def _into_cubes(self, points: FloatArray, rows: IntArray) -> None:
        """Move points into the smallest cube in which they fool the model."""
        x = self.task.x[rows]
        step = points - x
        for shares in _RADII:
            half = np.abs(step).max(axis=1)[:, None] * shares
            tried = np.clip(step[:, None], -half[..., None], half[..., None])
            margin = self._ask(x[:, None] + tried, np.ones(half.shape, dtype=bool), rows)
            fooled = np.asarray(margin <= 0)
            first, some = fooled.argmax(axis=1), np.asarray(fooled.any(axis=1))
            step = np.where(some[:, None], tried[np.arange(len(rows)), first], step)

    def _ask(self, points: FloatArray, wanted: np.ndarray, rows: IntArray) -> FloatArray:
        """Return margins of the points that are wanted, (m, k), and ``inf`` for the others."""
        margin = np.full(wanted.shape, np.inf)
        i, k = np.nonzero(wanted)
        margin[i, k] = self.margins.measure(points[i, k], rows[i])
        return margin


def _groups(size: FloatArray, n_groups: int) -> np.ndarray:
    """Return which columns are in which group, (m, n_groups, d): neighbours in order of size."""
    order = np.argsort(-size, axis=1, kind="stable")
    place = np.argsort(order, axis=1, kind="stable")
    n_moved = np.maximum((size > 0).sum(axis=1), 1)[:, None]
    group = np.where(n_moved > n_groups, place * n_groups // n_moved, place)
    group = np.where(size > 0, group, -1)
    return np.asarray(group[:, None] == np.arange(n_groups)[None, :, None])

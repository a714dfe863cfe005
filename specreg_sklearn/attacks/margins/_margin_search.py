"""The search on margins: cubes for a first hit, then columns, exchanges and slopes in turn."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.boxes import CubeDraws, exchanged, into_cube
from specreg_sklearn.attacks.margins._column_gains import FOUND, ColumnGains, cost_of
from specreg_sklearn.attacks.margins._margin_polish import MarginPolish
from specreg_sklearn.attacks.margins._slope_steps import SlopeSteps
from specreg_sklearn.attacks.questions import Margins, SearchTask
from specreg_sklearn.space import as_norm

# First draws: so many in each of the cubes, whose sizes are halved; their first size, as a share of
# the nearest start's; and of how many hits, the smallest, the search begins.
_N_CUBES, _PER_CUBE, _FIRST_CUBE, _N_FIRST_HITS = 12, 6, 0.7, 2
_SHARES = (1.0, 1.0, 1.0, 0.5, 0.5, 0.25)
# Each side of each column is asked about at this level; then the best ones at others.
_FIRST_LEVEL, _MOST_FIRST = 1, 256
_MORE_LEVELS = ((24, (3, 5)), (8, (0, 2, 4, 6)))
# A round on columns asks about those that moved, about moves that are known to gain, about new
# ones, and about choices of several.
_MOST_MOVED, _N_KNOWN, _N_NEW, _N_CHOICES = 16, 12, 12, 10
_FARTHER = 1.3
# Every so many rounds are exchanges; and after so many in vain rows go on from their best point.
_EXCHANGE_EVERY, _BACK_AFTER = 3, 3
_IDLE, _MOST_ROUNDS = 20, 100_000
_GAIN = 1e-4
# Tables of gains are for so many columns; wider rows have exchanges and slopes.
_MOST_COLUMNS, _MOST_NUMBERS = 256, 2**21
_LEAST_ODDS = 1e-300


class MarginSearch:
    """Searches all rows of a task; the oracle keeps the nearest points.

    Rows advance in step, and each round draws what the number of the round says. What a row does
    depends on its own answers only.
    """

    def __init__(self, task: SearchTask, margins: Margins) -> None:
        self.task, self.oracle, self.margins = task, task.oracle, margins
        self.norm = as_norm(task.oracle.norm)
        self.draws = CubeDraws(task)
        self.polisher = MarginPolish(task, margins)
        self.slopes = SlopeSteps(task, margins)
        n = len(task.x)
        self.clean = np.full(n, np.nan)
        self.idle = np.zeros(n, dtype=np.int64)
        # The distances at which best points were brought to the boundary.
        self.sharp = np.full(n, np.inf)

    def open_rows(self) -> IntArray:
        """Return the rows that may ask, are not near enough to stop, and have something to try."""
        oracle = self.oracle
        far = (oracle.best_distance > self.task.stop_distance) & self.margins.possible
        return np.flatnonzero(far & (oracle.n_queries < oracle.limit) & (self.idle < _IDLE))

    def search(self) -> None:
        """Search until budgets are spent."""
        task, n = self.task, len(self.task.x)
        rows = self.open_rows()
        if not len(rows):
            return
        self.clean[rows] = self.margins.ask(task.x[rows], rows)[1]
        self._draw_cubes(rows)
        self.gains = ColumnGains(task, self.length(np.arange(n)))
        self.at, self.margin = task.x.copy(), self.clean.copy()
        self.vain = np.zeros(n, dtype=np.int64)
        narrow = task.x.shape[1] <= _MOST_COLUMNS
        if narrow:
            rows = self.open_rows()
            self._ask_every_column(rows[~self.slopes.smooth[rows]])
        spent = task.fraction_spent()
        for t in range(_MOST_ROUNDS):
            rows = self.open_rows()
            if not len(rows):
                break
            before = self.oracle.n_queries[rows].copy()
            sloping = self.slopes.due(rows)
            self.slopes.step(rows[sloping], t)
            self._sharpen(rows[sloping])
            others = rows[~sloping]
            if t % _EXCHANGE_EVERY == _EXCHANGE_EVERY - 1 or not narrow:
                self._exchange(others, t)
            else:
                size = max(1, _MOST_NUMBERS // (task.x.shape[1] * 24))
                for begin in range(0, len(others), size):
                    self._choose_columns(others[begin : begin + size], t)
            asked = self.oracle.n_queries[rows] > before
            self.idle[rows] = np.where(asked, 0, self.idle[rows] + 1)
            earlier, spent = spent, task.fraction_spent()
            task.report((spent - earlier) * n)

    def length(self, rows: IntArray) -> FloatArray:
        """Return the best distances; how far the box reaches where there is none."""
        best = self.oracle.best_distance[rows]
        reach = np.maximum(self.task.hi - self.task.x, self.task.x - self.task.lo)[rows]
        return np.where(np.isfinite(best), best, self.norm.length(reach))

    def _measure(self, points: FloatArray, rows: IntArray) -> FloatArray:
        """Return the margins of points (m, k, d), of shape (m, k)."""
        m, k, d = points.shape
        return self.margins.measure(points.reshape(-1, d), np.repeat(rows, k)).reshape(m, k)

    def _draw_cubes(self, rows: IntArray) -> None:
        """Ask in cubes that get smaller by halves, and polish the smallest hits."""
        task, n_draws = self.task, _N_CUBES * _PER_CUBE
        half = np.maximum(task.hi - task.x, task.x - task.lo).max(axis=1)
        gap = np.abs(task.starts - task.x[task.owner]).max(axis=1)
        nearest = np.full(len(task.x), np.inf)
        np.minimum.at(nearest, task.owner, gap)
        half = np.where(np.isfinite(nearest), _FIRST_CUBE * nearest, half)[rows]
        sizes = half[:, None] / 2.0 ** np.repeat(np.arange(_N_CUBES), _PER_CUBE)
        moves = self.draws.moves(rows, np.zeros(len(rows), dtype=np.int64), n_draws, _SHARES)
        points = self._clipped(task.x[rows][:, None] + into_cube(moves, sizes), rows)
        margin = self._measure(points, rows)
        size = np.abs(points - task.x[rows][:, None]).max(axis=2)
        size = np.where(margin <= 0, size, np.inf)
        self.slopes.begin(rows)
        # Where the margin has a slope, that leads nearer than single columns do.
        flat = ~self.slopes.smooth[rows]
        rows, points, margin, size = rows[flat], points[flat], margin[flat], size[flat]
        each = np.arange(len(rows))
        for turn in range(_N_FIRST_HITS):
            best = size.argmin(axis=1)
            hit = np.flatnonzero(np.isfinite(size[each, best]))
            self.polisher.polish(points[hit, best[hit]], rows[hit], margin[hit, best[hit]])
            size[each, best] = np.inf
            if turn == 0:
                missed = np.setdiff1d(np.arange(len(rows)), hit)
                missed = missed[np.isfinite(self.oracle.best_distance[rows[missed]])]
                self._polish_best(rows[missed])

    def _polish_best(self, rows: IntArray) -> None:
        self.polisher.polish(self.oracle.best[rows], rows, np.zeros(len(rows)))

    def _ask_every_column(self, rows: IntArray) -> None:
        """Fill the table of gains: each column alone, and several sizes of those that gain."""
        if not len(rows):
            return
        d = self.task.x.shape[1]
        order = self.task.rng(0).permutation(2 * d)[:_MOST_FIRST]
        place = np.repeat(np.arange(len(rows)), len(order))
        column, side = np.divmod(np.tile(order, len(rows)), 2)
        # Where the box ends before that, there is a move to its end, at the first level.
        short = np.isnan(self.gains.size[rows[place], column, side, _FIRST_LEVEL])
        self._ask_gains(rows[place], column, side, np.where(short, 0, _FIRST_LEVEL))
        for count, levels in _MORE_LEVELS:
            best = np.nan_to_num(self.gains.gain[rows], nan=-np.inf).max(axis=3)
            flat = best.reshape(len(rows), -1)
            rank = np.argsort(np.argsort(-flat, axis=1, kind="stable"), axis=1, kind="stable")
            worth = (best > 0) & (rank.reshape(best.shape) < count)
            place, column, side = np.nonzero(worth)
            k = len(levels)
            self._ask_gains(
                rows[np.repeat(place, k)],
                np.repeat(column, k),
                np.repeat(side, k),
                np.tile(levels, len(place)),
            )

    def _ask_gains(self, owner: IntArray, column: IntArray, side: IntArray, slot: IntArray) -> None:
        """Ask what single moves gain at the clean rows."""
        size = self.gains.size[owner, column, side, slot]
        known = np.isfinite(size)
        owner, column, side, slot = owner[known], column[known], side[known], slot[known]
        points = self.task.x[owner].copy()
        points[np.arange(len(owner)), column] += np.where(side == 1, 1.0, -1.0) * size[known]
        margin = self.margins.measure(points, owner)
        gain = np.where(np.isfinite(margin), self.clean[owner] - margin, 0.0)
        self.gains.gain[owner, column, side, slot] = gain

    def _choose_columns(self, rows: IntArray, t: int) -> None:
        """Learn what columns gain at the points where rows are, and try the best choices."""
        if not len(rows):
            return
        # The first key is that of the first look at all columns.
        task, rng = self.task, self.task.rng(t + 1)
        x, b = task.x[rows], self.length(rows)
        step = self.at[rows] - x
        price = np.abs(self.clean[rows]) / cost_of(b, self.norm)
        loss = np.zeros(step.shape)
        rank = np.argsort(np.argsort(-np.abs(step), axis=1, kind="stable"), axis=1, kind="stable")
        i, j = np.nonzero((step != 0) & (rank < _MOST_MOVED))
        if t:
            self.gains.draw_sizes(rng, rows, b)
            place, flat = self.gains.worth_asking(rng, rows, step, price, b, _N_KNOWN, _N_NEW)
        else:
            place = flat = np.empty(0, dtype=np.int64)
        column, to = self.gains.steps(rows[place], flat)
        points = np.concatenate([self.at[rows[i]], self.at[rows[place]]])
        points[np.arange(len(i)), j] = x[i, j]
        points[len(i) + np.arange(len(place)), column] = x[place, column] + to
        owner = np.concatenate([rows[i], rows[place]])
        margin = self.margins.measure(points, owner)
        change = np.where(np.isfinite(margin), margin - self.margin[owner], 0.0)
        loss[i, j] = change[: len(i)]
        gain = loss[place, column] - change[len(i) :]
        self.gains.gain.reshape(len(task.x), -1)[rows[place], flat] = gain
        self._note_losses(rows[i], j, step[i, j], loss[i, j])

        steps, sums = self.gains.combined(rows, step, loss, price, b)
        points = self._clipped(x[:, None] + steps, rows)
        expected = (self.margin[rows] + loss.sum(axis=1))[:, None] - sums
        chosen, wanted = self._around_boundary(points, expected, rows, b)
        margin = np.full(chosen.shape, np.inf)
        i, k = np.nonzero(wanted)
        margin[i, k] = self.margins.measure(points[i, chosen[i, k]], rows[i])
        self._move_on(rows, points, chosen, margin, b)

    def _note_losses(
        self, owner: IntArray, column: IntArray, step: FloatArray, loss: FloatArray
    ) -> None:
        """Write what thresholds that were found before gain at the present point."""
        side = (step > 0).astype(np.int64)
        same = np.abs(self.gains.size[owner, column, side, FOUND] - np.abs(step)) <= 1e-12
        self.gains.gain[owner[same], column[same], side[same], FOUND] = loss[same]

    def _around_boundary(
        self, points: FloatArray, expected: FloatArray, rows: IntArray, b: FloatArray
    ) -> tuple[IntArray, BoolArray]:
        """Return which choices to ask about: those where the margin should change its sign."""
        distance = self._distance(points, rows)
        same = np.zeros(expected.shape, dtype=bool)
        same[:, 1:] = (points[:, 1:] == points[:, :-1]).all(axis=2)
        n_choices = expected.shape[1]
        fooled = expected <= 0
        first = np.where(fooled.any(axis=1), fooled.argmax(axis=1), n_choices - 1)
        if self.norm.order == np.inf:  # from large radii to small ones: the last one that fools
            first = n_choices - 1 - fooled[:, ::-1].argmax(axis=1)
        away = np.abs(np.arange(n_choices) - first[:, None] - 1.0)
        away[same | (distance >= _FARTHER * b[:, None])] = np.inf
        chosen = np.argsort(away, axis=1, kind="stable")[:, :_N_CHOICES]
        return chosen, np.isfinite(np.take_along_axis(away, chosen, axis=1))

    def _move_on(
        self,
        rows: IntArray,
        points: FloatArray,
        chosen: IntArray,
        margin: FloatArray,
        b: FloatArray,
    ) -> None:
        """Go to the nearest hit, else where margin and distance are small; polish new bests."""
        each = np.arange(len(rows))
        near = np.take_along_axis(self._distance(points, rows), chosen, axis=1) / b[:, None]
        cost = cost_of(near, self.norm)
        rate = margin / np.maximum(np.abs(self.clean[rows]), _LEAST_ODDS)[:, None]
        merit = np.where(margin <= 0, cost, 10 + 2 * rate + cost)
        best = merit.argmin(axis=1)
        known = np.isfinite(margin[each, best])
        before = self.at[rows]
        self.at[rows] = np.where(known[:, None], points[each, chosen[each, best]], before)
        self.margin[rows] = np.where(known, margin[each, best], self.margin[rows])
        nearer = self.oracle.best_distance[rows] < b * (1 - _GAIN)
        self.vain[rows] = np.where(nearer, 0, self.vain[rows] + 1)
        self._polish_best(rows[nearer])
        stuck = (self.at[rows] == before).all(axis=1) | (
            self.vain[rows] % _BACK_AFTER == _BACK_AFTER - 1
        )
        self._back_to_best(rows[nearer | stuck])

    def _back_to_best(self, rows: IntArray) -> None:
        """Put rows on their best points, if they have one."""
        rows = rows[np.isfinite(self.oracle.best_distance[rows])]
        if not len(rows):
            return
        self._sharpen(rows)
        best = self.oracle.best[rows].copy()
        margin = self.margins.measure(best, rows)
        self.at[rows], self.margin[rows] = best, np.where(np.isfinite(margin), margin, 0.0)
        self.gains.note_found(rows, best - self.task.x[rows])

    def _sharpen(self, rows: IntArray) -> None:
        """Bring best points to the boundary, on the way to the clean rows."""
        rows = rows[self.oracle.best_distance[rows] < self.sharp[rows] * (1 - _GAIN)]
        self.task.sharpen(rows)
        self.sharp[rows] = self.oracle.best_distance[rows]

    def _exchange(self, rows: IntArray, t: int) -> None:
        """Leave some of the best move out, draw substitutes, and polish the most promising hit."""
        rows = rows[np.isfinite(self.oracle.best_distance[rows])]
        if not len(rows):
            return
        b, x = self.oracle.best_distance[rows], self.task.x[rows]
        keys = np.full(len(rows), t + 1, dtype=np.int64)
        steps = exchanged(self.task, self.draws, rows, keys)
        if self.norm.order == np.inf:
            steps = np.clip(steps, -(0.99 * b)[:, None, None], (0.99 * b)[:, None, None])
        points = self._clipped(x[:, None] + steps, rows)
        margin = self._measure(points, rows)
        size = np.sort(np.abs(points - x[:, None]), axis=2)[:, :, -4:]
        merit = np.where(margin <= 0, cost_of(size, self.norm).sum(axis=2), np.inf)
        best = merit.argmin(axis=1)
        hit = np.flatnonzero(np.isfinite(merit[np.arange(len(rows)), best]))
        self.polisher.polish(points[hit, best[hit]], rows[hit], margin[hit, best[hit]])
        self._back_to_best(rows[self.oracle.best_distance[rows] < b * (1 - _GAIN)])

    def _clipped(self, points: FloatArray, rows: IntArray) -> FloatArray:
        m, k, d = points.shape
        return self.task.clip(points.reshape(-1, d), np.repeat(rows, k)).reshape(m, k, d)

    def _distance(self, points: FloatArray, rows: IntArray) -> FloatArray:
        m, k, d = points.shape
        return self.task.distance(points.reshape(-1, d), np.repeat(rows, k)).reshape(m, k)

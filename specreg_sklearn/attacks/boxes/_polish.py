"""Polishing: from a point that fools the model to the nearest point of the box it lies in.

Where a model asks about one column at a time, the region that fools it is a union of boxes. The
point of a box nearest to the clean row differs from it in few columns, and in each just as far as
the box demands. So columns that are not needed go home in blocks, and those that are needed move
back as far as the model stays fooled. Inside one box columns do not depend on each other: changes
are asked about alone, all in one call, and a second call asks how many of those may happen
together.

Every row polishes one point at a time, and rows may be at different stages: `questions` says what
all of them ask next, and `learn` takes the answers.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.questions import SearchTask, stream
from specreg_sklearn.tables import rank_within

_IDLE, _ALONE, _TOGETHER = range(3)
# Into how many blocks columns are cut at first.
_FIRST_BLOCKS = 4
# Where a bracket is asked about, and how narrow it ends, as a share of the best distance.
_INNER = np.array([1, 2]) / 3
_PRECISION = 1e-3
# Columns that matter less than this share of the one that matters most are asked about later.
_FIRST_SHARE = 0.25
# A point is let go once it cannot come nearer than the best one by this share.
_LEAST_GAIN = 1e-3
_ROUNDING = 1e-9
# Orders of columns are drawn with keys from here on, apart from all other draws.
_KEYS = 2**36


class Polish:
    """Polishes one point of each row at a time."""

    def __init__(self, task: SearchTask) -> None:
        n, d = task.x.shape
        self._task = task
        # Lengths add up in this power of the moves.
        self._power = int(task.oracle.norm)
        self._stage = np.zeros(n, dtype=np.int64)
        self._stripping = np.zeros(n, dtype=bool)
        # Signed moves of the points, and how far back columns cannot go, as sizes.
        self._gap, self._low = np.zeros((n, d)), np.zeros((n, d))
        # Columns in an order of size, cut into blocks of equal length.
        self._place, self._n_moved = np.zeros((n, d), dtype=np.int64), np.ones(n, dtype=np.int64)
        self._n_blocks, self._n_polished = np.ones(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        # Changes that may happen alone: the rank of each column's change, the most useful first,
        # and what the column then is; d stands for none.
        self._rank = np.full((n, d), d)
        self._new_gap, self._new_low = np.zeros((n, d)), np.zeros((n, d))
        rows = task.oracle.rows
        # How far the best point moves columns that move at least as far here; 0 stands for none.
        self._known = np.zeros((n, d))
        self._unit = np.where(rows.integer, 1 / rows.scale, 0.0)

    def busy(self, rows: IntArray) -> BoolArray:
        """Return which rows are polishing a point."""
        return np.asarray(self._stage[rows] != _IDLE)

    def start(self, rows: IntArray, points: FloatArray) -> None:
        """Begin with one point of each of some rows, which fool the model.

        Where the best point has columns they were polished once: most of them sit at thresholds.
        So that place, and one just short of it, are asked about before a bracket is cut.
        """
        task = self._task
        gap = task.as_built(points, rows) - task.x[rows]
        known = np.sign(gap) * (task.oracle.best[rows] - task.x[rows])
        self._known[rows] = np.where(known <= (1 + _ROUNDING) * np.abs(gap), known, 0.0).clip(0.0)
        self._gap[rows], self._low[rows] = gap, 0.0
        self._place[rows] = self._order(rows, gap)
        self._n_moved[rows] = np.maximum(np.count_nonzero(gap, axis=1), 1)
        self._n_blocks[rows] = _FIRST_BLOCKS // 2
        self._stage[rows], self._stripping[rows] = _ALONE, True

    def _order(self, rows: IntArray, gap: FloatArray) -> IntArray:
        """Return the places of the columns, those that moved first."""
        key = -np.abs(gap)
        if self._power == 0:
            # All moves cost the same, and other orders end at other sets of columns.
            kinds, place = np.unique(self._n_polished[rows], return_inverse=True)
            drawn = np.empty((len(kinds), gap.shape[1]))
            for i, k in enumerate(kinds.tolist()):
                drawn[i] = stream(self._task.seed, _KEYS + k).random(gap.shape[1])
            key = np.where(gap != 0, drawn[place] - 1, 0.0)
        self._n_polished[rows] += 1
        # Columns of like size are neighbours in a block.
        order = np.argsort(key, axis=1, kind="stable")
        return np.argsort(order, axis=1, kind="stable")

    def questions(self, rows: IntArray) -> tuple[FloatArray, IntArray]:
        """Return the points that busy rows ask about next, and their owners."""
        self.settle(rows)
        rows = rows[self.busy(rows)]
        alone = self._stage[rows] == _ALONE
        strip = self._stripping[rows]
        self._blocks = self._open_blocks(rows[alone & strip])
        self._brackets = self._open_brackets(rows[alone & ~strip])
        self._unions = self._open_unions(rows[self._stage[rows] == _TOGETHER])
        asked = [self._blocks[:2], self._brackets[:2], self._unions[:2]]
        owner = np.concatenate([whose for _, whose in asked])
        moves = np.concatenate([tried for tried, _ in asked])
        return self._task.x[owner] + moves, owner

    def learn(self, fooled: BoolArray) -> None:
        """Take over the answers to these questions."""
        n_blocks, n_brackets = len(self._blocks[1]), len(self._brackets[1])
        blocks, brackets, unions = np.split(fooled, [n_blocks, n_blocks + n_brackets])
        self._after_blocks(blocks)
        self._after_brackets(brackets)
        self._after_unions(unions)

    def settle(self, rows: IntArray) -> None:
        """Leave stages that have nothing to ask, and points that cannot become the nearest."""
        now = rows[(self._stage[rows] == _ALONE) & self._stripping[rows]]
        while len(now):
            asked = np.unique(self._open_blocks(now)[1])
            now = np.setdiff1d(now, asked)
            self._next_level(now)
            now = now[self._stripping[now]]
        now = rows[(self._stage[rows] == _ALONE) & ~self._stripping[rows]]
        least = self._task.length(np.sign(self._gap[now]) * self._low[now])
        hopeless = least >= (1 - _LEAST_GAIN) * self._task.oracle.best_distance[now]
        self._stage[now[hopeless | ~self._wide(now).any(axis=1)]] = _IDLE

    # --- Blocks of columns go home ---------------------------------------------------------------

    def _open_blocks(self, rows: IntArray) -> tuple[FloatArray, IntArray, BoolArray]:
        """Return (moves without one block each, owners, the columns of the blocks).

        A block that holds all that is left of a larger one is needed, as that one was.
        """
        block = self._place[rows] * self._n_blocks[rows][:, None] // self._n_moved[rows][:, None]
        gap = self._gap[rows]
        place, column = np.nonzero(gap)
        most = int(self._n_blocks[rows].max(initial=1))
        count = np.zeros((len(rows), most + most % 2), dtype=np.int64)
        np.add.at(count, (place, block[place, column]), 1)
        sibling = count[:, np.arange(count.shape[1]) ^ 1]
        row, chosen = np.nonzero((count > 0) & (sibling > 0))
        inside = (block[row] == chosen[:, None]) & (gap[row] != 0)
        return np.where(inside, 0.0, gap[row]), rows[row], inside

    def _after_blocks(self, fooled: BoolArray) -> None:
        _, owner, inside = self._blocks
        gap = np.abs(self._gap[owner]) * inside
        saved = (gap**self._power * inside).sum(axis=1)
        good = np.flatnonzero(fooled)
        change, column = np.nonzero(inside[good])
        rank = rank_within((owner[good],), -saved[good])
        self._plan(np.unique(owner), owner[good][change], column, rank[change], 0.0, 0.0)

    def _next_level(self, rows: IntArray) -> None:
        """Go on to blocks of half the size, or from blocks to brackets."""
        finer = self._n_blocks[rows] < self._n_moved[rows]
        self._n_blocks[rows[finer]] *= 2
        self._stripping[rows[~finer]] = False

    # --- Brackets of single columns --------------------------------------------------------------

    def _wide(self, rows: IntArray) -> BoolArray:
        """Return, of shape (m, d), which columns are not known well enough."""
        high, low = np.abs(self._gap[rows]), self._low[rows]
        width = high - low
        if self._power == 0:
            return np.zeros(high.shape, dtype=bool)
        best = self._task.oracle.best_distance[rows][:, None]
        matter = width * high ** (self._power - 1)
        matters = matter > np.maximum(
            _PRECISION * best**self._power, _FIRST_SHARE * matter.max(axis=1, initial=0.0)[:, None]
        )
        return np.asarray(matters & (width > (1 + _ROUNDING) * self._unit))

    def _open_brackets(
        self, rows: IntArray
    ) -> tuple[FloatArray, IntArray, tuple[IntArray, FloatArray]]:
        """Return (moves with one column nearer each, owners, (its number, its size))."""
        row, column = np.nonzero(self._wide(rows))
        row, column = np.repeat(row, len(_INNER)), np.repeat(column, len(_INNER))
        gap, low = self._gap[rows[row]], self._low[rows[row], column]
        each = np.arange(len(row))
        high = np.abs(gap[each, column])
        inner = np.tile(_INNER, len(row) // len(_INNER))
        size = low + inner * (high - low)
        known = self._known[rows[row], column]
        inside = (known > low) & (known < (1 - _ROUNDING) * high)
        once = known >= (1 - _ROUNDING) * high
        best = self._task.oracle.best_distance[rows[row]]
        at = np.where(inside, known, high)
        step = 0.99 * _PRECISION * best**self._power / at ** (self._power - 1)
        short = np.maximum(at - step, low + _INNER[0] * (at - low))
        size = np.where(inside, known, size)
        size = np.where(once | (inside & (inner == _INNER[0])), short, size)
        unit = self._unit[column]
        whole = unit > 0
        size[whole] = np.floor(size[whole] / unit[whole] + _ROUNDING) * unit[whole]
        gap[each, column] = np.copysign(size, gap[each, column])
        # Whole numbers may fall together, or on an end that is known.
        same = np.zeros(len(row), dtype=bool)
        same[1:] = (np.diff(size) == 0) & (np.diff(column) == 0) & (np.diff(row) == 0)
        again = np.where(once, inner != _INNER[0], same & whole)
        new = (size > low + _ROUNDING * unit) & ~again
        return gap[new], rows[row[new]], (column[new], size[new])

    def _after_brackets(self, fooled: BoolArray) -> None:
        _, owner, (column, size) = self._brackets
        if not len(owner):
            return
        first = np.ones(len(owner), dtype=bool)
        first[1:] = (np.diff(owner) != 0) | (np.diff(column) != 0)
        group = np.cumsum(first) - 1
        whose, which = owner[first], column[first]
        self._known[whose, which] = 0.0
        high = np.abs(self._gap[whose, which])
        new = high.copy()
        np.minimum.at(new, group[fooled], size[fooled])
        low = self._low[whose, which].copy()
        below = ~fooled & (size < new[group])
        np.maximum.at(low, group[below], size[below])
        good = new < high
        self._low[whose[~good], which[~good]] = low[~good]
        whose, which = whose[good], which[good]
        new, low, high = new[good], low[good], high[good]
        rank = rank_within((whose,), new**self._power - high**self._power)
        moves = np.copysign(new, self._gap[whose, which])
        self._plan(np.unique(owner), whose, which, rank, moves, low)

    # --- Changes together ------------------------------------------------------------------------

    def _plan(
        self,
        rows: IntArray,
        whose: IntArray,
        column: IntArray,
        rank: IntArray,
        gap: FloatArray | float,
        low: FloatArray | float,
    ) -> None:
        """Note changes that may happen alone; make those of rows that have only one."""
        none = self._task.x.shape[1]
        self._rank[rows] = none
        self._rank[whose, column] = rank
        self._new_gap[whose, column], self._new_low[whose, column] = gap, low
        n_changes = np.where(self._rank[rows] < none, self._rank[rows] + 1, 0).max(axis=1)
        self._make(rows[n_changes == 1], 0)
        self._stage[rows[n_changes > 1]] = _TOGETHER
        done = rows[n_changes <= 1]
        self._next_level(done[self._stripping[done]])

    def _open_unions(self, rows: IntArray) -> tuple[FloatArray, IntArray, IntArray]:
        """Return (moves with the first changes of each row made, owners, the last rank made)."""
        rank = self._rank[rows]
        n_changes = np.where(rank < rank.shape[1], rank + 1, 0).max(axis=1, initial=0)
        row = np.repeat(np.arange(len(rows)), n_changes - 1)
        first = np.cumsum(n_changes - 1) - (n_changes - 1)
        last = np.arange(len(row)) - first[row] + 1
        made = rank[row] <= last[:, None]
        owner = rows[row]
        return np.where(made, self._new_gap[owner], self._gap[owner]), owner, last

    def _after_unions(self, fooled: BoolArray) -> None:
        _, owner, last = self._unions
        rows = np.unique(owner)
        most = np.zeros(len(self._stage), dtype=np.int64)
        np.maximum.at(most, owner[fooled], last[fooled])
        self._make(rows, most[rows])
        self._stage[rows] = _ALONE
        self._next_level(rows[self._stripping[rows]])

    def _make(self, rows: IntArray, last: IntArray | int) -> None:
        """Make changes up to the given rank."""
        made = self._rank[rows] <= np.broadcast_to(last, len(rows))[:, None]
        self._gap[rows] = np.where(made, self._new_gap[rows], self._gap[rows])
        self._low[rows] = np.where(made, self._new_low[rows], self._low[rows])

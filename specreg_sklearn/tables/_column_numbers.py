"""What columns of numbers hold: ranges, gaps and spreads, read in blocks of rows.

A pool may have millions of rows of which an attack uses a few. It is read in blocks that fit into a
processor's cache, transposed so that each column is contiguous there, and never copied as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.tables.containers import SparseTable, Table, are_all

# Cells in one block: 2 MB.
_BLOCK = 2**18
# Rows of a block that are laid side by side: numpy then works along rows of some thousand cells.
_SIDE_BY_SIDE = 64
# Numbers whose squares, added up, are far from the ends of float64.
_TAME = 1e-140, 1e140


def row_blocks(table: Table, columns: IntArray) -> Iterator[tuple[slice, FloatArray]]:
    """Yield slices of rows, and the numbers of columns there: (n_columns, n_rows), NaN for a gap.

    A table of at most a quarter of a million cells is one block.
    """
    if isinstance(table, SparseTable):
        # Asked for all rows at once, it refuses what would be too large as dense rows.
        yield slice(0, table.n_rows), np.ascontiguousarray(table.numbers(columns).T)
        return
    step = max(1, _BLOCK // max(1, len(columns)))
    for begin in range(0, table.n_rows, step):
        rows = slice(begin, min(begin + step, table.n_rows))
        part = table if step >= table.n_rows else table.take(rows)
        if part.bare and are_all(columns, part.n_columns):
            # Once copied, not twice; but never handed out as they are.
            yield rows, np.array(part.data.T, order="C")
        else:
            yield rows, np.ascontiguousarray(part.numbers(columns).T)


class ColumnNumbers:
    """The numbers in columns of a table.

    Parameters
    ----------
    table : Table
        The rows.
    columns : ndarray of shape (n_numeric,), int
        Positions of the columns that hold numbers. The others count as empty.
    whole : ndarray of shape (n_columns,), bool
        Columns that should hold whole numbers.
    spreads : bool, default=False
        Whether standard deviations will be asked for: where that is cheap, they are read at once.

    Attributes
    ----------
    low, high : ndarray of shape (n_columns,), float64
        The smallest and largest number of each column, 0 where there is none.
    empty, broken : ndarray of shape (n_columns,), bool
        Columns without a number, and those of `whole` that hold fractions.
    """

    def __init__(
        self, table: Table, columns: IntArray, whole: BoolArray, *, spreads: bool = False
    ) -> None:
        self._table = table
        self._moved: dict[int, FloatArray] = {}
        self.low, self.high = np.full((2, table.n_columns), np.nan)
        self.broken = np.zeros(table.n_columns, dtype=bool)
        self._moments: _Moments | None = None
        # Whole numbers as such need no look.
        doubtful = [
            k for k, j in enumerate(columns) if whole[j] and table.dtype(j).kind not in "iub"
        ]
        if not doubtful and _is_long(table, columns):
            self._moments = _Moments(len(columns)) if spreads else None
            self._read_as_it_lies()
        else:
            self._read_blocks(columns, doubtful)
        self.empty = np.isnan(self.low)
        self.low[self.empty], self.high[self.empty] = 0.0, 0.0

    def _read_as_it_lies(self) -> None:
        """Read a long array without turning it, which would take most of the time."""
        data, d = self._table.data, self._table.n_columns
        step = max(1, _BLOCK // (_SIDE_BY_SIDE * d)) * _SIDE_BY_SIDE
        for begin in range(0, len(data), step):
            rows = data[begin : begin + step]
            beside = 1 if len(rows) % _SIDE_BY_SIDE else _SIDE_BY_SIDE
            block = rows.reshape(-1, beside * d)
            low, high = np.fmin.reduce(block, axis=0), np.fmax.reduce(block, axis=0)
            self.low = np.fmin(self.low, np.fmin.reduce(low.reshape(beside, d), axis=0))
            self.high = np.fmax(self.high, np.fmax.reduce(high.reshape(beside, d), axis=0))
            if self._moments is not None:
                self._moments.add_rows(block, d)

    def _read_blocks(self, columns: IntArray, doubtful: list[int]) -> None:
        for _, block in row_blocks(self._table, columns):
            low, high = block.min(axis=1), block.max(axis=1)
            gaps = np.flatnonzero(np.isnan(low))
            low[gaps] = np.fmin.reduce(block[gaps], axis=1)
            high[gaps] = np.fmax.reduce(block[gaps], axis=1)
            self.low[columns] = np.fmin(self.low[columns], low)
            self.high[columns] = np.fmax(self.high[columns], high)
            for k in doubtful:
                with np.errstate(invalid="ignore"):
                    rest = np.nan_to_num(np.mod(block[k], 1))
                self.broken[columns[k]] |= bool(rest.any())

    def __len__(self) -> int:
        return len(self.low)

    def count_from_elsewhere(self, column: int, numbers: FloatArray) -> None:
        """Take these numbers, (n_rows,), for those of a column."""
        self._moved[column] = numbers
        self.low[column], self.high[column] = np.nanmin(numbers), np.nanmax(numbers)

    def column(self, column: int) -> FloatArray:
        """Return the numbers of one column, without gaps."""
        if self.empty[column]:
            return np.empty(0)
        cells = self._moved.get(column)
        if cells is None:
            cells = self._table.numbers(np.array([column]))[:, 0]
        return np.asarray(cells[~np.isnan(cells)])

    def n_outside(self, column: int, low: float, high: float) -> int:
        """Return how many numbers of a column are outside two ends."""
        cells = self.column(column)
        return int(((cells < low) | (cells > high)).sum())

    def ranges(self) -> FloatArray:
        """Return the largest minus the smallest number of each column; finite in any case."""
        with np.errstate(over="ignore"):
            return np.minimum(self.high - self.low, np.finfo(np.float64).max)

    def stds(self, columns: IntArray) -> FloatArray:
        """Return the standard deviations of columns, (n,); 0 exactly where one does not vary."""
        out = np.zeros(len(columns))
        # The mean of equal values rounds, so a constant column is told by its range.
        varies = np.flatnonzero(self.ranges()[columns] > 0)
        out[varies] = self._stds(np.asarray(columns)[varies])
        return out

    def _stds(self, columns: IntArray) -> FloatArray:
        # Squares of very large or very small numbers would not be finite, or would vanish.
        peak = np.maximum(np.abs(self.low[columns]), np.abs(self.high[columns]))
        tame = (peak < _TAME[1]).all() and (self.ranges()[columns] > _TAME[0]).all()
        if self._moments is not None and tame:
            stds = self._moments.stds()[columns]
            if not np.isnan(stds).any():  # no gaps
                return stds
        moments = _Moments(len(columns))
        for rows, block in row_blocks(self._table, columns) if len(columns) else ():
            for k, j in enumerate(columns.tolist()):
                if j in self._moved:
                    block[k] = self._moved[j][rows]
            block /= peak[:, None]
            moments.add(block)
        return np.maximum(moments.stds() * peak, np.finfo(np.float64).tiny)


def _is_long(table: Table, columns: IntArray) -> bool:
    """Return whether a table is an array of numbers, row by row, of several blocks."""
    if isinstance(table, SparseTable) or not table.bare:
        return False
    whole = are_all(columns, table.n_columns) and table.data.flags.c_contiguous
    return bool(whole and table.data.size > _BLOCK)


class _Moments:
    """Means and sums of squared deviations of n columns that come in blocks.

    Two blocks are put together as Chan, Golub and LeVeque (1983), "Algorithms for computing the
    sample variance", do it; a single one gives what `numpy.std` does, to the bit.
    """

    def __init__(self, n: int) -> None:
        self.count, self.mean, self.squares = np.zeros((3, n))

    def add(self, block: FloatArray) -> None:
        """Add a block of shape (n, n_rows)."""
        count = np.full(len(block), float(block.shape[1]))
        mean = block.mean(axis=1)
        rest = block - mean[:, None]
        squares = np.multiply(rest, rest, out=rest).sum(axis=1)
        for k in np.flatnonzero(np.isnan(mean)).tolist():
            cells = block[k][~np.isnan(block[k])]
            count[k], mean[k], squares[k] = len(cells), 0.0, 0.0
            if len(cells):
                mean[k] = cells.mean()
                squares[k] = ((cells - mean[k]) ** 2).sum()
        self._join(count, mean, squares)

    def _join(self, count: FloatArray | float, mean: FloatArray, squares: FloatArray) -> None:
        total = self.count + count
        share = count / np.maximum(total, 1)
        gap = mean - self.mean
        self.squares += squares + gap**2 * self.count * share
        # The first block's mean as it is: 0 + (mean - 0) * 1.
        self.mean += gap * share
        self.count = total

    def add_rows(self, block: FloatArray, n: int) -> None:
        """Add rows as they lie, as many side by side as fit into (n_long_rows, length).

        A gap makes its column NaN.
        """
        beside = block.shape[1] // n
        with np.errstate(over="ignore", invalid="ignore"):
            mean = block.sum(axis=0).reshape(beside, n).sum(axis=0) / (len(block) * beside)
            rest = block - np.tile(mean, beside)
            squares = np.multiply(rest, rest, out=rest).sum(axis=0).reshape(beside, n).sum(axis=0)
            self._join(float(len(block) * beside), mean, squares)

    def stds(self) -> FloatArray:
        """Return the standard deviations, (n,)."""
        return np.asarray(np.sqrt(self.squares / np.maximum(self.count, 1)))

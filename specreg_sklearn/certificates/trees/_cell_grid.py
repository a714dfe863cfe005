"""The numbers that cells of a column can hold, in order, and those that steps take."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray

_EXACT_INTEGERS = 2**53


class CellGrid:
    """The numbers that a cell can hold, in order: whole numbers, or floats by their bits.

    Parameters
    ----------
    dtype : dtype
        Of the column.
    reach : float
        The size of floats that are looked at.

    Attributes
    ----------
    ends : tuple of int
        The first and the last place in the order.
    """

    def __init__(self, dtype: np.dtype, reach: float) -> None:
        self.whole = dtype.kind in "iub"
        self.dtype = np.dtype(np.float64)
        if self.whole:
            least, most = (
                (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
            )
            self.ends = max(int(least), -_EXACT_INTEGERS), min(int(most), _EXACT_INTEGERS)
            return
        if dtype.kind == "f" and dtype.itemsize < 8:
            self.dtype = dtype
        largest = min(float(np.finfo(self.dtype).max), reach)
        self.ends = self.rank(-largest), self.rank(largest)

    def number(self, rank: IntArray) -> FloatArray:
        """Return the numbers at places in the order."""
        rank = np.clip(rank, *self.ends)
        if self.whole:
            return rank.astype(np.float64)
        bits = np.abs(rank).astype(f"i{self.dtype.itemsize}")
        size = bits.view(self.dtype).astype(np.float64)
        return np.where(rank < 0, -size, size)

    def rank(self, number: float) -> int:
        """Return the place of a number."""
        if self.whole:
            return round(number)
        size = np.array([abs(number)], dtype=self.dtype).view(f"i{self.dtype.itemsize}")
        return int(np.copysign(1, number)) * int(size[0])


def keep_to_numbers(
    grids: list[CellGrid], cells: FloatArray, gives_numbers: Callable[[IntArray], BoolArray]
) -> FloatArray:
    """Keep the grids of columns to what steps take, and return the ends: (2, n_columns), infinite.

    Parameters
    ----------
    grids : list of CellGrid
        One for each column.
    cells : ndarray of shape (n_rows, n_columns)
        Cells of rows that the steps take; NaN where missing.
    gives_numbers : callable
        From places of cells, one for each column, to whether the steps have numbers for them. They
        have from one end to another, with the cells in between.
    """
    ends = np.tile([[-np.inf], [np.inf]], len(grids))
    some = np.where(np.isnan(cells).all(axis=0), 0.0, cells[0])
    for k in np.flatnonzero(np.isnan(some)).tolist():
        some[k] = cells[~np.isnan(cells[:, k]), k][0]
    home = np.array([grid.rank(some[k]) for k, grid in enumerate(grids)])
    for side in (0, 1):
        far = np.array([grid.ends[side] for grid in grids])
        given = gives_numbers(far)
        near, beyond = home.copy(), far
        while True:
            open_ = ~given & (np.maximum(near, beyond) - 1 > np.minimum(near, beyond))
            if not open_.any():
                break
            # Halves first: the sum of the ends may not fit.
            middle = near // 2 + beyond // 2 + (near % 2 + beyond % 2) // 2
            taken = gives_numbers(np.where(open_, middle, home))
            near = np.where(open_ & taken, middle, near)
            beyond = np.where(open_ & ~taken, middle, beyond)
        for k in np.flatnonzero(~given).tolist():
            grid = grids[k]
            kept = int(near[k])
            grid.ends = (kept, grid.ends[1]) if side == 0 else (grid.ends[0], kept)
            ends[side, k] = grid.number(near[k : k + 1])[0]
    return ends

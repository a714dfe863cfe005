"""What the cells of rows can hold: the ends of their boxes, and the numbers that columns store.

Every row has a box, which contains the row. Most rows share one: that of the space, drawn in to
what the columns' dtypes can hold. A row has its own where it lies outside, where a column may move
one way only, where a cell is missing, and where a large whole number has no exact place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.space.columns import IntegerRange, LargeCells, integer_ends

# Up to so many numbers, two functions of numpy cost less than one that is written in Python.
_FEW = 2**14


class RowBoxes:
    """The boxes of n rows with d movable cells.

    Parameters
    ----------
    raw, missing : ndarray of shape (n, d)
        The cells of the rows, 0 where missing, and which are missing.
    dtypes : sequence of dtype
        Those of the columns of numbers, which are the first of the d; the others are flags.
    low, high : ndarray of shape (d,), float64
        The box of the space.
    integer : ndarray of shape (d,), bool
        Columns of whole numbers.
    large : dict of int to LargeCells
        Columns of large whole numbers, by place.
    directions : ndarray of shape (d,), int
        1 where cells may only grow, -1 where they may only shrink, 0 elsewhere.

    Attributes
    ----------
    narrow : list of (dtype, ndarray of int)
        Columns of shorter floats than float64, by dtype.
    exact : bool
        Whether any number inside a box can be a cell as it is.
    """

    def __init__(
        self,
        raw: FloatArray,
        missing: BoolArray,
        dtypes: Sequence[np.dtype],
        low: FloatArray,
        high: FloatArray,
        integer: BoolArray,
        *,
        large: Mapping[int, LargeCells],
        directions: IntArray,
    ) -> None:
        self._raw, self._missing, self._integer = raw, missing, integer
        self._whole, self._gaps = bool(integer.any()), bool(missing.any())
        low, high = low.copy(), high.copy()
        low[integer], high[integer] = np.ceil(low[integer]), np.floor(high[integer])
        self.narrow: list[tuple[np.dtype, IntArray]] = []
        held: dict[np.dtype, list[int]] = {}
        for k, dtype in enumerate(dtypes):
            if k not in large:
                held.setdefault(dtype, []).append(k)
        for dtype in sorted(held, key=str):
            places = np.array(held[dtype])
            if dtype.kind in "iub":
                ends = IntegerRange(0, *integer_ends(dtype)).ends()
                low[places] = np.maximum(low[places], ends[0])
                high[places] = np.minimum(high[places], ends[1])
            elif dtype.itemsize < 8:
                self.narrow.append((dtype, places))
                least, most = float(np.finfo(dtype).min), float(np.finfo(dtype).max)
                low[places] = _inwards(np.maximum(low[places], least), dtype, 1)
                high[places] = _inwards(np.minimum(high[places], most), dtype, -1)
        for k, cells in large.items():
            # Rows that are counted from the origin share these ends, or are widened below.
            low[k], high[k] = cells.limits
        self.exact = not self._whole and not self.narrow
        self._by_row = {k: cells for k, cells in large.items() if not cells.exact.all()}
        self._ups, self._downs = np.flatnonzero(directions > 0), np.flatnonzero(directions < 0)
        # Widened boxes are not stored: they are as large as the data.
        inside = bool((raw >= low).all() and (raw <= high).all()) if len(raw) else True
        self._shared = inside and not self._gaps and not self._by_row and not directions.any()
        self._low, self._high = low[None], high[None]
        one_interval = len(low) > 0 and (low == low[0]).all() and (high == high[0]).all()
        if self._shared and one_interval:
            # One interval for all columns is clipped several times faster than a row of them.
            self._low, self._high = self._low[:, :1], self._high[:, :1]

    def of(self, owner: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the boxes of some rows, (m, d); (1, d) or (1, 1) if all share one."""
        if self._shared:
            return self._low, self._high
        raw = self._raw[owner]
        lo, hi = np.minimum(self._low, raw), np.maximum(self._high, raw)
        for k, cells in self._by_row.items():
            lo[:, k], hi[:, k] = cells.low[owner], cells.high[owner]
        lo[:, self._ups], hi[:, self._downs] = raw[:, self._ups], raw[:, self._downs]
        if not self._gaps:
            return lo, hi
        # A missing cell reads 0 here, and stays there.
        missing = self._missing[owner]
        return np.where(missing, 0.0, lo), np.where(missing, 0.0, hi)

    def fit(self, raw: FloatArray, lo: FloatArray, hi: FloatArray) -> FloatArray:
        """Round, cast and clip cells in place, as :meth:`CleanRows.fit` says."""
        if self._whole:
            raw[..., self._integer] = np.rint(raw[..., self._integer])
        for dtype, columns in self.narrow:
            # Points far outside the box may overflow here; clipping brings them back.
            with np.errstate(over="ignore"):
                if len(columns) == raw.shape[-1]:
                    raw[...] = raw.astype(dtype)
                else:
                    raw[..., columns] = raw[..., columns].astype(dtype)
        # The ends of the box are representable, so clipping last cannot undo the cast.
        if lo.size == hi.size == 1 and raw.size > _FEW:
            return np.clip(raw, lo, hi, out=raw)
        np.maximum(raw, lo, out=raw)
        return np.minimum(raw, hi, out=raw)


def _inwards(end: FloatArray, dtype: np.dtype, side: int) -> FloatArray:
    """Return the nearest ends that `dtype` can hold and that do not leave the box."""
    cast = end.astype(dtype)
    step = np.nextafter(cast, np.array(side * np.inf, dtype))
    outside = (cast.astype(np.float64) - end) * side < 0
    return np.where(outside, step, cast).astype(np.float64)

"""Whole numbers that float64 cannot tell apart: counted from an origin, and written exactly.

Beyond 2**53 neighbouring whole numbers share a float64: those of time stamps in nanoseconds are 256
apart. So such a column is seen as its distance from a whole number in the middle of the data, the
origin. Where even that is too far, cells are counted from the clean cell of their own row: it keeps
every digit, and so does a small step from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.tables import Integers

EXACT_INTEGERS = 2.0**53
"""From here on a float64 may be that of a neighbouring whole number."""


class IntegerRange(NamedTuple):
    """Where a column of whole numbers is counted from, and its bounds; None where open."""

    origin: int = 0
    low: int | None = None
    high: int | None = None

    @property
    def has_room(self) -> bool:
        """Whether the bounds let a number move."""
        return self.low is None or self.high is None or self.low < self.high

    def ends(self) -> tuple[float, float]:
        """Return the bounds as distances from the origin, rounded inwards."""
        low = -np.inf if self.low is None else -_rounded_down(self.origin - self.low)
        high = np.inf if self.high is None else _rounded_down(self.high - self.origin)
        return low, high


@dataclass(frozen=True)
class LargeCells:
    """The clean cells of one column of large whole numbers.

    A float64 stands for the whole number `base`, moved by its difference from `base_raw`. These are
    the origin and 0 where the clean cell has an exact place there, else the clean cell itself.

    Attributes
    ----------
    base : ndarray of shape (n,), int
        See above, in the dtype of the column.
    base_raw, raw : ndarray of shape (n,), float64
        See above, and how far clean cells are from the origin; NaN where missing.
    low, high : ndarray of shape (n,), float64
        The bounds of each row, which contain its clean cell.
    exact : ndarray of shape (n,), bool
        Which rows are counted from the origin.
    limits : tuple of float
        The bounds of such rows, before they are widened to contain clean cells.
    """

    base: np.ndarray
    base_raw: FloatArray
    raw: FloatArray
    low: FloatArray
    high: FloatArray
    exact: BoolArray
    limits: tuple[float, float]

    @classmethod
    def read(cls, column: Integers, limits: IntegerRange) -> LargeCells:
        """Read a column of a table, with these bounds and those of its dtype."""
        (cells, missing), origin = column, limits.origin
        least, most = integer_ends(cells.dtype)
        low = least if limits.low is None else max(least, limits.low)
        high = most if limits.high is None else min(most, limits.high)
        if missing.any():
            # Some number that is as good as any: a missing cell never moves.
            cells = np.where(missing, np.array(min(max(origin, least), most), cells.dtype), cells)
        raw = _differences(cells, origin)
        exact = np.zeros(len(cells), dtype=bool)
        base, base_raw = cells, raw
        if least <= origin <= most:
            start = np.full(len(cells), origin, dtype=cells.dtype)
            exact = _moved(start, raw) == cells
            base, base_raw = np.where(exact, start, cells), np.where(exact, 0.0, raw)
        ends = IntegerRange(origin, low, high).ends()
        lows, highs = np.minimum(ends[0], raw), np.maximum(ends[1], raw)
        for i in np.flatnonzero(~exact).tolist():
            clean, place = int(cells[i]), float(raw[i])
            lows[i] = -_end(-place, max(clean - low, 0))
            highs[i] = _end(place, max(high - clean, 0))
        return cls(base, base_raw, np.where(missing, np.nan, raw), lows, highs, exact, ends)

    def take(self, rows: IntArray) -> LargeCells:
        """Return the cells of some rows."""
        names = ("base", "base_raw", "raw", "low", "high", "exact")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def written(self, raw: FloatArray, owner: IntArray) -> np.ndarray:
        """Return the whole numbers (m,) that numbers of rows stand for, in the column's dtype."""
        return _moved(self.base[owner], raw - self.base_raw[owner])

    def read_again(self, cells: np.ndarray, owner: IntArray) -> FloatArray:
        """Return the numbers (m,) that stand for whole numbers of rows."""
        return self.base_raw[owner] + _differences(cells, self.base[owner])

    def steps_to(self, cells: np.ndarray) -> FloatArray:
        """Return how far whole numbers, one per row, are from the clean cells."""
        clean = self.written(np.nan_to_num(self.raw), np.arange(len(self.raw)))
        return _differences(cells, clean)


def integer_ends(dtype: np.dtype) -> tuple[int, int]:
    """Return the smallest and the largest whole number of a dtype; True is 1."""
    if dtype.kind == "b":
        return 0, 1
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def _end(place: float, room: int) -> float:
    """Return the largest number that is not more than `room` above a place."""
    most = _rounded_down(room)
    end = place + most
    while end - place > most:
        end = float(np.nextafter(end, -np.inf))
    return max(end, place)


def _rounded_down(number: int) -> float:
    """Return the largest float64 that is not above a whole number."""
    near = float(number)
    return near if int(near) <= number else float(np.nextafter(near, -np.inf))


def _moved(cells: np.ndarray, steps: FloatArray) -> np.ndarray:
    """Return whole numbers moved by whole steps; a result that fits the dtype is exact."""
    # A step from one end to the other does not fit into int64, its halves do. Sums wrap around.
    half = np.trunc(steps / 2)
    rest = (steps - half).astype(np.int64).astype(cells.dtype)
    return np.asarray(cells + half.astype(np.int64).astype(cells.dtype) + rest)


def _differences(cells: np.ndarray, base: np.ndarray | int) -> FloatArray:
    """Return whole numbers minus others, rounded once."""
    least, most = (int(cells.min()), int(cells.max())) if cells.size else (0, 0)
    lowest, highest = (int(np.min(base)), int(np.max(base))) if np.size(base) else (0, 0)
    if -(2**63) <= least - highest and most - lowest < 2**63 and -(2**63) <= lowest:
        other = np.array(base % 2**64 if isinstance(base, int) else base).astype(np.uint64)
        return (cells.astype(np.uint64) - other).view(np.int64).astype(np.float64)
    wide = cells.astype(object) - (base if isinstance(base, int) else base.astype(object))
    return np.asarray(wide, dtype=np.float64)

"""Numpy arrays, lists of lists and images as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

REAL, INTEGER, CATEGORICAL = "real", "integer", "categorical"
Integers: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Whole numbers of a column as they are, (n,) int64 or uint64, and which of them are missing."""
Exact: TypeAlias = Mapping[int, np.ndarray]
"""Whole numbers by the place of a column among those that are written, (m,) int64 or uint64."""
NOTHING_EXACT: Exact = MappingProxyType({})
Replaced: TypeAlias = Mapping[int, Any]
"""Columns that are written as they are, by position: (m,), picked from :meth:`extended`."""
NOTHING_REPLACED: Replaced = MappingProxyType({})


class ArrayTable:
    """A 2-D numpy array, or whatever numpy can make one of."""

    names: list[Any] | None = None

    def __init__(self, data: np.ndarray) -> None:
        self.data = data
        self.n_rows, self.n_columns = data.shape
        # Whether every cell is a float, so that writing a cell's own number changes nothing.
        self.plain = data.dtype.kind == "f"
        # Whether rows of float64 cells of all columns are such a container as they are.
        self.bare = type(self) is ArrayTable and data.dtype == np.float64

    def kind(self, column: int) -> str:
        """Say whether a column holds real numbers, whole numbers or neither."""
        if self.data.dtype.kind == "O":
            return kind_of_objects(self.data[:, column])
        return kind_of_dtype(self.data.dtype)

    def is_flag(self, column: int) -> bool:
        """Return whether a column holds True and False, and nothing else but missing values."""
        if self.data.dtype.kind == "O":
            return are_flags(self.data[:, column])
        return self.data.dtype.kind == "b"

    def dtype(self, column: int) -> np.dtype:
        """Return the numpy dtype in which a number of this column is stored."""
        if self.data.dtype.kind == "O":
            return dtype_of_objects(self.data[:, column])
        return self.data.dtype

    def cells(self, column: int) -> np.ndarray:
        """Return one column as it is."""
        return self.data[:, column]

    def integers(self, column: int) -> Integers:
        """Return a column of whole numbers exactly; see :data:`Integers`."""
        if self.data.dtype.kind == "O":
            return integers_of_objects(self.data[:, column])
        return self.data[:, column], np.zeros(self.n_rows, dtype=bool)

    def numbers(self, columns: np.ndarray) -> np.ndarray:
        """Return numeric columns as a new float64 array; a missing value is NaN."""
        if are_all(columns, self.n_columns):
            return np.array(self.data, dtype=np.float64, order="C")
        if len(columns) == 1:
            return self.data[:, int(columns[0])].astype(np.float64)[:, None]
        # Indexing with an array copies; another copy would double the memory.
        return np.ascontiguousarray(self.data[:, columns], dtype=np.float64)

    def objects(self, column: int) -> list[Any]:
        """Return the cells of a column as Python objects; a missing value is None."""
        return python_objects(self.cells(column))

    def extended(self, column: int, values: Sequence[Any]) -> Any:
        """Return a column, in its own dtype, with more cells behind it: ``out[i]`` are copies.

        Raises ValueError if the column cannot hold the values.
        """
        cells = np.empty(len(values), dtype=object)
        cells[:] = values
        more = cells.astype(self.data.dtype)
        if python_objects(more) != list(values):
            raise ValueError(f"dtype {self.data.dtype}")
        return np.concatenate([self.cells(column), more])

    def take(self, rows: np.ndarray | slice) -> ArrayTable:
        """Return the table of some rows."""
        return type(self)(self.data[rows])

    def write(
        self,
        rows: np.ndarray,
        columns: np.ndarray,
        values: np.ndarray,
        moved: np.ndarray | None,
        exact: Exact = NOTHING_EXACT,
        replaced: Replaced = NOTHING_REPLACED,
    ) -> Any:
        """Copy `rows` into a new container, with `values` in the cells that `moved`.

        `values` and `moved` have shape (len(rows), len(columns)); every value is exactly
        representable in its column's dtype. Cells that did not move keep their bits. None, for
        a table that is `plain`, means that all cells may be written. For columns whose place among
        `columns` is in `exact`, what stands there is written instead of `values`. Columns of the
        table that are `replaced` are not among `columns`.
        """
        return self._container(self._copied(rows, columns, values, moved, exact, replaced))

    def _container(self, written: np.ndarray) -> Any:
        """Return rows as the user's container has them."""
        return written

    def _copied(
        self,
        rows: np.ndarray,
        columns: np.ndarray,
        values: np.ndarray,
        moved: np.ndarray | None,
        exact: Exact,
        replaced: Replaced,
    ) -> np.ndarray:
        if moved is None and len(columns) == self.n_columns:
            return values.astype(self.data.dtype, order="C")
        out = self.data[rows]
        if moved is None:
            out[:, columns] = values
            return out
        block = out[:, columns]
        if self.data.dtype.kind == "O":
            block[moved] = python_numbers(block[moved], values[moved])
        else:
            asked = moved if not exact else moved & ~np.isin(np.arange(len(columns)), list(exact))
            # Cells that stay may hold NaN, which an integer cast would complain about.
            block = np.where(asked, np.where(asked, values, 0).astype(out.dtype), block)
        for k, cells in exact.items():
            block[moved[:, k], k] = cells[moved[:, k]]
        out[:, columns] = block
        for column, cells in replaced.items():
            out[:, column] = cells
        return out


class ListTable(ArrayTable):
    """A list of lists: computed as an array, handed back as a list of lists."""

    def _container(self, written: np.ndarray) -> list[Any]:
        return written.tolist()


class ImageTable(ArrayTable):
    """Rows with axes of their own (`row_shape`), as images: computed flat, handed back whole."""

    def __init__(self, data: np.ndarray, row_shape: tuple[int, ...]) -> None:
        super().__init__(data)
        self.row_shape = row_shape

    def take(self, rows: np.ndarray | slice) -> ImageTable:
        """Return the table of some rows."""
        return ImageTable(self.data[rows], self.row_shape)

    def _container(self, written: np.ndarray) -> np.ndarray:
        return written.reshape(-1, *self.row_shape)


def are_all(columns: np.ndarray, n_columns: int) -> bool:
    """Return whether positions are those of all columns in their order."""
    return len(columns) == n_columns and bool((np.diff(columns, prepend=-1) == 1).all())


def python_objects(cells: np.ndarray) -> list[Any]:
    """Return cells as Python objects; whatever a library calls a missing value is None."""
    out = [c.item() if isinstance(c, np.generic) else c for c in cells.tolist()]
    return [None if is_missing(c) else c for c in out]


def is_missing(cell: object) -> bool:
    """Return whether a cell is None, NaN, or what pandas has for a missing value."""
    gone = isinstance(cell, float) and math.isnan(cell)
    return cell is None or gone or type(cell).__name__ in ("NAType", "NaTType")


def kind_of_dtype(dtype: np.dtype) -> str:
    if dtype.kind in "iu":
        return INTEGER
    return REAL if dtype.kind == "f" else CATEGORICAL


def kind_of_objects(cells: np.ndarray) -> str:
    # bool is an int to Python, yet a flag to the user.
    numbers = [c for c in cells if c is not None]
    if any(isinstance(c, (bool, np.bool_)) for c in numbers):
        return CATEGORICAL
    if numbers and all(isinstance(c, Integral) for c in numbers):
        return INTEGER
    return REAL if all(isinstance(c, Real) for c in numbers) else CATEGORICAL


def are_flags(cells: np.ndarray) -> bool:
    """Return whether objects are True, False and missing, with at least one that is there."""
    flags = [c for c in cells if c is not None]
    return bool(flags) and all(isinstance(c, (bool, np.bool_)) for c in flags)


def dtype_of_objects(cells: np.ndarray) -> np.dtype:
    """Return the dtype that holds what can be written into objects."""
    if are_flags(cells):
        return np.dtype(bool)
    return integers_of_objects(cells)[0].dtype if _are_large(cells) else np.dtype(float)


def _are_large(cells: np.ndarray) -> bool:
    """Return whether objects are whole numbers, some of them beyond float64, all within 64 bits."""
    if kind_of_objects(cells) != INTEGER:
        return False
    numbers = [int(c) for c in cells if c is not None]
    low, high = min(numbers), max(numbers)
    if -(2**53) <= low and high <= 2**53:
        return False
    return -(2**63) <= low and high < (2**63 if low < 0 else 2**64)


def integers_of_objects(cells: np.ndarray) -> Integers:
    """Return whole numbers among objects; 0 where one is missing."""
    missing = np.array([c is None for c in cells], dtype=bool)
    numbers = [0 if c is None else int(c) for c in cells]
    return np.array(numbers, np.uint64 if max(numbers) >= 2**63 else np.int64), missing


def python_numbers(old: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return values as Python numbers; a whole number that stays whole stays an int."""
    new = np.empty(len(values), dtype=object)
    for k, (cell, value) in enumerate(zip(old, values.tolist(), strict=True)):
        if isinstance(cell, (bool, np.bool_)):
            new[k] = type(cell)(value)
        else:
            new[k] = int(value) if isinstance(cell, Integral) and value.is_integer() else value
    return new

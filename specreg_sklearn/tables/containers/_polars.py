"""Frames of polars as tables; polars is never imported: if it is not loaded, X cannot be its."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from specreg_sklearn.tables.containers._arrays import (
    CATEGORICAL,
    NOTHING_EXACT,
    NOTHING_REPLACED,
    Exact,
    Integers,
    Replaced,
    is_missing,
    kind_of_dtype,
)

if TYPE_CHECKING:
    import polars


class PolarsTable:
    """A polars DataFrame."""

    plain = bare = False

    # polars names its dtypes itself; numpy's names differ only in case.
    _NUMPY: ClassVar[dict[str, str]] = {"Boolean": "bool"} | {
        name: name.lower()
        for name in "Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float32 Float64".split()
    }

    def __init__(self, data: polars.DataFrame) -> None:
        self.data = data
        self.n_rows, self.n_columns = data.shape
        self.names: list[Any] | None = list(data.columns)

    def kind(self, column: int) -> str:
        """Say whether a column holds real numbers, whole numbers or neither."""
        name = str(self.data.dtypes[column])
        return kind_of_dtype(np.dtype(self._NUMPY[name])) if name in self._NUMPY else CATEGORICAL

    def dtype(self, column: int) -> np.dtype:
        """Return the numpy dtype in which a number of this column is stored."""
        return np.dtype(self._NUMPY[str(self.data.dtypes[column])])

    def is_flag(self, column: int) -> bool:
        """Return whether a column holds True and False, and nothing else but missing values."""
        return str(self.data.dtypes[column]) == "Boolean"

    def integers(self, column: int) -> Integers:
        """Return a column of whole numbers exactly; see :data:`Integers`."""
        series = self.data.to_series(int(column))
        return series.fill_null(0).to_numpy(), series.is_null().to_numpy()

    def numbers(self, columns: np.ndarray) -> np.ndarray:
        """Return numeric columns as a new float64 array; a missing value is NaN."""
        pl = sys.modules["polars"]
        out = np.empty((self.n_rows, len(columns)))
        for k, column in enumerate(columns):
            series = self.data.to_series(int(column)).cast(pl.Float64)
            out[:, k] = series.fill_null(float("nan")).to_numpy()
        return out

    def objects(self, column: int) -> list[Any]:
        """Return the cells of a column as Python objects; a missing value is None."""
        cells = self.data.to_series(int(column)).to_list()
        return [None if is_missing(cell) else cell for cell in cells]

    def extended(self, column: int, values: Sequence[Any]) -> Any:
        """Do as :meth:`ArrayTable.extended`."""
        pl = sys.modules["polars"]
        series = self.data.to_series(int(column))
        try:
            more = pl.Series(series.name, list(values), dtype=series.dtype)
        except (TypeError, pl.exceptions.PolarsError) as error:
            raise ValueError(f"dtype {series.dtype}") from error
        if more.to_list() != list(values):
            raise ValueError(f"dtype {series.dtype}")
        return pl.concat([series, more])

    def take(self, rows: np.ndarray | slice) -> PolarsTable:
        """Return the table of some rows."""
        return type(self)(self.data[rows if isinstance(rows, slice) else np.asarray(rows)])

    def write(
        self,
        rows: np.ndarray,
        columns: np.ndarray,
        values: np.ndarray,
        moved: np.ndarray | None,
        exact: Exact = NOTHING_EXACT,
        replaced: Replaced = NOTHING_REPLACED,
    ) -> Any:
        """Do as :meth:`ArrayTable.write`."""
        pl = sys.modules["polars"]
        assert moved is not None  # the table is not plain
        out = self.data[np.asarray(rows)]
        written = []
        for k, column in enumerate(columns):
            old = out.to_series(int(column))
            cells = np.where(moved[:, k], exact.get(k, values[:, k]), 0)
            cells = cells.astype(self.dtype(int(column)))
            new = pl.Series(old.name, cells, dtype=old.dtype)
            written.append(new.zip_with(pl.Series(moved[:, k]), old))
        return out.with_columns(written + list(replaced.values()))

"""Frames of pandas as tables; pandas is never imported: if it is not loaded, X cannot be its."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from specreg_sklearn.tables.containers._arrays import (
    NOTHING_EXACT,
    NOTHING_REPLACED,
    ArrayTable,
    Exact,
    Integers,
    Replaced,
    are_all,
    are_flags,
    dtype_of_objects,
    integers_of_objects,
    kind_of_dtype,
    kind_of_objects,
    python_numbers,
    python_objects,
)

if TYPE_CHECKING:
    import pandas


class PandasTable:
    """A pandas DataFrame."""

    bare = False

    def __init__(self, data: pandas.DataFrame) -> None:
        self.data = data
        self.n_rows, self.n_columns = data.shape
        self.names: list[Any] | None = list(data.columns)
        dtypes = set(data.dtypes)
        first = next(iter(dtypes), None)
        # One plain dtype throughout: rows can be gathered as one block, which is far cheaper.
        kind = first.kind if len(dtypes) == 1 and isinstance(first, np.dtype) else ""
        self._uniform, self.plain = kind in tuple("iuf"), kind == "f"
        self._dtypes = list(data.dtypes)

    @cached_property
    def _block(self) -> np.ndarray:
        # A frame of many pieces is copied for it: only what is written from needs it.
        return self.data.to_numpy()

    @cached_property
    def _arrays(self) -> list[pandas.api.extensions.ExtensionArray]:
        # Looking a column up in a frame takes longer than gathering rows from it: look up once.
        return [self.data.iloc[:, j].array for j in range(self.n_columns)]

    def kind(self, column: int) -> str:
        """Say whether a column holds real numbers, whole numbers or neither."""
        dtype = self._dtypes[column]
        if _holds_objects(dtype):
            return kind_of_objects(self.data.iloc[:, column].to_numpy())
        return kind_of_dtype(_numpy_dtype(dtype))

    def is_flag(self, column: int) -> bool:
        """Return whether a column holds True and False, and nothing else but missing values."""
        dtype = self._dtypes[column]
        if _holds_objects(dtype):
            return are_flags(self.data.iloc[:, column].to_numpy())
        return _numpy_dtype(dtype).kind == "b"

    def dtype(self, column: int) -> np.dtype:
        """Return the numpy dtype in which a number of this column is stored."""
        dtype = self._dtypes[column]
        if _holds_objects(dtype):
            return dtype_of_objects(self.data.iloc[:, column].to_numpy())
        return _numpy_dtype(dtype)

    def numbers(self, columns: np.ndarray) -> np.ndarray:
        """Return numeric columns as a new float64 array; a missing value is NaN."""
        if self._uniform and are_all(columns, self.n_columns):
            return np.array(self.data.to_numpy(), dtype=np.float64, order="C")
        out = np.empty((self.n_rows, len(columns)))
        for k, column in enumerate(columns):
            series = self.data.iloc[:, column]
            if isinstance(series.dtype, np.dtype) and series.dtype.kind == "b":
                out[:, k] = series.to_numpy()
            else:
                out[:, k] = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return out

    def integers(self, column: int) -> Integers:
        """Return a column of whole numbers exactly; see :data:`Integers`."""
        series = self.data.iloc[:, column]
        if _holds_objects(series.dtype):
            return integers_of_objects(series.to_numpy())
        if isinstance(series.dtype, np.dtype):
            return series.to_numpy(), np.zeros(self.n_rows, dtype=bool)
        cells = series.to_numpy(dtype=_numpy_dtype(series.dtype), na_value=0)
        return cells, series.isna().to_numpy(dtype=bool)

    def objects(self, column: int) -> list[Any]:
        """Return the cells of a column as Python objects; a missing value is None."""
        series = self.data.iloc[:, column]
        return python_objects(series.to_numpy(dtype=object, na_value=None))

    def extended(self, column: int, values: Sequence[Any]) -> Any:
        """Do as :meth:`ArrayTable.extended`."""
        pd = sys.modules["pandas"]
        series = self.data.iloc[:, column]
        known = getattr(series.dtype, "categories", None)
        if known is not None and not set(values) <= set(known.tolist()):
            raise ValueError(f"dtype {series.dtype}")
        try:
            more = pd.Series(list(values), dtype=series.dtype)
        except TypeError as error:
            raise ValueError(f"dtype {series.dtype}") from error
        if PandasTable(more.to_frame()).objects(0) != list(values):
            raise ValueError(f"dtype {series.dtype}")
        return pd.concat([series, more], ignore_index=True).array

    def take(self, rows: np.ndarray | slice) -> PandasTable:
        """Return the table of some rows."""
        return type(self)(self.data.iloc[rows])

    def write(
        self,
        rows: np.ndarray,
        columns: np.ndarray,
        values: np.ndarray,
        moved: np.ndarray | None,
        exact: Exact = NOTHING_EXACT,
        replaced: Replaced = NOTHING_REPLACED,
    ) -> Any:
        """Do as :meth:`ArrayTable.write`; the index is kept only when `rows` is every row."""
        pd = sys.modules["pandas"]
        whole = len(rows) == self.n_rows and np.array_equal(rows, np.arange(self.n_rows))
        index = self.data.index if whole else pd.RangeIndex(len(rows))
        if self._uniform:
            block = ArrayTable(self._block)
            out = block.write(rows, columns, values, moved, exact, replaced)
            frame = pd.DataFrame(out, index=index, columns=self.data.columns, copy=False)
            return _finished(frame, self.data)
        assert moved is not None  # the table is not plain
        place = {int(column): k for k, column in enumerate(columns)}
        arrays = []
        for j in range(self.n_columns):
            if j in replaced:
                arrays.append(replaced[j])
                continue
            old = self._arrays[j].take(rows)
            if j in place:
                k = place[j]
                old = self._written(j, old, exact.get(k, values[:, k]), moved[:, k])
            arrays.append(old)
        return frame_of(arrays, index, self.data)

    def _written(
        self,
        column: int,
        old: pandas.api.extensions.ExtensionArray,
        values: np.ndarray,
        moved: np.ndarray,
    ) -> Any:
        dtype = self._dtypes[column]
        if isinstance(dtype, np.dtype) and dtype.kind != "O":
            cells = np.where(moved, values, 0).astype(dtype)
            return np.where(moved, cells, old.to_numpy())
        new = old.copy()
        if not _holds_objects(dtype):
            new[moved] = values[moved].astype(_numpy_dtype(dtype))
        elif values.dtype.kind == "f":
            new[moved] = python_numbers(np.asarray(old)[moved], values[moved])
        else:
            new[moved] = values[moved].astype(object)
        return new


def frame_of(arrays: list[Any], index: pandas.Index, like: pandas.DataFrame) -> pandas.DataFrame:
    """Return a DataFrame of columns as they are, with the labels and attributes of another one.

    pandas looks into objects that it is given, and turns text into its own type, None into NaN and
    dates into time stamps, unless it is told that they are objects.
    """
    pd = sys.modules["pandas"]
    columns = dict(enumerate(arrays))
    # Text is an array of this kind too; what pandas makes of other ones is settled.
    plain = np.ndarray, pd.arrays.NumpyExtensionArray
    for j, array in enumerate(arrays):
        if type(array) in plain and array.dtype.kind == "O":
            columns[j] = pd.Series(array, index=index, dtype=object, copy=False)
    out = pd.DataFrame(columns, index=index, copy=False)
    out.columns = like.columns
    return _finished(out, like)


def _finished(out: pandas.DataFrame, like: pandas.DataFrame) -> pandas.DataFrame:
    if like.attrs:
        out.attrs = like.attrs
    return out


def _numpy_dtype(dtype: object) -> np.dtype:
    """Return the numpy dtype behind a pandas one; object for all that is not a number."""
    if isinstance(dtype, np.dtype):
        return dtype
    inner = getattr(dtype, "numpy_dtype", None)
    return inner if isinstance(inner, np.dtype) else np.dtype(object)


def _holds_objects(dtype: object) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind == "O"

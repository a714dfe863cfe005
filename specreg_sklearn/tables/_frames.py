"""Frames of pandas and polars as tables, and one way from any X to its table.

This package computes in float64, but the model must be asked on, and the user must get back, the
container, column order and dtypes that went in. Tables read columns as numbers and write numbers
back into copies of chosen rows. pandas and polars are never imported: if they are not loaded, X
cannot be theirs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import sparse

from specreg_sklearn.tables._array_api import ForeignTable, as_numpy, dispatches_to
from specreg_sklearn.tables._arrays import (
    CATEGORICAL,
    NOTHING_EXACT,
    NOTHING_REPLACED,
    ArrayTable,
    Exact,
    ImageTable,
    Integers,
    ListTable,
    Replaced,
    are_all,
    are_flags,
    dtype_of_objects,
    integers_of_objects,
    is_missing,
    kind_of_dtype,
    kind_of_objects,
    python_numbers,
    python_objects,
)
from specreg_sklearn.tables._sparse import SparseTable

if TYPE_CHECKING:
    import pandas
    import polars


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


Table = ArrayTable | PandasTable | PolarsTable


def as_table(X: Any, *, parameter: str = "X") -> Table:
    """Return the table of the user's X, or say why it is none."""
    pd, pl = sys.modules.get("pandas"), sys.modules.get("polars")
    table: Table
    if pd is not None and isinstance(X, pd.DataFrame):
        table = PandasTable(X)
    elif pl is not None and isinstance(X, pl.DataFrame):
        table = PolarsTable(X)
    elif sparse.issparse(X):
        table = SparseTable(X)
    else:
        table = _array_table(X, parameter)
    if table.n_rows == 0 or table.n_columns == 0:
        raise ValueError(
            f"{parameter} has shape ({table.n_rows}, {table.n_columns}); at least one row and one "
            "column are needed."
        )
    if table.names is not None and len(set(table.names)) != len(table.names):
        twice = sorted({str(n) for n in table.names if table.names.count(n) > 1})
        raise ValueError(f"{parameter} has columns of the same name: {twice}.")
    return table


def _array_table(X: Any, parameter: str) -> ArrayTable:
    is_list = isinstance(X, (list, tuple))
    try:
        data = np.asarray(as_numpy(X))
        # numpy would turn the numbers of a mixed list into text, and True into 1: keep its cells.
        if is_list and _mixes_cells(X, data):
            data = np.asarray(X, dtype=object)
    except ValueError as error:
        raise ValueError(f"{parameter} is not a table: its rows differ in length.") from error
    if data.ndim > 2 and not is_list:
        return ImageTable(data.reshape(len(data), -1), data.shape[1:])
    if data.ndim != 2:
        raise ValueError(
            f"Expected 2D array for {parameter}, got {data.ndim}D array of shape {data.shape}. "
            "Rows are samples and columns are features; images come as one array."
        )
    if dispatches_to(X):
        return ForeignTable(data, X[:1, :])
    return ListTable(data) if is_list else ArrayTable(data)


def _mixes_cells(X: Any, data: np.ndarray) -> bool:
    """Return whether numpy changed cells of a list of lists where it made them alike."""
    if data.dtype.kind in "US":
        return True
    if data.dtype.kind not in "iuf" or data.ndim != 2:
        return False
    # Whole numbers from both halves of 64 bits become float64.
    if data.dtype.kind == "f" and (np.abs(data) >= 2.0**53).any():
        return any(isinstance(cell, int) for row in X for cell in row)
    return any(
        isinstance(cell, bool) for row in X if isinstance(row, (list, tuple)) for cell in row
    )


def _numpy_dtype(dtype: object) -> np.dtype:
    """Return the numpy dtype behind a pandas one; object for all that is not a number."""
    if isinstance(dtype, np.dtype):
        return dtype
    inner = getattr(dtype, "numpy_dtype", None)
    return inner if isinstance(inner, np.dtype) else np.dtype(object)


def _holds_objects(dtype: object) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind == "O"

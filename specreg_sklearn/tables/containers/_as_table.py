"""One way from any X to its table.

This package computes in float64, but the model must be asked on, and the user must get back, the
container, column order and dtypes that went in. Tables read columns as numbers and write numbers
back into copies of chosen rows.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from scipy import sparse

from specreg_sklearn.tables.containers._array_api import ForeignTable, as_numpy, dispatches_to
from specreg_sklearn.tables.containers._arrays import ArrayTable, ImageTable, ListTable
from specreg_sklearn.tables.containers._pandas import PandasTable
from specreg_sklearn.tables.containers._polars import PolarsTable
from specreg_sklearn.tables.containers._sparse import SparseTable

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

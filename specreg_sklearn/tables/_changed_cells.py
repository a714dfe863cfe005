"""Single cells of a table: which ones differ between two tables, and copies with some written."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from specreg_sklearn.tables._subsample import take_rows
from specreg_sklearn.tables.containers import (
    ArrayTable,
    as_numpy,
    as_table,
    frame_of,
    in_library_of,
    is_missing,
)

Cells = Mapping[tuple[int, int], Any]
"""Cells by row and column, both counted from 0."""


def column_cells(X: Any, column: int) -> list[Any]:
    """Return the cells of a column as Python objects; None where one is missing.

    Single precision becomes Python's float, which holds it exactly.
    """
    table = as_table(X)
    data: Any = table.data
    if isinstance(table, ArrayTable):
        cells = table.cells(column).tolist()
    elif hasattr(data, "iloc"):
        cells = data.iloc[:, column].tolist()
    else:
        cells = data.to_series(column).to_list()
    return [None if is_missing(cell) else cell for cell in cells]


def changed_cells(before: Any, after: Any) -> dict[tuple[int, int], tuple[Any, Any]]:
    """Return the cells that differ between two containers of the same rows and columns.

    Keys are row and column, values the cell before and after.
    """
    out: dict[tuple[int, int], tuple[Any, Any]] = {}
    for j in range(as_table(before).n_columns):
        pairs = zip(column_cells(before, j), column_cells(after, j), strict=True)
        out |= {(i, j): (old, new) for i, (old, new) in enumerate(pairs) if not _same(old, new)}
    return dict(sorted(out.items()))


def _same(old: object, new: object) -> bool:
    return bool(old is new or old == new)


def with_cells(X: Any, cells: Cells) -> Any:
    """Return a copy of `X`, in its container and dtypes, with other values in some cells.

    Raises
    ------
    ValueError, TypeError, IndexError
        If there is no such cell, or its column cannot hold the value as it is.
    """
    pl = sys.modules.get("polars")
    n = as_table(X).n_rows
    columns: dict[int, dict[int, Any]] = {}
    for (i, j), value in cells.items():
        columns.setdefault(j, {})[i] = value
    if hasattr(X, "iloc"):
        arrays = [X.iloc[:, j].array.copy() for j in range(X.shape[1])]
        for j, some in columns.items():
            for i, value in some.items():
                arrays[j][i] = value
        out = frame_of(arrays, X.index, X)
    elif pl is not None and isinstance(X, pl.DataFrame):
        written = []
        for j, some in columns.items():
            old = X.to_series(j)
            values = [some.get(i, cell) for i, cell in enumerate(old.to_list())]
            written.append(pl.Series(old.name, values, dtype=old.dtype))
        out = X.with_columns(written)
    else:
        out = take_rows(X, np.arange(n))
        if sparse.issparse(out):
            out = out.tolil()
        elif not isinstance(out, list):
            out = as_numpy(out)
        for j, some in columns.items():
            for i, value in some.items():
                if isinstance(out, list):
                    out[i][j] = value
                else:
                    (out if sparse.issparse(out) else out.reshape(n, -1))[i, j] = value
        out = type(X)(out) if sparse.issparse(X) else in_library_of(X, out)
    _check_written(out, columns)
    return out


def _check_written(out: Any, columns: dict[int, dict[int, Any]]) -> None:
    """Raise if a container rounded, cut or converted a value that it was given."""
    for j, some in columns.items():
        held = column_cells(out, j)
        for i, value in some.items():
            if not _same(held[i], value):
                raise ValueError(f"column {j} holds {held[i]!r} where {value!r} was written.")

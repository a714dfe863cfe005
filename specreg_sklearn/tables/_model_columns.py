"""The columns of a table that a model reads, as complete float64 rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn.tables._arrays import CATEGORICAL
from specreg_sklearn.tables._column_options import column_label
from specreg_sklearn.tables._frames import Table


def places_of(estimator: Any, n_inputs: int | None, table: Table) -> np.ndarray:
    """Return the column of the table that each input column of a fitted model is.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    n_inputs : int or None
        Columns that it reads; None if any number will do.
    table : Table
        The rows as the user gave them.

    Returns
    -------
    ndarray of shape (n_inputs,), int
        Positions in the table.

    Raises
    ------
    ValueError
        If the table has another number of columns.
    """
    fitted = getattr(estimator, "feature_names_in_", None)
    if fitted is not None and table.names is not None:
        # A ColumnTransformer lets a frame have columns that it never saw.
        return np.array([table.names.index(name) for name in list(fitted)])
    if n_inputs is not None and table.n_columns != n_inputs:
        raise ValueError(
            f"X has {table.n_columns} features, but {type(estimator).__name__} is expecting "
            f"{n_inputs} features as input."
        )
    return np.arange(table.n_columns)


def columns_read(first: Any, n_columns: int) -> np.ndarray:
    """Return which columns the first step of a model looks at; others may hold anything."""
    weight = getattr(first, "weight", None)
    if weight is not None and weight.ndim == 2:
        return np.asarray((weight != 0).any(axis=0))
    return np.ones(n_columns, dtype=bool)


def complete_rows(
    table: Table,
    place: np.ndarray,
    read: np.ndarray,
    *,
    purpose: str,
    refusal: type[TypeError] = TypeError,
) -> np.ndarray:
    """Return a model's input columns as float64, 0 in those it does not read.

    Parameters
    ----------
    table : Table
        The rows as the user gave them.
    place : ndarray of shape (n_inputs,), int
        Where each input column is, see :func:`places_of`.
    read : ndarray of shape (n_inputs,), bool
        Which of them matter, see :func:`columns_read`.
    purpose : str
        What the rows are for, in messages: "certificates".
    refusal : class, default=TypeError
        Error for columns that hold no numbers.

    Returns
    -------
    ndarray of shape (n_samples, n_inputs)
        Finite numbers.

    Raises
    ------
    TypeError
        If a column that is read does not hold numbers.
    ValueError
        If one holds NaN or infinity.
    """
    rows = np.zeros((table.n_rows, len(place)))
    for j, column in enumerate(place.tolist()):
        if not read[j]:
            continue
        if table.kind(column) == CATEGORICAL and not _is_flag(table, column):
            raise refusal(
                f"Column {column_label(column, table.names)} of X does not hold numbers; "
                f"{purpose} are for numeric columns."
            )
        rows[:, j] = table.numbers(np.array([column]))[:, 0]
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=0))
    if bad.size:
        column = int(place[bad[0]])
        kind = "NaN" if np.isnan(rows[:, bad[0]]).any() else "infinity"
        raise ValueError(
            f"Input X contains {kind} in column {column_label(column, table.names)}; {purpose} "
            "need complete, finite rows."
        )
    return rows


def _is_flag(table: Table, column: int) -> bool:
    """Return whether a column is bool, under the name that its container has for that."""
    dtypes = getattr(table.data, "dtypes", None)
    dtype = table.data.dtype if dtypes is None else list(dtypes)[column]
    return "bool" in str(dtype).lower()

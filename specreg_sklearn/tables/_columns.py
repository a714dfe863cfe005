"""Columns of a table: what messages call them, whether they fit, and which ones a model reads."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn.tables._fitted_names import recorded_names
from specreg_sklearn.tables.containers import CATEGORICAL, INTEGER, Table

_ALL_EXACT = 2.0**52


def column_label(j: int, names: list[Any] | None) -> str:
    """Return how a message should call column `j`."""
    return repr(names[j]) if names is not None else str(j)


def check_columns(
    table: Table,
    names: list[Any] | None,
    kinds: np.ndarray,
    mutable: np.ndarray,
    parameter: str,
) -> None:
    """Raise unless a table has the columns of a space, with numbers where they may move."""
    if table.n_columns != len(kinds) and (table.names is None or names is None):
        raise ValueError(
            f"{parameter} has {table.n_columns} columns, but the feature space was built for "
            f"{len(kinds)}."
        )
    if names is not None and table.names is not None:
        check_names(table.names, names, parameter, "the feature space was built for")
    for j in np.flatnonzero(mutable & (kinds != CATEGORICAL)).tolist():
        if table.kind(j) == CATEGORICAL and not (kinds[j] == INTEGER and table.is_flag(j)):
            raise ValueError(
                f"{parameter} holds no numbers in column {column_label(j, names)}, which the "
                "feature space declares mutable."
            )


def check_names(given: list[Any], wanted: list[Any], parameter: str, whose: str) -> None:
    """Raise if two lists of column names differ, and name the columns."""
    if given == wanted:
        return
    missing = [c for c in wanted if c not in given]
    extra = [c for c in given if c not in wanted]
    if missing or extra:
        raise ValueError(
            f"{parameter} does not have the columns {whose}: missing {missing}, unknown {extra}."
        )
    swapped = [c for c, w in zip(given, wanted, strict=True) if c != w]
    raise ValueError(
        f"{parameter} has its columns in another order than {whose}: {swapped} are out of place. "
        f"Expected {wanted}, given {given}; pass {parameter}[{wanted}]."
    )


def check_fitted_columns(estimator: object, table: Table) -> None:
    """Raise ValueError if a frame's columns are not in the order the estimator was fitted on."""
    fitted = getattr(estimator, "feature_names_in_", None)
    if fitted is None or table.names is None:
        return
    fitted = list(fitted)
    # Columns the estimator never saw are its own business: a ColumnTransformer drops them.
    given = [c for c in table.names if c in fitted]
    check_names(given, fitted, "X", "the estimator was fitted on")


def places_of(estimator: object, n_inputs: int | None, table: Table) -> np.ndarray:
    """Return the column of the table that each input of a fitted model is, (n_inputs,) int.

    `n_inputs` is None if the model reads any number of columns. Raises ValueError if the table has
    another number of them, or is a frame whose columns some part of the model saw in another order.
    """
    fitted = _names_at_fit(estimator, table.names) if table.names is not None else None
    if fitted is not None and table.names is not None:
        # A ColumnTransformer lets a frame have columns that it never saw.
        return np.array([table.names.index(name) for name in fitted])
    if n_inputs is not None and table.n_columns != n_inputs:
        raise ValueError(
            f"X has {table.n_columns} features, but {type(estimator).__name__} is expecting "
            f"{n_inputs} features as input."
        )
    return np.arange(table.n_columns)


def _names_at_fit(estimator: object, given: list[Any]) -> list[Any] | None:
    """Return the names by which a model knows the columns of a frame; None if it knows none.

    All its parts must have seen them in the order of the frame: what one part takes by name and
    another by position would be two different cells else.
    """
    fitted: list[Any] | None = None
    for part, names, by_name, behind in recorded_names(estimator):
        if behind and not by_name:
            continue  # it checks what it gets by itself
        whose = f"{part or 'the estimator'} was fitted on"
        if behind and not set(names) <= set(given):
            raise ValueError(
                f"X cannot be followed to {part}: it picks columns by the names {names}, and a "
                f"step before it has no record of the names at fit. Given {given}. Let that step "
                "record feature_names_in_, or pick columns by position and fit on an array."
            )
        check_names([name for name in given if name in names], names, "X", whose)
        if fitted is not None and fitted != names:
            raise ValueError(
                f"X cannot be followed: the parts of the estimator were fitted on frames with "
                f"different columns, {fitted} and {names}. Fit all of them on the columns of X."
            )
        fitted = names
    return fitted


def columns_read(first: object, n_columns: int) -> np.ndarray:
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
    """Return a model's input columns, (n_samples, n_inputs), as finite float64; 0 if not read.

    `place` and `read` have an entry per input column, see :func:`places_of` and
    :func:`columns_read`. `purpose` is what the rows are for, in messages: "certificates". Raises
    `refusal` if a column that is read holds no numbers, and ValueError if it is not finite.
    """
    rows = np.zeros((table.n_rows, len(place)))
    for j, column in enumerate(place.tolist()):
        if not read[j]:
            continue
        if holds_words(table, column):
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


def holds_words(table: Table, column: int) -> bool:
    """Return whether cells of a column are neither numbers nor flags."""
    return table.kind(column) == CATEGORICAL and not _is_flag(table, column)


def check_exact_numbers(
    table: Table, rows: np.ndarray, place: np.ndarray, moves: np.ndarray
) -> None:
    """Raise if whole numbers that may move are so large that float64 rounds their neighbours.

    `rows`, (n_samples, n_inputs), are the numbers of the columns `place`, of which `moves` says
    which ones may move. A step of 1 may be one of 256 to a model that computes in float64, so
    lengths of steps do not bound what it sees. From half of where that begins, a step that comes
    there is so long that the rounding does not matter.
    """
    for j in np.flatnonzero(moves & (np.abs(rows) > _ALL_EXACT).any(axis=0)).tolist():
        column = int(place[j])
        if table.kind(column) == INTEGER:
            raise ValueError(
                f"Column {column_label(column, table.names)} of X holds whole numbers beyond "
                "2**52; a model that computes in float64 cannot tell neighbours apart, so no "
                "radius can be proved. Subtract an offset from the column, convert it to "
                "float64, or leave it out of mutable."
            )


def _is_flag(table: Table, column: int) -> bool:
    """Return whether a column is bool, under the name that its container has for that."""
    dtypes = getattr(table.data, "dtypes", None)
    dtype = table.data.dtype if dtypes is None else list(dtypes)[column]
    return "bool" in str(dtype).lower()

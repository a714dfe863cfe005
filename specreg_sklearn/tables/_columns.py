"""Checks that data and a feature space fit each other."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from specreg_sklearn.tables._arrays import CATEGORICAL, INTEGER
from specreg_sklearn.tables._column_options import column_label
from specreg_sklearn.tables._frames import Table

# Values so little outside their bounds are taken to be inside: the float32 of 0.1 is above 0.1.
_ROUNDING = 1e-6


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
        if table.kind(j) == CATEGORICAL:
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
        f"Expected {wanted}."
    )


def check_cells(numbers: np.ndarray, kinds: np.ndarray, names: list[Any] | None) -> None:
    """Raise on infinite numbers, and on fractions in integer columns."""
    infinite = np.flatnonzero(np.isinf(numbers).any(axis=0))
    if infinite.size:
        raise ValueError(f"X holds infinite values in column {column_label(infinite[0], names)}.")
    whole = np.flatnonzero(kinds == INTEGER)
    fraction = whole[(np.nan_to_num(np.mod(numbers[:, whole], 1)) != 0).any(axis=0)]
    if fraction.size:
        raise ValueError(
            f"Column {column_label(fraction[0], names)} is of type 'integer' but holds fractions."
        )


def check_bounds(
    bounds: tuple[np.ndarray, np.ndarray],
    data: tuple[np.ndarray, np.ndarray],
    numbers: np.ndarray,
    mutable: np.ndarray,
    names: list[Any] | None,
) -> None:
    """Raise if the bounds of a column exclude all of the data, and warn if they exclude some.

    `data` holds the smallest and the largest number of each column. With all values outside, units
    or columns were mixed up. Some values outside may be meant: such rows keep their values.
    """
    (lo, hi), (low, high) = bounds, data
    mutable = mutable & ~np.isnan(numbers).all(axis=0)
    slack = _ROUNDING * np.maximum(np.abs(low), np.abs(high))
    apart = np.flatnonzero(mutable & ((low > hi + slack) | (high < lo - slack)))
    if apart.size:
        j = int(apart[0])
        raise ValueError(
            f"bounds of column {column_label(j, names)} are ({lo[j]}, {hi[j]}), but its values in "
            f"X go from {low[j]} to {high[j]}: no row is inside. Give bounds in the units of X."
        )
    partly = np.flatnonzero(mutable & ((low < lo - slack) | (high > hi + slack)))
    if partly.size:
        j = int(partly[0])
        outside = int(((numbers[:, j] < lo[j]) | (numbers[:, j] > hi[j])).sum())
        value = low[j] if low[j] < lo[j] else high[j]
        more = f" {len(partly) - 1} more columns are like that." if len(partly) > 1 else ""
        warnings.warn(
            f"bounds of column {column_label(j, names)} are ({lo[j]}, {hi[j]}), but {outside} of "
            f"{len(numbers)} rows of X are outside, one with the value {value}. Such rows may keep "
            f"their own values.{more}",
            UserWarning,
            stacklevel=3,
        )

"""Reading the options of a feature space: which columns, which bounds, which units.

Each function turns what the user wrote into one plain array with an entry per column, or raises a
message that names the column and the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from specreg_sklearn.tables._arrays import CATEGORICAL, INTEGER, REAL
from specreg_sklearn.tables._frames import Table

TYPES = (REAL, INTEGER, CATEGORICAL)


def column_index(column: Any, names: list[Any] | None, n_columns: int, parameter: str) -> int:
    """Return the position of a column given by name or by number."""
    if isinstance(column, (bool, np.bool_)):
        raise ValueError(f"{parameter} mixes flags and columns: {column!r} is not a column.")
    if names is not None and column in names:
        return names.index(column)
    if isinstance(column, (int, np.integer)) and -n_columns <= column < n_columns:
        return int(column) % n_columns
    known = f"columns {names}" if names is not None else f"column numbers 0 to {n_columns - 1}"
    raise ValueError(f"{parameter} names the unknown column {column!r}; X has {known}.")


def column_label(j: int, names: list[Any] | None) -> str:
    """Return how a message should call column `j`."""
    return repr(names[j]) if names is not None else str(j)


def read_types(types: Any, table: Table) -> np.ndarray:
    """Return "real", "integer" or "categorical" for each column."""
    n, names = table.n_columns, table.names
    kinds = [table.kind(j) for j in range(n)]
    if isinstance(types, str):
        if types != "auto":
            raise ValueError(f"types={types!r} is not 'auto', a list or a dict by column.")
        return np.array(kinds)
    if isinstance(types, Mapping):
        wanted = {column_index(c, names, n, "types"): kind for c, kind in types.items()}
    else:
        if len(types) != n:
            raise ValueError(f"types has {len(types)} entries, but X has {n} columns.")
        wanted = dict(enumerate(types))
    for j, kind in wanted.items():
        if kind not in TYPES:
            raise ValueError(
                f"types gives {kind!r} for column {column_label(j, names)}; accepted: {TYPES}."
            )
        if kinds[j] == CATEGORICAL and kind != CATEGORICAL:
            raise ValueError(
                f"types gives {kind!r} for column {column_label(j, names)}, which does not hold "
                "numbers."
            )
        if kind == REAL and table.dtype(j).kind in "iu":
            raise ValueError(
                f"types gives 'real' for column {column_label(j, names)}, whose dtype "
                f"{table.dtype(j)} holds whole numbers only; convert the column to float."
            )
        kinds[j] = kind
    return np.array(kinds)


def read_mutable(
    mutable: Any, kinds: np.ndarray, names: list[Any] | None, *, repaired: bool = False
) -> np.ndarray:
    """Return a mask of the columns that may change; categorical ones only with a repair."""
    n = len(kinds)
    numeric = kinds != CATEGORICAL
    if mutable is None:
        return numeric
    if isinstance(mutable, (str, bytes)):
        raise ValueError(f"mutable={mutable!r} must be a list of columns: mutable=[{mutable!r}].")
    entries = list(mutable)
    if entries and all(isinstance(e, (bool, np.bool_)) for e in entries):
        if len(entries) != n:
            raise ValueError(f"mutable is a mask of {len(entries)} flags; X has {n} columns.")
        mask = np.array(entries, dtype=bool)
    else:
        mask = np.zeros(n, dtype=bool)
        mask[[column_index(e, names, n, "mutable") for e in entries]] = True
    stuck = [column_label(j, names) for j in np.flatnonzero(mask & ~numeric).tolist()]
    if stuck and not repaired:
        raise ValueError(
            f"mutable includes {', '.join(stuck)}, which are categorical; attacks change numeric "
            "columns only. Leave them out of mutable, or give a repair that sets them."
        )
    return mask


def read_bounds(
    bounds: Any, low: np.ndarray, high: np.ndarray, kinds: np.ndarray, names: list[Any] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and largest allowed value of each column.

    `low` and `high` are those of the data.
    """
    n, numeric = len(kinds), kinds != CATEGORICAL
    lo, hi = low.copy(), high.copy()
    if bounds is None:
        lo[numeric], hi[numeric] = -np.inf, np.inf
    elif isinstance(bounds, Mapping):
        for column, pair in bounds.items():
            j = column_index(column, names, n, "bounds")
            if not numeric[j]:
                raise ValueError(f"bounds names the categorical column {column_label(j, names)}.")
            lo[j], hi[j] = (float(end[0]) for end in _pair(pair, 1))
    elif not (isinstance(bounds, str) and bounds == "data"):
        given_lo, given_hi = _pair(bounds, n)
        lo[numeric], hi[numeric] = given_lo[numeric], given_hi[numeric]
    bad = np.flatnonzero(numeric & ~(lo <= hi))
    if bad.size:
        j = int(bad[0])
        raise ValueError(
            f"bounds of column {column_label(j, names)} are ({lo[j]}, {hi[j]}); "
            "the lower one must not be above the upper one."
        )
    return lo, hi


def read_scale(
    scale: Any, numbers: np.ndarray, may_move: np.ndarray, names: list[Any] | None
) -> np.ndarray:
    """Return the unit of each column.

    A column that does not vary has no unit of its own. It gets 1 if it cannot move anyway, and is
    an error if it is in `may_move`: its distances would depend on the units it happens to be in.
    """
    n = numbers.shape[1]
    if scale is None:
        return np.ones(n)
    if isinstance(scale, str):
        if scale not in _SPREADS:
            raise ValueError(
                f"scale={scale!r} is not one of 'std', 'range', None, a number or an array."
            )
        out = np.array([_SPREADS[scale](column[~np.isnan(column)]) for column in numbers.T])
        lacking = np.flatnonzero(may_move & (out == 0))
        if lacking.size:
            shown = ", ".join(column_label(j, names) for j in lacking[:10].tolist())
            shown += ", ..." if len(lacking) > 10 else ""
            raise ValueError(
                f"scale={scale!r} gives no unit for columns that do not vary in X but have room to "
                f"move: {shown}. Give scale as numbers (one for all or one per column) or None, "
                "leave the columns out of mutable, or bound them by the data."
            )
        return np.where(out > 0, out, 1.0)
    try:
        given = np.broadcast_to(np.asarray(scale, dtype=np.float64), (n,)).copy()
    except (TypeError, ValueError) as error:
        raise ValueError(f"scale={scale!r} does not give one number for {n} columns.") from error
    bad = np.flatnonzero(~((given > 0) & np.isfinite(given)))
    if bad.size:
        j = int(bad[0])
        raise ValueError(
            f"scale of column {column_label(j, names)} is {given[j]}; it must be positive."
        )
    return given


def _std(values: np.ndarray) -> float:
    # The mean of equal values rounds, so a constant column is told by its range, not its std.
    peak = np.abs(values).max(initial=0.0)
    if not _range(values):
        return 0.0
    # Squares of very large or very small numbers would not be finite, or would vanish.
    return float(max(np.std(values / peak) * peak, np.finfo(float).tiny))


def _range(values: np.ndarray) -> float:
    if not values.size:
        return 0.0
    with np.errstate(over="ignore"):
        return float(min(values.max() - values.min(), np.finfo(float).max))


_SPREADS = {"std": _std, "range": _range}


def _pair(bounds: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    problem = (
        f"bounds={bounds!r} is not 'data', None, a pair (low, high) of numbers or arrays with one "
        "entry per column, or a dict of pairs by column."
    )
    if isinstance(bounds, str) or not hasattr(bounds, "__len__") or len(bounds) != 2:
        raise ValueError(problem)
    ends = []
    for end, open_end in zip(bounds, (-np.inf, np.inf), strict=True):
        try:
            value = np.asarray(open_end if end is None else end, dtype=np.float64)
            ends.append(np.broadcast_to(value, (n,)).copy())
        except (TypeError, ValueError) as error:
            raise ValueError(problem) from error
    return ends[0], ends[1]

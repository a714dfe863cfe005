"""Reading the options of a feature space: which columns, which way, within which bounds.

Each function turns what the user wrote into one plain array with an entry per column, or raises a
message that names the column and the value.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.space.columns._large_integers import EXACT_INTEGERS, IntegerRange
from specreg_sklearn.tables import (
    CATEGORICAL,
    INTEGER,
    REAL,
    ColumnNumbers,
    Table,
    column_label,
    stacklevel_of_caller,
)

TYPES = (REAL, INTEGER, CATEGORICAL)
Kinds: TypeAlias = Literal["auto"] | Sequence[str] | Mapping[Any, str] | NDArray[np.str_]
"""What columns hold, one of TYPES each: for all of them in order, or by name or number."""
Columns: TypeAlias = Iterable[Hashable] | BoolArray | None
"""Columns by name, number or mask; None for those that hold numbers."""
Pair: TypeAlias = tuple[ArrayLike | None, ArrayLike | None] | list[Any] | NDArray[Any]
Bounds: TypeAlias = Literal["data"] | Pair | Mapping[Any, Pair] | None
"""The smallest and largest value of all columns, or of each by name or number."""
# Values so little outside their bounds are taken to be inside: the float32 of 0.1 is above 0.1.
_ROUNDING = 1e-6


def column_index(column: Hashable, names: list[Any] | None, n_columns: int, parameter: str) -> int:
    """Return the position of a column given by name or by number."""
    if isinstance(column, (bool, np.bool_)):
        raise ValueError(f"{parameter} mixes flags and columns: {column!r} is not a column.")
    if names is not None and column in names:
        return names.index(column)
    if isinstance(column, (int, np.integer)) and -n_columns <= column < n_columns:
        return int(column) % n_columns
    known = f"columns {names}" if names is not None else f"column numbers 0 to {n_columns - 1}"
    raise ValueError(f"{parameter} names the unknown column {column!r}; X has {known}.")


def read_types(types: Kinds, table: Table) -> NDArray[np.str_]:
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
        if kind == REAL and table.is_flag(j):
            raise ValueError(
                f"types gives 'real' for column {column_label(j, names)}, which is bool; accepted: "
                "'integer', which moves it as 0 and 1, and 'categorical'."
            )
        if kinds[j] == CATEGORICAL and kind != CATEGORICAL and not table.is_flag(j):
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
    mutable: Columns,
    kinds: np.ndarray,
    table: Table,
    types: Kinds,
    *,
    repaired: bool = False,
    swapped: Any = None,
) -> BoolArray:
    """Return a mask of the columns that may change; categorical ones only by swaps or a repair.

    Flags that are named and have no type from the user become "integer" in `kinds`, unless they are
    among those that are `swapped`: a dict by column, or text for all that are left.
    """
    n, names = len(kinds), table.names
    if mutable is None:
        return np.asarray(kinds != CATEGORICAL)
    mask = _mask(mutable, names, n, "mutable")
    typed, swaps = _typed(types, table), np.zeros(n, dtype=bool)
    if isinstance(swapped, Mapping):
        swaps[[column_index(c, names, n, "categories") for c in swapped]] = True
    for j in np.flatnonzero(mask & (kinds == CATEGORICAL) & ~typed & ~swaps).tolist():
        if table.is_flag(j):
            kinds[j] = INTEGER
    swaps |= isinstance(swapped, str)
    stays = mask & (kinds == CATEGORICAL) & ~swaps
    stuck = [column_label(j, names) for j in np.flatnonzero(stays).tolist()]
    if stuck and not repaired:
        raise ValueError(
            f"mutable includes {', '.join(stuck)}, which are categorical; attacks change numeric "
            "columns only. Leave them out of mutable, let their values be swapped at a price by "
            "categories, or give a repair that sets them."
        )
    return mask


def _mask(
    columns: Iterable[Hashable] | BoolArray, names: list[Any] | None, n: int, parameter: str
) -> BoolArray:
    """Return a mask of columns that are given by name, by number, or as a mask."""
    if isinstance(columns, (str, bytes)):
        raise ValueError(
            f"{parameter}={columns!r} must be a list of columns: {parameter}=[{columns!r}]."
        )
    entries = list(columns)
    if entries and all(isinstance(e, (bool, np.bool_)) for e in entries):
        if len(entries) != n:
            raise ValueError(f"{parameter} is a mask of {len(entries)} flags; X has {n} columns.")
        return np.array(entries, dtype=bool)
    mask = np.zeros(n, dtype=bool)
    mask[[column_index(e, names, n, parameter) for e in entries]] = True
    return mask


def _typed(types: Kinds, table: Table) -> BoolArray:
    """Return for which columns the user gave a type."""
    if isinstance(types, Mapping):
        typed = np.zeros(table.n_columns, dtype=bool)
        typed[[column_index(c, table.names, table.n_columns, "types") for c in types]] = True
        return typed
    return np.full(table.n_columns, not isinstance(types, str))


def read_directions(
    increase_only: Columns, decrease_only: Columns, mutable: BoolArray, table: Table
) -> IntArray:
    """Return 1 for columns that may only grow, -1 for those that may only shrink, else 0."""
    directions = np.zeros(table.n_columns, dtype=np.int64)
    for parameter, columns, way in (
        ("increase_only", increase_only, 1),
        ("decrease_only", decrease_only, -1),
    ):
        if columns is None:
            continue
        mask = _mask(columns, table.names, table.n_columns, parameter)
        for j in np.flatnonzero(mask).tolist():
            name = column_label(j, table.names)
            if not mutable[j]:
                raise ValueError(
                    f"{parameter} names column {name}, which is not mutable. Columns of numbers "
                    "are, if mutable is None or names them; those of True and False if named."
                )
            if table.kind(j) == CATEGORICAL and not table.is_flag(j):
                raise ValueError(
                    f"{parameter} names column {name}, which does not hold numbers: it has no "
                    "direction. Leave it out."
                )
            if directions[j]:
                raise ValueError(
                    f"Column {name} is in increase_only and in decrease_only. For a column that "
                    "must not move, leave it out of mutable."
                )
            directions[j] = way
    return directions


def read_bounds(
    bounds: Bounds, low: FloatArray, high: FloatArray, kinds: np.ndarray, table: Table
) -> tuple[FloatArray, FloatArray]:
    """Return the smallest and largest allowed value of each column.

    `low` and `high` are those of the data. Flags that move are within 0 and 1 in any case.
    """
    n, numeric, names = len(kinds), kinds != CATEGORICAL, table.names
    lo, hi = low.copy(), high.copy()
    if bounds is None:
        lo[numeric], hi[numeric] = -np.inf, np.inf
    elif isinstance(bounds, Mapping):
        for column, pair in bounds.items():
            j = column_index(column, names, n, "bounds")
            if not numeric[j]:
                remedy = ""
                if table.is_flag(j):
                    remedy = (
                        " It is bool: to move it as 0 and 1, name it in mutable, or as 'integer' "
                        "in types."
                    )
                raise ValueError(
                    f"bounds names the categorical column {column_label(j, names)}.{remedy}"
                )
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
    for j in np.flatnonzero(kinds == INTEGER).tolist():
        if table.is_flag(j):
            # Clipped, not refused: bounds for all columns at once may be wider.
            lo[j], hi[j] = np.clip([lo[j], hi[j]], 0.0, 1.0)
    return lo, hi


def read_large(bounds: Bounds, numbers: ColumnNumbers, table: Table) -> dict[int, IntegerRange]:
    """Return columns of whole numbers beyond 2**53, with an origin and their exact bounds."""
    size = np.maximum(np.abs(numbers.low), np.abs(numbers.high))
    large = {}
    for j in np.flatnonzero(size >= EXACT_INTEGERS).tolist():
        if table.kind(j) != INTEGER or table.dtype(j).kind not in "iu":
            continue
        cells, missing = table.integers(j)
        low, high = int(cells[~missing].min()), int(cells[~missing].max())
        large[j] = IntegerRange((low + high) // 2, *_exact_bounds(bounds, j, low, high, table))
    return large


def _exact_bounds(
    bounds: Bounds, column: int, low: int, high: int, table: Table
) -> tuple[int | None, int | None]:
    """Return the bounds of a column of large whole numbers; `low` and `high` are the data's."""
    if bounds is None:
        return None, None
    if isinstance(bounds, Mapping):
        names, n = table.names, table.n_columns
        given = {column_index(c, names, n, "bounds"): pair for c, pair in bounds.items()}
        if column not in given:
            return low, high
        return whole_ends([_entry(end, 0) for end in given[column]])
    if isinstance(bounds, str):
        return low, high
    return whole_ends([_entry(end, column) for end in bounds])


def _entry(end: ArrayLike | None, column: int) -> Any:
    """Return the end of a bound for one column, with every digit."""
    if end is None or isinstance(end, (int, float)):
        return end
    entries = np.asarray(end)
    # numpy would round its own whole numbers through float64.
    return entries.reshape(-1)[column if entries.size > 1 else 0].item()


def whole_ends(ends: Iterable[Any]) -> tuple[int | None, int | None]:
    """Return bounds as whole numbers, rounded inwards; None for an open end."""
    low, high = ends
    return (
        None if low is None or low == -np.inf else math.ceil(low),
        None if high is None or high == np.inf else math.floor(high),
    )


def check_cells(numbers: np.ndarray, kinds: np.ndarray, names: list[Any] | None) -> None:
    """Raise on infinite numbers, and on fractions in integer columns; (n, n_columns)."""
    broken = np.zeros(len(kinds), dtype=bool)
    whole = np.flatnonzero(kinds == INTEGER)
    with np.errstate(invalid="ignore"):
        broken[whole] = (np.nan_to_num(np.mod(numbers[:, whole], 1)) != 0).any(axis=0)
    _check_cells(np.isinf(numbers).any(axis=0), broken, names)


def check_data(numbers: ColumnNumbers, names: list[Any] | None) -> None:
    """Do as :func:`check_cells`, for columns that have been read."""
    _check_cells(np.isinf(numbers.low) | np.isinf(numbers.high), numbers.broken, names)


def _check_cells(infinite_in: BoolArray, broken: BoolArray, names: list[Any] | None) -> None:
    infinite = np.flatnonzero(infinite_in)
    if infinite.size:
        raise ValueError(f"X holds infinite values in column {column_label(infinite[0], names)}.")
    fraction = np.flatnonzero(broken)
    if fraction.size:
        raise ValueError(
            f"Column {column_label(fraction[0], names)} is of type 'integer' but holds fractions."
        )


def check_bounds(
    bounds: tuple[FloatArray, FloatArray],
    numbers: ColumnNumbers,
    n_rows: int,
    mutable: BoolArray,
    names: list[Any] | None,
) -> None:
    """Raise if the bounds of a column exclude all of the data, and warn if they exclude some.

    With all values outside, units or columns were mixed up. Some values outside may be meant: such
    rows keep their values.
    """
    (lo, hi), low, high = bounds, numbers.low, numbers.high
    mutable = mutable & ~numbers.empty
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
        outside = numbers.n_outside(j, lo[j], hi[j])
        value = low[j] if low[j] < lo[j] else high[j]
        more = f" {len(partly) - 1} more columns are like that." if len(partly) > 1 else ""
        warnings.warn(
            f"bounds of column {column_label(j, names)} are ({lo[j]}, {hi[j]}), but {outside} of "
            f"{n_rows} rows of X are outside, one with the value {value}. Such rows may keep "
            f"their own values.{more}",
            UserWarning,
            stacklevel=stacklevel_of_caller(),
        )


def _pair(bounds: Pair, n: int) -> tuple[FloatArray, FloatArray]:
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

"""Units of columns: what one step is, by what the data says or the user does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, Scale
from specreg_sklearn.space.columns._options import column_index
from specreg_sklearn.tables import ColumnNumbers, column_label

_ACCEPTED = (
    "'std', 'range', 'iqr', 'mad', None, a number, an array with one number per column, or a dict "
    "of these names and numbers by column"
)


def read_scale(
    scale: Scale, numbers: ColumnNumbers, may_move: BoolArray, names: list[Any] | None
) -> tuple[FloatArray, list[str]]:
    """Return the unit of each column, and what each is: a name of `SPREADS`, "X" or "given".

    A column that does not vary has no unit of its own. It gets 1 if it cannot move anyway, and is
    an error if it is in `may_move`: its distances would depend on the units it happens to be in.
    The robust spreads are 0 as well where more than half of the cells are equal: there the standard
    deviation stands in.
    """
    n = len(numbers)
    if scale is None:
        return np.ones(n), ["X"] * n
    check_scale(scale)
    if isinstance(scale, str):
        return _spreads(dict.fromkeys(range(n), scale), numbers, may_move, names)
    if isinstance(scale, Mapping):
        asked: dict[int, Any] = dict.fromkeys(range(n), "std")
        asked |= {column_index(c, names, n, "scale"): unit for c, unit in scale.items()}
        return _spreads(asked, numbers, may_move, names)
    try:
        given = np.broadcast_to(np.asarray(scale, dtype=np.float64), (n,)).copy()
    except (TypeError, ValueError) as error:
        raise ValueError(f"scale={scale!r} does not give one number for {n} columns.") from error
    _check_positive(given, names)
    return given, ["given"] * n


def check_scale(scale: Scale) -> None:
    """Raise if units are asked for by a name that is not known."""
    units: list[Any] = [scale] if isinstance(scale, str) else []
    if isinstance(scale, Mapping):
        units += scale.values()
    for unit in units:
        known = unit in SPREADS if isinstance(unit, str) else np.ndim(unit) == 0
        if not known or isinstance(unit, (bool, np.bool_)) or unit is None:
            shown = f"scale={scale!r}" if isinstance(scale, str) else f"scale={scale!r}: {unit!r}"
            raise ValueError(f"{shown} is not one of {_ACCEPTED}.")


def _spreads(
    asked: Mapping[int, Any], numbers: ColumnNumbers, may_move: BoolArray, names: list[Any] | None
) -> tuple[FloatArray, list[str]]:
    """Return units that are asked for column by column, by name or as numbers."""
    n = len(numbers)
    out, kinds = np.ones(n), ["given"] * n
    for j, unit in asked.items():
        if not isinstance(unit, str):
            try:
                out[j] = float(unit)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"scale of column {column_label(j, names)} is {unit!r}; accepted: a positive "
                    f"number, or one of {sorted(SPREADS)}."
                ) from error
            continue
        kinds[j] = unit
        if unit == "range":
            out[j] = numbers.ranges()[j]
        elif unit != "std":
            out[j] = _ROBUST[unit](numbers.column(j))
    # The standard deviation stands in for a robust spread of 0.
    named = np.array([isinstance(asked[j], str) for j in range(n)], dtype=bool)
    by_std = np.array([kind == "std" for kind in kinds], dtype=bool)
    read = np.flatnonzero(by_std | (named & (out == 0)))
    out[read] = numbers.stds(read)
    for j in read[out[read] > 0].tolist():
        kinds[j] = "std"
    lacking = np.flatnonzero(may_move & named & (out == 0))
    if lacking.size:
        shown = ", ".join(column_label(j, names) for j in lacking[:10].tolist())
        shown += ", ..." if len(lacking) > 10 else ""
        raise ValueError(
            f"scale={asked[int(lacking[0])]!r} gives no unit for columns that do not vary in X but "
            f"have room to move: {shown}. Give scale as numbers (one for all or one per column) or "
            "None, leave the columns out of mutable, or bound them by the data."
        )
    out[named & (out == 0)] = 1.0
    _check_positive(out, names)
    return out, kinds


def _check_positive(units: FloatArray, names: list[Any] | None) -> None:
    bad = np.flatnonzero(~((units > 0) & np.isfinite(units)))
    if bad.size:
        j = int(bad[0])
        raise ValueError(
            f"scale of column {column_label(j, names)} is {units[j]}; it must be positive."
        )


def _iqr(values: FloatArray) -> float:
    if not values.size:
        return 0.0
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low)


def _mad(values: FloatArray) -> float:
    if not values.size:
        return 0.0
    return float(np.median(np.abs(values - np.median(values))))


_ROBUST = {"iqr": _iqr, "mad": _mad}
SPREADS = ("std", "range", *_ROBUST)

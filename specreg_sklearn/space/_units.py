"""Units of columns: what one step is, by what the data says or the user does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, Scale
from specreg_sklearn.space._options import column_index
from specreg_sklearn.tables import column_label

_ACCEPTED = (
    "'std', 'range', 'iqr', 'mad', None, a number, an array with one number per column, or a dict "
    "of these names and numbers by column"
)


def read_scale(
    scale: Scale, numbers: FloatArray, may_move: BoolArray, names: list[Any] | None
) -> tuple[FloatArray, list[str]]:
    """Return the unit of each column, and what each is: a name of `SPREADS`, "X" or "given".

    A column that does not vary has no unit of its own. It gets 1 if it cannot move anyway, and is
    an error if it is in `may_move`: its distances would depend on the units it happens to be in.
    The robust spreads are 0 as well where more than half of the cells are equal: there the standard
    deviation stands in.
    """
    n = numbers.shape[1]
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
    asked: Mapping[int, Any], numbers: FloatArray, may_move: BoolArray, names: list[Any] | None
) -> tuple[FloatArray, list[str]]:
    """Return units that are asked for column by column, by name or as numbers."""
    n = numbers.shape[1]
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
        cells = numbers[:, j][~np.isnan(numbers[:, j])]
        kinds[j] = next((k for k in (unit, "std") if SPREADS[k](cells) > 0), unit)
        out[j] = SPREADS[kinds[j]](cells)
    named = np.array([isinstance(asked[j], str) for j in range(n)], dtype=bool)
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


def _std(values: FloatArray) -> float:
    # The mean of equal values rounds, so a constant column is told by its range, not its std.
    peak = np.abs(values).max(initial=0.0)
    if not _range(values):
        return 0.0
    # Squares of very large or very small numbers would not be finite, or would vanish.
    return float(max(np.std(values / peak) * peak, np.finfo(float).tiny))


def _range(values: FloatArray) -> float:
    if not values.size:
        return 0.0
    with np.errstate(over="ignore"):
        return float(min(values.max() - values.min(), np.finfo(float).max))


def _iqr(values: FloatArray) -> float:
    if not values.size:
        return 0.0
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low)


def _mad(values: FloatArray) -> float:
    if not values.size:
        return 0.0
    return float(np.median(np.abs(values - np.median(values))))


SPREADS = {"std": _std, "range": _range, "iqr": _iqr, "mad": _mad}

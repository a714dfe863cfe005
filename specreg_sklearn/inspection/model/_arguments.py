"""Checks of the numbers a user passes to a diagnostic."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np


def check_positive(value: Any, parameter: str) -> float:
    """Return a size that must be a positive, finite number."""
    number = isinstance(value, (Real, np.number)) and not isinstance(value, (bool, np.bool_))
    if not number or not 0 < float(value) < np.inf:
        raise ValueError(f"{parameter}={value!r} is not accepted; give a positive, finite number.")
    return float(value)


def check_positive_grid(values: Any, parameter: str) -> tuple[np.ndarray, bool]:
    """Return one or several positive sizes as an increasing array, and whether there were several.

    Raises
    ------
    ValueError
        If a size is not positive, or they are not in increasing order.
    """
    several = not isinstance(values, str) and np.ndim(values) > 0
    if several and (np.ndim(values) != 1 or not len(values)):
        raise ValueError(
            f"{parameter}={values!r} is not accepted; give a positive number or a list of them."
        )
    sizes = list(values) if several else [values]
    grid = np.array([check_positive(value, parameter) for value in sizes])
    stuck = np.flatnonzero(grid[1:] <= grid[:-1])
    if stuck.size:
        before, after = grid[stuck[0]], grid[stuck[0] + 1]
        raise ValueError(
            f"{parameter}={values!r} is not increasing: {after:g} comes after {before:g}. Give "
            "each value once, from the smallest to the largest."
        )
    return grid, several


def check_numbers(values: Any, parameter: str) -> np.ndarray:
    """Return margins or the like as a 1-D float64 array without NaN."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{parameter} must hold numbers.") from error
    if array.ndim != 1 or not len(array):
        raise ValueError(
            f"{parameter} has shape {array.shape}; one number for each of at least one row is "
            "needed."
        )
    if np.isnan(array).any():
        raise ValueError(f"{parameter} holds NaN in {int(np.isnan(array).sum())} rows.")
    return array


def check_layer_names(layers: Any, known: list[str], owner: str) -> list[str]:
    """Return the names of the layers asked for, all of them for None, in the model's order."""
    if layers is None:
        return known
    wanted = [layers] if isinstance(layers, str) else list(layers)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(f"layers={layers!r}: {owner} has no layer {unknown[0]!r}, only {known}.")
    return [name for name in known if name in wanted]

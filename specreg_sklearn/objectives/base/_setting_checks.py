"""Checks of the settings that several objectives share."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np

NORMS = (1, 2, math.inf)
# A scaler may leave its range by a rounding error; more is a mistake.
_RANGE_SLACK = 1e-6


def check_number(name: str, value: object, low: float, *, allow_low: bool = True) -> None:
    """Raise unless `value` is a finite real number, at least `low` or above it."""
    if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
        number = float(value)
        if number > low or (allow_low and number == low):
            return
    limit = "of at least" if allow_low else "above"
    raise ValueError(f"{name}={value!r} must be a finite number {limit} {low:g}.")


def check_share(name: str, value: object) -> None:
    """Raise unless `value` is a real number in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise ValueError(f"{name}={value!r} must be a number from 0 to 1.")


def check_share_of_epsilon(name: str, value: object) -> None:
    """Raise unless `value` is a real number in (0, 1]."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) <= 1:
        raise ValueError(f"{name}={value!r} must be a share of epsilon, above 0 and at most 1.")


def check_norm(norm: object) -> None:
    """Raise unless `norm` is 1, 2 or infinity."""
    if isinstance(norm, bool) or not isinstance(norm, Real) or norm not in NORMS:
        raise ValueError(f"norm={norm!r} must be 1, 2 or inf.")


def check_count(name: str, value: object) -> None:
    """Raise unless `value` is a positive integer."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}={value!r} must be a positive integer.")


def check_flag(name: str, value: object) -> None:
    """Raise unless `value` is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name}={value!r} must be True or False.")


def check_choice(name: str, value: object, accepted: tuple[str, ...]) -> None:
    """Raise unless `value` is one of the strings that are accepted."""
    if not isinstance(value, str) or value not in accepted:
        raise ValueError(f"{name}={value!r} must be one of {list(accepted)}.")


def check_feature_range(feature_range: Any) -> None:
    """Raise unless it is None or a pair (low, high), numbers or one array for each side."""
    if feature_range is None:
        return
    message = (
        f"feature_range={feature_range!r} must be None or a pair (low, high) with low below high, "
        "two numbers or two arrays of shape (n_features,)."
    )
    try:
        low, high = (np.asarray(side, dtype=np.float64) for side in feature_range)
        ordered = bool((low < high).all())  # false for NaN
    except (TypeError, ValueError) as error:
        raise ValueError(message) from error
    if not ordered or max(low.ndim, high.ndim) > 1:
        raise ValueError(message)


def check_rows_in_range(X: np.ndarray, feature_range: Any) -> None:
    """Raise if a row lies outside `feature_range`, or if its shape does not fit the rows."""
    if feature_range is None:
        return
    n_features = X.shape[1]
    low, high = (np.asarray(side, dtype=np.float64) for side in feature_range)
    for side in (low, high):
        if side.ndim and len(side) != n_features:
            raise ValueError(
                f"feature_range has an array of {len(side)} entries; X has {n_features} features."
            )
    low, high = (np.broadcast_to(side, n_features) for side in (low, high))
    with np.errstate(invalid="ignore"):
        slack = np.nan_to_num(_RANGE_SLACK * (high - low), posinf=0.0)
    lowest, highest = X.min(axis=0), X.max(axis=0)
    outside = np.flatnonzero((lowest < low - slack) | (highest > high + slack))
    if len(outside):
        first = outside[0]
        raise ValueError(
            f"X leaves feature_range in {len(outside)} of {n_features} features: feature {first} "
            f"runs from {lowest[first]:.6g} to {highest[first]:.6g}, feature_range allows "
            f"{low[first]:.6g} to {high[first]:.6g}. Give the range of the rows as the estimator "
            "sees them, after any scaler, or None for no range."
        )


def check_search(settings: Any) -> None:
    """Raise unless the settings of a search by gradient steps are accepted."""
    check_norm(settings.norm)
    check_count("n_steps", settings.n_steps)
    step_size = settings.step_size
    if not (isinstance(step_size, str) and step_size == "auto"):
        try:
            check_number("step_size", step_size, 0, allow_low=False)
        except ValueError as error:
            message = f"step_size={step_size!r} must be 'auto' or a finite number above 0."
            raise ValueError(message) from error
    check_count("n_restarts", settings.n_restarts)
    check_flag("use_best", settings.use_best)
    check_feature_range(settings.feature_range)

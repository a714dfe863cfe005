"""Checks of the settings of perturbations: norm, length, and the box that rows stay in."""

from __future__ import annotations

import numpy as np

from specreg_sklearn.objectives.perturbations import BALLS, FeatureRange
from specreg_sklearn.space import check_norm as check_supported_norm
from specreg_sklearn.tables import check_number

# A scaler may leave its range by a rounding error; more is a mistake.
_RANGE_SLACK = 1e-6


def check_share_of_epsilon(name: str, value: object) -> None:
    """Raise unless `value` is a real number in (0, 1]."""
    accepted = "a share of epsilon, above 0 and at most 1"
    check_number(name, value, 0, 1, closed="right", accepted=accepted)


def check_norm(norm: object) -> None:
    """Raise unless `norm` is one whose ball is known."""
    try:
        check_supported_norm(norm, BALLS, "objectives")
    except ValueError as error:
        *others, last = (f"{order:g}" for order in BALLS)
        message = f"norm={norm!r} must be {', '.join(others)} or {last}."
        raise ValueError(message) from error


def check_feature_range(feature_range: FeatureRange | None) -> None:
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


def check_rows_in_range(X: np.ndarray, feature_range: FeatureRange | None) -> None:
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

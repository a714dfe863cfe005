"""Votes of near points by the triangle inequality, for any metric and weights.

A move of length r changes no distance by more than a constant times r. So within r some points
surely vote, others may, and each weighs within limits. What holds for all of these is proved; the
largest r is found by bisection, since what may happen only grows with r.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray

_STEPS = 60

Range = tuple[FloatArray, FloatArray]
"""Smallest and largest values, an array of the same shape each."""

Weights = Callable[[FloatArray, FloatArray], Range]
"""From the least and the greatest distances to the least and the greatest weights."""


def uniform_weights(near: FloatArray, far: FloatArray) -> Range:
    """Every point that votes has one vote."""
    return np.ones_like(near), np.ones_like(far)


def inverse_weights(near: FloatArray, far: FloatArray) -> Range:
    """Votes weigh the inverse of the distance."""
    with np.errstate(divide="ignore"):
        return 1 / far, 1 / np.maximum(near, 0.0)


def k_nearest_hold(
    distance: FloatArray, own: BoolArray, k: int, change: float, weights: Weights
) -> bool:
    """Return whether the class of a row wins the vote of its k nearest points after any change.

    Parameters
    ----------
    distance : ndarray of shape (n_points,)
        Distances of all points from the row.
    own : ndarray of shape (n_points,), bool
        Which of them are of its class.
    k : int
        How many points vote.
    change : float
        How much each distance may change.
    weights : callable
        Their weights.
    """
    near, far = np.maximum(distance - change, 0.0), distance + change
    possible = near <= np.partition(far, k - 1)[k - 1]
    # Fewer than k points can be as near as a point that surely votes.
    order = np.sort(near)
    surely = np.searchsorted(order, far, side="right") <= k
    low, high = weights(near, far)
    mine = float(low[own & surely].sum())
    n_left = k - int((own & surely).sum())
    others = np.sort(high[~own & possible])[::-1][:n_left]
    return mine > float(others.sum()) * (1 + 1e-9)


def within_radius_hold(
    distance: FloatArray, own: BoolArray, radius: float, change: float, weights: Weights
) -> bool:
    """Return whether the class of a row wins the vote of all points within a radius."""
    near, far = np.maximum(distance - change, 0.0), distance + change
    low, high = weights(near, far)
    mine = float(low[own & (far <= radius)].sum())
    return mine > float(high[~own & (near <= radius)].sum()) * (1 + 1e-9)


def largest_change(holds: Callable[[float], bool], most: float) -> float:
    """Return a change up to which something holds, by bisection up to `most`; 0 if never."""
    if not holds(0.0):
        return 0.0
    low, high = 0.0, most
    if holds(most):
        return most
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
        if high - low <= 1e-9 * high:
            break
    return low

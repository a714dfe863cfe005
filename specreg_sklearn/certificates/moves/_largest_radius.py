"""The largest distance up to which something holds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray

_STEPS = 60
# From where on doubling begins, and where it ends.
_FIRST, _FARTHEST = 1e-3, 1e12
_NARROW = 1e-7


def largest_radius(
    holds: Callable[[FloatArray], BoolArray], n_rows: int, *, narrow: float = _NARROW
) -> FloatArray:
    """Return distances up to which something holds that only gets harder with distance.

    Parameters
    ----------
    holds : callable
        From distances (n_rows,) to whether it holds for each row.
    n_rows : int
        How many rows there are.
    narrow : float, default=1e-7
        How near the answer is to the largest distance, relative to it.

    Returns
    -------
    ndarray of shape (n_rows,)
        Distances at which it was seen to hold; 0 where it never does, infinite where it holds as
        far as anybody looks.
    """
    low, high = np.zeros(n_rows), np.full(n_rows, _FIRST)
    ever = holds(low)
    for _ in range(_STEPS):
        far = holds(high) & ever
        low = np.where(far, high, low)
        if not (far & (high < _FARTHEST)).any():
            break
        high = np.where(far, 4 * high, high)
    for _ in range(_STEPS):
        # A row that is narrow stays as it is: it must not depend on the others.
        wide = high - low > narrow * high
        if not wide.any():
            break
        middle = 0.5 * (low + high)
        far = holds(middle) & ever
        low, high = np.where(wide & far, middle, low), np.where(wide & ~far, middle, high)
    low = np.where(low >= _FARTHEST, np.inf, low)
    return np.where(ever, low, 0.0)

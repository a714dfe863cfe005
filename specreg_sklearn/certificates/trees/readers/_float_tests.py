"""Tests of trees as ``x <= T`` on float64, exactly as the model's own arithmetic decides them.

Most libraries round a row to float32 before they compare it. Rounding keeps the order of numbers,
so each of their tests is a test on the row itself, at another threshold: the largest float64 that
rounds to what still passes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from specreg_sklearn._typing import FloatArray

_Floats32 = NDArray[np.float32]


def at_most_after_rounding(thresholds: ArrayLike) -> FloatArray:
    """Return T for tests ``float32(x) <= threshold``, with thresholds in float64.

    Examples
    --------
    The two neighbours in float32 of 1 are ``1 - 2**-24`` and ``1 + 2**-23``. Half way to the latter
    rounds to 1, whose last bit is even.

    >>> float(at_most_after_rounding([1.0])[0]) == 1 + 2.0**-24
    True
    """
    wanted = np.asarray(thresholds, dtype=np.float64)
    with np.errstate(over="ignore"):
        near = wanted.astype(np.float32)
        below = np.nextafter(near, np.float32(-np.inf))
    above = near.astype(np.float64) > wanted
    return _last_that_rounds_to(np.where(above, below, near))


def below_after_rounding(thresholds: ArrayLike) -> FloatArray:
    """Return T for tests ``float32(x) < threshold``, with thresholds in float32."""
    wanted = np.asarray(thresholds, dtype=np.float32)
    with np.errstate(over="ignore"):
        below = np.nextafter(wanted, np.float32(-np.inf))
    return _last_that_rounds_to(below)


def _last_that_rounds_to(target: _Floats32) -> FloatArray:
    """Return the largest float64 that rounds to a float32, or to one below it."""
    target = np.asarray(target, dtype=np.float32)
    with np.errstate(over="ignore"):
        following = np.nextafter(target, np.float32(np.inf)).astype(np.float64)
    low = target.astype(np.float64)
    # Beyond the last finite float32 the next one would be 2**128.
    following = np.where(np.isinf(following) & np.isfinite(low), 2.0**128, following)
    with np.errstate(invalid="ignore"):
        middle = low + (following - low) / 2
    # Half way between two, the one whose last bit is even takes it.
    even = (target.view(np.int32) & 1) == 0
    out = np.where(even, middle, np.nextafter(middle, -np.inf))
    return np.asarray(np.where(np.isfinite(low), out, low))

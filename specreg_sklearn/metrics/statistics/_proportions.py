"""Intervals of shares, and of means of shares of rows that have nothing in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.tables import check_number


def check_confidence(confidence: float) -> float:
    """Return a level of confidence, strictly between 0 and 1."""
    accepted = "a number between 0 and 1, such as 0.95"
    check_number("confidence", confidence, 0, 1, closed="neither", accepted=accepted)
    return float(confidence)


def effective_rows(weight: ArrayLike) -> float:
    """Return how many equally weighted rows say as much as these (Kish 1965).

    It is ``sum(w)**2 / sum(w**2)``; 0 if no row has any weight.
    """
    w = np.asarray(weight, dtype=np.float64)
    top = float(w.max(initial=0.0))
    if top == 0:
        return 0.0
    w = w / top  # squares of very large or small weights would not be finite, or vanish
    return float(w.sum() ** 2 / np.square(w).sum())


def wilson_interval(
    share: ArrayLike, n_rows: ArrayLike, confidence: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Return the score interval of a share of independent rows (Wilson 1927).

    Parameters
    ----------
    share : array-like
        Observed shares, from 0 to 1.
    n_rows : array-like
        Of how many rows; it need not be a whole number, see :func:`effective_rows`. Of 0 rows
        nothing is known: the interval goes from 0 to 1.
    confidence : float, default=0.95
        How often such an interval contains the share of all rows, roughly.

    Returns
    -------
    low, high : ndarray of the common shape of `share` and `n_rows`
        The ends, within [0, 1].

    Examples
    --------
    >>> from specreg_sklearn.metrics.statistics import wilson_interval
    >>> low, high = wilson_interval(0.9, 100)
    >>> print(f"{low:.4f} to {high:.4f}")
    0.8256 to 0.9448
    """
    z = float(ndtri(0.5 + check_confidence(confidence) / 2))
    p, n = np.broadcast_arrays(
        np.asarray(share, dtype=np.float64), np.asarray(n_rows, dtype=np.float64)
    )
    some = np.where(n > 0, n, 1.0)
    middle = (p + z**2 / (2 * some)) / (1 + z**2 / some)
    half = z / (1 + z**2 / some) * np.sqrt(p * (1 - p) / some + z**2 / (4 * some**2))
    # The ends of shares of 0 and 1 are these numbers, whatever rounding makes of the difference.
    low = np.where((n > 0) & (p > 0), np.clip(middle - half, 0, p), 0.0)
    high = np.where((n > 0) & (p < 1), np.clip(middle + half, p, 1), 1.0)
    return low, high


def mean_interval(shares: FloatArray, lows: FloatArray, highs: FloatArray) -> tuple[float, float]:
    """Return the interval of the mean of independent shares, from their own ones.

    Each end recovers the variance of a share from how far its own end is away (Zou and Donner,
    "Construction of confidence limits about effect measures: a general approach", Statistics in
    Medicine 27, 2008).
    """
    mean, n = float(np.mean(shares)), len(shares)
    below = float(np.sqrt(np.square(shares - lows).sum())) / n
    above = float(np.sqrt(np.square(highs - shares).sum())) / n
    return max(mean - below, 0.0), min(mean + above, 1.0)

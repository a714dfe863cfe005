"""Intervals of scores that are no shares: what resampled rows say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ndtr, ndtri

from specreg_sklearn._typing import IntArray

N_RESAMPLES = 999


def bootstrap_interval(
    score: Callable[[IntArray], float], n_rows: int, confidence: float, seed: int = 0
) -> tuple[float, float]:
    """Return the interval of a score, bias-corrected and accelerated (BCa).

    Rows are drawn with replacement (Efron, "Better bootstrap confidence intervals", JASA 82, 1987).
    Both ends are NaN where nothing varies: rows that are all alike do not say how different others
    may be.

    Parameters
    ----------
    score : callable
        Takes positions of rows, some of them several times, and returns the score of these. NaN
        where it has none: such draws are left out.
    n_rows : int
        How many rows there are.
    confidence : float
        How often such an interval contains the score of all rows, roughly.
    seed : int, default=0
        Of the draws.

    Returns
    -------
    low, high : float
        The ends.
    """
    rng = np.random.default_rng(seed)
    draws = [score(rng.integers(n_rows, size=n_rows)) for _ in range(N_RESAMPLES if n_rows else 0)]
    drawn = np.sort(np.array(draws, dtype=np.float64))
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn) or drawn[0] == drawn[-1]:
        return np.nan, np.nan
    every = np.arange(n_rows)
    seen = score(every)
    # Half of the draws that equal the score lie on either side.
    below = ((drawn < seen).mean() + (drawn <= seen).mean()) / 2
    shift = ndtri(np.clip(below, 1 / (len(drawn) + 1), len(drawn) / (len(drawn) + 1)))
    without = np.array([score(np.delete(every, i)) for i in range(n_rows)])
    pull = np.nanmean(without) - without
    spread = float(np.nansum(pull**2))
    skew = float(np.nansum(pull**3)) / (6 * spread**1.5) if spread > 0 else 0.0
    z = shift + ndtri(0.5 + np.array([-confidence, confidence]) / 2)
    low, high = np.quantile(drawn, ndtr(shift + z / (1 - skew * z)))
    return float(low), float(high)

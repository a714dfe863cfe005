"""Two models on the same rows: the difference of their scores, its interval, and a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri
from scipy.stats import binom

from specreg_sklearn._typing import BoolArray, FloatArray
from specreg_sklearn.metrics.statistics._proportions import check_confidence, effective_rows

N_SWAPS = 1999
# Masks that are held at once.
_BLOCK = 2**22


class PairedDifference(NamedTuple):
    """The difference of two scores of the same rows.

    Parameters
    ----------
    difference : float
        Score of the first less score of the second.
    low, high : float
        Ends of its interval.
    p_value : float
        How likely a difference of this size or more is between models that are equally good.
    only_first, only_second : int
        Rows on which one is right and the other is not.
    """

    difference: float
    low: float
    high: float
    p_value: float
    only_first: int
    only_second: int


def paired_difference(
    first: BoolArray,
    second: BoolArray,
    weight: FloatArray | None = None,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> PairedDifference:
    """Compare two shares of the same rows.

    Parameters
    ----------
    first, second : ndarray of shape (n_rows,), bool
        On which rows each model is right.
    weight : ndarray of shape (n_rows,), default=None
        What each row counts; None for once.
    confidence : float, default=0.95
        Of the interval.
    seed : int, default=0
        Of the swaps, where weights differ.

    Returns
    -------
    PairedDifference
        With the interval of Bonett and Price ("Adjusted Wald confidence interval for a difference
        of binomial proportions based on paired data", 2012), for as many rows as the weights are
        worth; and McNemar's exact test in its mid-p form, which is far less conservative
        (Fagerland, Lydersen, Laake, BMC Medical Research Methodology 13, 2013). Where weights
        differ the test is the one that it is a case of: answers of the two models are swapped, row
        by row, at random.

    Examples
    --------
    >>> import numpy as np
    >>> from specreg_sklearn.metrics.statistics import paired_difference
    >>> first, second = np.repeat([True, False], [90, 10]), np.repeat([True, False], [80, 20])
    >>> found = paired_difference(first, second)
    >>> print(f"{found.difference:.2f}, p = {found.p_value:.5f}")
    0.10, p = 0.00098
    """
    z = float(ndtri(0.5 + check_confidence(confidence) / 2))
    w = np.ones(len(first)) if weight is None else weight
    n = effective_rows(w)
    share_first = float(w @ (first & ~second)) / float(w.sum())
    share_second = float(w @ (~first & second)) / float(w.sum())
    # One row more for each kind of disagreement: without it no disagreement would mean certainty.
    a, b = (share_first * n + 1) / (n + 2), (share_second * n + 1) / (n + 2)
    half = z * np.sqrt((a + b - (a - b) ** 2) / (n + 2))
    only = int((first & ~second).sum()), int((~first & second).sum())
    equal = bool((w == w[0]).all())
    p_value = mcnemar(*only) if equal else _swapped_shares(w * (first * 1.0 - second), seed)
    low, high = max(a - b - half, -1.0), min(a - b + half, 1.0)
    return PairedDifference(share_first - share_second, low, high, p_value, *only)


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the mid-p value of McNemar's test that two models are right equally often.

    Given how often they disagree, either is right equally often if they are equally good. Outcomes
    as likely as the observed one count half.
    """
    n, least = only_first + only_second, min(only_first, only_second)
    if only_first == only_second:
        return 1.0
    return float(min(1.0, 2 * binom.cdf(least, n, 0.5) - binom.pmf(least, n, 0.5)))


def _swapped_shares(differences: FloatArray, seed: int) -> float:
    """Return the p-value of a sum of differences of which each may have either sign."""
    moving = differences[differences != 0]
    if not len(moving):
        return 1.0
    seen = abs(float(moving.sum()))
    rng = np.random.default_rng(seed)
    drawn = []
    step = max(1, _BLOCK // len(moving))
    for begin in range(0, N_SWAPS, step):
        signs = rng.integers(0, 2, (min(step, N_SWAPS - begin), len(moving))) * 2 - 1
        drawn.append(np.abs(signs @ moving))
    return _mid_p(np.concatenate(drawn), seen)


def swap_test(
    score: Callable[[BoolArray], float], disagree: BoolArray, seen: float, seed: int = 0
) -> float:
    """Return the p-value of a difference of scores, by swapping the answers of two models.

    Parameters
    ----------
    score : callable
        Takes rows whose answers are swapped, and returns the difference of the scores then.
    disagree : ndarray of shape (n_rows,), bool
        Rows on which the answers differ; to swap others changes nothing.
    seen : float
        The difference as it is.
    seed : int, default=0
        Of the swaps.
    """
    if not disagree.any():
        return 1.0
    rng = np.random.default_rng(seed)
    drawn = np.empty(N_SWAPS)
    for t in range(N_SWAPS):
        drawn[t] = score(disagree & (rng.random(len(disagree)) < 0.5))
    return _mid_p(np.abs(drawn), abs(seen))


def _mid_p(drawn: FloatArray, seen: float) -> float:
    # Sums that are equal on paper may differ in their last digits.
    rounding = 1e-9 * max(seen, float(np.abs(drawn).max()))
    above, equal = (drawn > seen + rounding).sum(), (np.abs(drawn - seen) <= rounding).sum()
    # The observed difference is one of those that swaps can make.
    return float((above + (equal + 1) / 2) / (len(drawn) + 1))


def holm(p_values: FloatArray) -> FloatArray:
    """Return p-values of several tests, (n_tests,), raised so that all of them hold at once.

    The chance that any test of models that are equally good falls below a level is at most that
    level (Holm, "A simple sequentially rejective multiple test procedure", 1979).
    """
    n = len(p_values)
    order = np.argsort(p_values, kind="stable")
    raised = np.maximum.accumulate(p_values[order] * (n - np.arange(n)))
    out = np.empty(n)
    out[order] = np.minimum(raised, 1.0)
    return out

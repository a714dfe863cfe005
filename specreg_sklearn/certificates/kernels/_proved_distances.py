"""The largest balls in which sums of kernels surely stay positive, some of them without a gap."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.kernels._margins import Expansion
from specreg_sklearn.certificates.kernels._sums_in_balls import SumInBalls
from specreg_sklearn.certificates.moves import ModelRows

MOST_MOVES = 200
"""Columns that can move up to which quadratic functions are taken: each is a matrix."""

_ROWS = 8
# How distances grow until the sign is no longer sure, and how near the answer is then.
_GROWTH, _STEPS, _NARROW = 1.25, 120, 1e-3
# A zero of the sum is the nearest one if nothing is found as much nearer, relative to its distance.
_NEAREST = 3e-7


def proved_distances(
    expansion: Expansion,
    rows: ModelRows,
    box: tuple[FloatArray, FloatArray],
    lower: FloatArray,
    most: FloatArray,
    zeros: FloatArray,
    n_forms: int,
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return distances within which a sum of kernels stays positive.

    Parameters
    ----------
    expansion, rows, box, zeros, n_forms
        As for :class:`SumInBalls`.
    lower : ndarray of shape (n_rows,)
        Distances within which it is known to; a row with 0 stays as it is.
    most : ndarray of shape (n_rows,)
        Distances beyond which nobody asks.

    Returns
    -------
    distance : ndarray of shape (n_rows,)
        At least `lower`, at most `most`.
    zeros : ndarray of shape (n_rows, n_moves)
        Those given, or shorter ones that were found on the way.
    n_minimised : ndarray of shape (n_rows,), int
        How many were.
    """
    distance, spent = np.minimum(lower, most), np.zeros(len(lower), dtype=np.int64)
    zeros = zeros.copy()
    open_ = np.flatnonzero((lower > 0) & (lower < most))
    if not 0 < rows.slope.shape[1] <= MOST_MOVES:
        return distance, zeros, spent
    for begin in range(0, len(open_), _ROWS):
        some = open_[begin : begin + _ROWS]
        ends = box[0][some], box[1][some]
        sums = SumInBalls(expansion, rows.take(some), ends, zeros[some], n_forms)
        distance[some], spent[some] = _farthest(sums, distance[some], most[some])
        zeros[some] = sums.zeros
    return distance, zeros, spent


def _farthest(sums: SumInBalls, low: FloatArray, most: FloatArray) -> tuple[FloatArray, IntArray]:
    """Search the distances from `low` to `most`, row by row.

    Not by :func:`largest_radius`: it asks all rows at each distance, and here a look costs the
    eigenvalues of a matrix, so that only rows that are still searched are asked.
    """
    n_forms = np.zeros(len(low), dtype=np.int64)
    # Where nothing could be proved; infinite as long as everything was.
    low, high = low.copy(), np.full(len(low), np.inf)
    once = np.isfinite(sums.rows.asked)
    for _ in range(_STEPS):
        # Of the distance at which all is said, a single look is often enough.
        end = most if once else np.minimum(sums.length * (1 - _NEAREST), most)
        bracketed = np.where(high > 2 * low, np.sqrt(low * high), 0.5 * (low + high))
        inside = np.where(np.isfinite(high), bracketed, _GROWTH * low)
        radius = np.where(np.isfinite(end) & (end < high), end, np.minimum(inside, most))
        done = (low >= most) | (low >= end) | (high <= low * (1 + _NARROW))
        some = np.flatnonzero(~done & ~(once & np.isfinite(high)))
        if not len(some):
            break
        sign = sums.sign(some, radius[some])
        n_forms[some] += sign.n_forms
        low[some] = np.where(sign.positive, radius[some], low[some])
        high[some] = np.where(sign.positive, high[some], radius[some])
    return low, n_forms

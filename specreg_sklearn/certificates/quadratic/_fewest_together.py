"""How many columns have to move where columns change a lead together."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.moves import row_products, steps_around

# How often the places of columns that moved are looked at again.
_ROUNDS = 3


def least_count(c: FloatArray, gained: FloatArray, H: FloatArray, room: FloatArray) -> FloatArray:
    """Return numbers of columns that have to move at least.

    Parameters
    ----------
    c : ndarray of shape (n_rows,)
        What has to be gained, positive.
    gained : ndarray of shape (n_rows, n_moves)
        What each column gains at most by itself.
    H : ndarray of shape (n_moves, n_moves)
        The form of what is gained together.
    room : ndarray of shape (n_rows, n_moves)
        How far columns move at most.

    Returns
    -------
    ndarray of shape (n_rows,)
        The counts; infinite where all columns do not suffice.
    """
    together, count = np.abs(H), np.full(len(c), np.inf)
    np.fill_diagonal(together, 0.0)
    d = len(H)
    with np.errstate(invalid="ignore", over="ignore"):
        for i in range(len(c)):
            # A column of k gains with the others no more than with those of the largest products.
            products = np.nan_to_num(room[i][:, None] * together * room[i], nan=0.0)
            with_others = np.cumsum(-np.sort(-products, axis=1), axis=1)
            for k in range(1, d + 1):
                each = gained[i] + (with_others[:, k - 2] if k > 1 else 0.0)
                most = float(np.sort(each)[d - k :].sum())
                if not most * (1 + 1e-12) < c[i]:
                    count[i] = k
                    break
    return count


def greedy_moves(
    c: FloatArray,
    g: FloatArray,
    H: FloatArray,
    low: FloatArray,
    high: FloatArray,
    grain: FloatArray,
) -> FloatArray:
    """Return moves of few columns to where ``c + g @ t + t @ H @ t`` is not positive.

    The column that takes most of the function moves next. NaN where that leads nowhere.
    """
    n, d = g.shape
    t, rows, bend = np.zeros((n, d)), np.arange(n), np.diag(H)
    ends = np.clip(low, -1e100, 0.0), np.clip(high, 0.0, 1e100)
    for step in range(_ROUNDS * d):
        slope = g + 2 * row_products(t, H)
        left = c + (t * (g + 0.5 * (slope - g))).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            turn = t - np.where(bend > 0, 0.5 * slope / bend, 0.0)
            places = [*ends, *(np.clip(turn, *ends) for turn in steps_around(turn, grain))]
            changes = [(p - t) * (slope + bend * (p - t)) for p in places]
        # Columns that moved are looked at again before others join them.
        change = np.nan_to_num(np.min(changes, axis=0), nan=0.0)
        joins = (t != 0) if step % _ROUNDS else np.ones(t.shape, dtype=bool)
        column = np.where(joins, change, 0.0).argmin(axis=1)
        place = np.choose(np.argmin(changes, axis=0), places)
        going = (left > 0) & (np.where(joins, change, 0.0)[rows, column] < 0)
        t[rows[going], column[going]] = place[rows[going], column[going]]
    slope = row_products(t, H)
    t[c + (t * (g + slope)).sum(axis=1) > 0] = np.nan
    return t

"""How many columns have to move, at least, where what each of them gains adds up."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray


def fewest_columns(gained: FloatArray, gap: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how many columns move to gain enough, and what each of them has to gain.

    Parameters
    ----------
    gained : ndarray of shape (n_rows, n_moves)
        What each column gains at most, not negative; may be infinite.
    gap : ndarray of shape (n_rows,)
        What has to be gained, positive.

    Returns
    -------
    count : ndarray of shape (n_rows,), float64
        The least number of columns; infinite where all of them do not suffice.
    wanted : ndarray of shape (n_rows, n_moves)
        All that columns gain at most, of those that gain most; of the last one just as much as
        needed. 0 for columns that stay, NaN where all do not suffice.
    """
    n, d = gained.shape
    if not d:
        return np.full(n, np.inf), np.full((n, d), np.nan)
    order: IntArray = np.argsort(-gained, axis=1, kind="stable")
    most = np.take_along_axis(gained, order, axis=1)
    sums = np.cumsum(most, axis=1)
    never = sums[:, -1] < gap
    count = np.where(never, np.inf, 1 + (sums < gap[:, None]).sum(axis=1))
    with np.errstate(invalid="ignore"):
        before = np.nan_to_num(gap[:, None] - (sums - most), nan=0.0)
    chosen = (np.arange(d) < count[:, None]) & (most > 0)
    wanted = np.empty((n, d))
    np.put_along_axis(wanted, order, np.where(chosen, np.minimum(most, before), 0.0), axis=1)
    wanted[never] = np.nan
    return count, wanted

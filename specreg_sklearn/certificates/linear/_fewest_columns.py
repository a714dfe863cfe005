"""How many columns have to move, at least, past a linear boundary."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.linear._knapsack_bounds import ROUNDED


def fewest_columns(
    rate: FloatArray, gap: FloatArray, room: FloatArray, grain: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Return how many columns move to where ``rate @ v >= gap``, and moves that do.

    Parameters
    ----------
    rate : ndarray of shape (n_moves,)
        What a unit of a move gains, not negative.
    gap : ndarray of shape (n_rows,)
        What has to be gained, positive.
    room : ndarray of shape (n_rows, n_moves)
        How far moves may go; may be infinite.
    grain : ndarray of shape (n_rows, n_moves) or None
        The step by which a column moves, of which `room` is a multiple; 0 where it moves by any
        number, as all do without it.

    Returns
    -------
    count : ndarray of shape (n_rows,), float64
        The least number of columns; infinite where all of them do not suffice.
    move : ndarray of shape (n_rows, n_moves)
        Moves of these columns, the last one just as far as needed; NaN where there are none.
    """
    n, d = room.shape
    if not d:
        return np.full(n, np.inf), np.full((n, d), np.nan)
    with np.errstate(invalid="ignore"):
        gained = np.where(rate > 0, rate * room, 0.0)
    order: IntArray = np.argsort(-gained, axis=1, kind="stable")
    most = np.take_along_axis(gained, order, axis=1)
    sums = np.cumsum(most, axis=1)
    never = sums[:, -1] < gap
    count = np.where(never, np.inf, 1 + (sums < gap[:, None]).sum(axis=1))
    before = sums - most
    with np.errstate(invalid="ignore", divide="ignore"):
        wanted = np.minimum(most, np.nan_to_num(gap[:, None] - before, nan=0.0)) / rate[order]
    chosen = (np.arange(d) < count[:, None]) & (most > 0)
    move = np.zeros((n, d))
    np.put_along_axis(move, order, np.where(chosen, wanted, 0.0), axis=1)
    if grain is not None:
        unit = np.where(grain > 0, grain, 1.0)
        up = np.minimum(np.ceil(move / unit - ROUNDED) * unit, room)
        move = np.where(grain > 0, up, move)
    move[never] = np.nan
    return count, move

"""Short moves to where a sum of kernels is not positive: rows that `predict` may tell apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.kernels._margins import Expansion
from specreg_sklearn.certificates.moves import (
    ModelRows,
    crossing,
    nearest_in_half_spaces,
    row_products,
)
from specreg_sklearn.space import L2, Norm

_STEPS = 24
# A step is at most so many times as long as the one before it.
_LONGER = 2.0
_HALVINGS = 50

_Box = tuple[FloatArray, FloatArray]


def nearest_zeros(
    expansion: Expansion, rows: ModelRows, start: FloatArray, box: _Box
) -> FloatArray:
    """Return moves after which a sum that is positive now is not, or hardly, any more.

    The sum is made linear at the end of a move, and the shortest move to the zero of that is next
    (Newton's method for the nearest zero, as in DeepFool, arXiv:1511.04599). The last move, and the
    mean of the last half of them, are then cut where the sum crosses zero.

    Parameters
    ----------
    expansion : Expansion
        The sum, positive at the rows.
    rows : ModelRows
        The rows.
    start : ndarray of shape (n_rows,)
        Lengths of the first moves.
    box : tuple of two ndarray of shape (n_rows, n_moves)
        Ends of the moves, which contain zero and may be infinite.

    Returns
    -------
    ndarray of shape (n_rows, n_moves)
        The shortest of them; NaN where none leads to a zero.
    """
    n_rows, n_moves = len(rows), rows.slope.shape[1]
    if not n_rows or not n_moves:
        return np.full((n_rows, n_moves), np.nan)
    start = np.where(np.isfinite(start) & (start > 0), start, 1.0)

    def value(t: FloatArray) -> FloatArray:
        return expansion.value(rows.values + row_products(t, rows.slope.T))

    def slope(t: FloatArray) -> FloatArray:
        there = rows.values + row_products(t, rows.slope.T)
        return row_products(expansion.slope(there), rows.slope)

    best, nearest = np.full((n_rows, n_moves), np.nan), np.full(n_rows, np.inf)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # Steps of L2 turn less than others, and arrive where those go to and fro.
        for norm in {rows.norm.order: rows.norm, 2: L2}.values():
            for way in _newton(value, slope, norm, start, box):
                cut = cut_at_zero(value, way, box)
                length = rows.norm.length(np.where(np.isnan(cut), np.inf, cut))
                nearer = length < nearest
                best[nearer], nearest[nearer] = cut[nearer], length[nearer]
    return best


def _newton(
    value: Callable[[FloatArray], FloatArray],
    slope: Callable[[FloatArray], FloatArray],
    norm: Norm,
    start: FloatArray,
    box: _Box,
) -> tuple[FloatArray, FloatArray]:
    """Return the last of Newton's moves, and the mean of the last half of them."""
    falls = slope(np.zeros(box[0].shape))
    move = np.clip(-norm.steepest(falls) * start[:, None], *box)
    mean = np.zeros_like(move)
    for k in range(_STEPS):
        now, falls = value(move), slope(move)
        most = np.maximum(_LONGER * norm.length(move), start)
        gap = now - (falls * move).sum(axis=1)
        length, target = nearest_in_half_spaces(-falls, gap, norm.order, box)
        target = target * np.minimum(1.0, most / length)[:, None]
        down = np.clip(-norm.steepest(falls) * most[:, None], *box)
        move = np.where(((gap > 0) & np.isfinite(length))[:, None], target, down)
        if 2 * k >= _STEPS:
            mean += move * (2 / _STEPS)
    return move, mean


def cut_at_zero(
    value: Callable[[FloatArray], FloatArray], move: FloatArray, box: _Box
) -> FloatArray:
    """Return each move up to where the function is not positive; NaN where it stays so.

    Parameters
    ----------
    value : callable
        From moves (n_rows, n_moves) to the function (n_rows,).
    move : ndarray of shape (n_rows, n_moves)
        Moves, drawn out where they are too short.
    box : tuple of two ndarray of shape (n_rows, n_moves)
        Ends of the moves.
    """

    def up_to(share: FloatArray) -> FloatArray:
        return np.clip(move * share[:, None], *box)

    def is_open(share: FloatArray) -> np.ndarray:
        return value(up_to(share)) > 0

    _, end = crossing(is_open, np.ones(len(move)), limit=64.0, most_halvings=_HALVINGS)
    cut = up_to(end)
    fine = ~is_open(end) & np.isfinite(cut).all(axis=1)
    return np.where(fine[:, None], cut, np.nan)

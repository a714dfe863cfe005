"""Short moves to where a sum of kernels is not positive: rows that `predict` may tell apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.kernels._margins import Expansion
from specreg_sklearn.certificates.moves import ModelRows, crossing, row_products

_STEPS = 24
# A step is at most so many times as long as the one before it.
_LONGER = 2.0
_HALVINGS = 50


def nearest_zeros(expansion: Expansion, rows: ModelRows, start: FloatArray) -> FloatArray:
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

    Returns
    -------
    ndarray of shape (n_rows, n_moves)
        The shorter of the two; NaN where neither leads to a zero.
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

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        falls = slope(np.zeros((n_rows, n_moves)))
        move = -rows.norm.steepest(falls) * start[:, None]
        mean = np.zeros_like(move)
        for k in range(_STEPS):
            now, falls = value(move), slope(move)
            length = (now - (falls * move).sum(axis=1)) / rows.norm.dual.length(falls)
            most = _LONGER * rows.norm.length(move)
            length = np.where(length > 0, np.minimum(length, most), most)
            move = -rows.norm.steepest(falls) * length[:, None]
            if 2 * k >= _STEPS:
                mean += move * (2 / _STEPS)
        cut = [_cut(value, way) for way in (move, mean)]
        lengths = [rows.norm.length(np.where(np.isnan(way), np.inf, way)) for way in cut]
    return np.where((lengths[0] <= lengths[1])[:, None], cut[0], cut[1])


def _cut(value: Callable[[FloatArray], FloatArray], move: FloatArray) -> FloatArray:
    """Return each move up to where the function is not positive; NaN where it stays so."""

    def is_open(share: FloatArray) -> np.ndarray:
        return value(move * share[:, None]) > 0

    _, end = crossing(is_open, np.ones(len(move)), limit=64.0, most_halvings=_HALVINGS)
    cut = move * end[:, None]
    fine = ~is_open(end) & np.isfinite(cut).all(axis=1)
    return np.where(fine[:, None], cut, np.nan)

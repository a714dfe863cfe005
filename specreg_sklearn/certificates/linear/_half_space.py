"""The shortest moves into half-spaces, inside boxes."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.moves import largest_cube, nearest_in_box
from specreg_sklearn.space import NORMS

_BELOW = 1 - 1e-12


def nearest_in_half_space(
    slope: FloatArray,
    gap: FloatArray,
    order: float,
    box: tuple[FloatArray, FloatArray] | None,
) -> tuple[FloatArray, FloatArray]:
    """Return how far it is to where ``slope @ t >= gap``, and the moves.

    Parameters
    ----------
    slope : ndarray of shape (n_moves,)
        The normal.
    gap : ndarray of shape (n_rows,)
        One offset for each row; no move is needed where it is not positive.
    order : {1, 2, inf}
        The norm of moves.
    box : tuple of two ndarray of shape (n_rows, n_moves), or None
        Ends of the moves, which contain zero; None if there are none.

    Returns
    -------
    distance : ndarray of shape (n_rows,)
        Lower bounds, exact up to rounding; infinite where the box has no such move.
    move : ndarray of shape (n_rows, n_moves)
        The moves; NaN where there is none.
    """
    gap = np.maximum(gap, 0.0)
    rate = float(NORMS[order].dual.length(slope[None])[0])
    if rate == 0:
        distance = np.where(gap > 0, np.inf, 0.0)
        return distance, np.where(gap > 0, np.nan, 0.0)[:, None] * np.ones(len(slope))
    with np.errstate(over="ignore"):
        distance = gap / rate * _BELOW
        move = _straight(slope, gap, order)
    if box is None:
        return distance, move
    outside = np.flatnonzero(((move < box[0]) | (move > box[1])).any(axis=1))
    if not len(outside):
        return distance, move
    low, high, left = box[0][outside], box[1][outside], gap[outside]
    if order == 1:
        far, step = _in_order_of_slopes(slope, left, low, high)
    else:
        g, flat = np.broadcast_to(-slope, low.shape), np.zeros(len(slope))
        if order == 2:
            squared, step = nearest_in_box(left, g, flat, low, high)
            far = np.sqrt(squared)
        else:
            far, step = largest_cube(left, g, flat, low, high)
    # A row without such a move in its box: its corner does not suffice.
    most = np.maximum(low * slope, high * slope)
    size = np.abs(most).sum(axis=1)
    with np.errstate(invalid="ignore"):
        never = most.sum(axis=1) + 1e-12 * size < left
    far, step = np.where(never, np.inf, far), np.where(never[:, None], np.nan, step)
    distance[outside], move[outside] = np.maximum(far * _BELOW, distance[outside]), step
    return distance, move


def _straight(slope: FloatArray, gap: FloatArray, order: float) -> FloatArray:
    """Return the shortest moves without a box."""
    if order == 2:
        return np.asarray(gap[:, None] * (slope / float(slope @ slope)))
    if order == np.inf:
        return np.asarray(gap[:, None] * (np.sign(slope) / np.abs(slope).sum()))
    j = int(np.abs(slope).argmax())
    move = np.zeros((len(gap), len(slope)))
    move[:, j] = gap / slope[j]
    return move


def _in_order_of_slopes(
    slope: FloatArray, gap: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the L1 distances: columns move as far as they can, the steepest first."""
    order = np.argsort(-np.abs(slope), kind="stable")
    rates = np.abs(slope[order])
    room = np.where(slope >= 0, high, -low)[:, order]
    with np.errstate(invalid="ignore"):
        gained = np.nan_to_num(room * rates, nan=0.0, posinf=np.inf)
    before = np.zeros_like(gained)
    before[:, 1:] = np.cumsum(gained, axis=1)[:, :-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = np.maximum(gap[:, None] - before, 0.0) / rates
    steps = np.minimum(room, np.nan_to_num(wanted, nan=0.0, posinf=0.0))
    move = np.zeros_like(steps)
    move[:, order] = steps
    move *= np.where(slope >= 0, 1.0, -1.0)
    return steps.sum(axis=1), move

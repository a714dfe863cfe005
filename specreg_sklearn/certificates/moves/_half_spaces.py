"""The shortest moves into half-spaces, inside boxes."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.moves._quadratic_steps import largest_cube, nearest_in_box
from specreg_sklearn.space import NORMS

_BELOW = 1 - 1e-12


def nearest_in_half_spaces(
    slope: FloatArray,
    gap: FloatArray,
    order: float,
    box: tuple[FloatArray, FloatArray] | None,
) -> tuple[FloatArray, FloatArray]:
    """Return how far it is to where ``slope @ t >= gap``, and the moves.

    Parameters
    ----------
    slope : ndarray of shape (n_rows, n_moves)
        The normals.
    gap : ndarray of shape (n_rows,)
        The offsets; no move is needed where they are not positive.
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
    gap, norm = np.maximum(gap, 0.0), NORMS[order]
    rate = norm.dual.length(slope)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        distance = np.where(gap > 0, gap / rate * _BELOW, 0.0)
        move = norm.steepest(slope) * np.where(gap > 0, gap / rate, 0.0)[:, None]
    move[np.isinf(distance)] = np.nan
    if box is None:
        return distance, move
    outside = np.flatnonzero(((move < box[0]) | (move > box[1])).any(axis=1))
    if not len(outside):
        return distance, move
    low, high, left, g = box[0][outside], box[1][outside], gap[outside], slope[outside]
    if order == 1:
        far, step = _in_order_of_slopes(g, left, low, high)
    elif order == 2:
        squared, step = nearest_in_box(left, -g, np.zeros(slope.shape[1]), low, high)
        far = np.sqrt(squared)
    else:
        far, step = largest_cube(left, -g, np.zeros(slope.shape[1]), low, high)
    # A row without such a move in its box: its corner does not suffice.
    with np.errstate(invalid="ignore"):
        most = np.maximum(low * g, high * g)
        size = np.abs(most).sum(axis=1)
        never = most.sum(axis=1) + 1e-12 * size < left
    far, step = np.where(never, np.inf, far), np.where(never[:, None], np.nan, step)
    distance[outside], move[outside] = np.maximum(far * _BELOW, distance[outside]), step
    return distance, move


def _in_order_of_slopes(
    slope: FloatArray, gap: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the L1 distances: columns move as far as they can, the steepest first."""
    order = np.argsort(-np.abs(slope), axis=1, kind="stable")
    rates = np.take_along_axis(np.abs(slope), order, axis=1)
    room = np.take_along_axis(np.where(slope >= 0, high, -low), order, axis=1)
    with np.errstate(invalid="ignore"):
        gained = np.nan_to_num(room * rates, nan=0.0, posinf=np.inf)
    before = np.zeros_like(gained)
    before[:, 1:] = np.cumsum(gained, axis=1)[:, :-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = np.maximum(gap[:, None] - before, 0.0) / rates
    steps = np.minimum(room, np.nan_to_num(wanted, nan=0.0, posinf=0.0))
    move = np.zeros_like(steps)
    np.put_along_axis(move, order, steps, axis=1)
    move *= np.where(slope >= 0, 1.0, -1.0)
    return steps.sum(axis=1), move

"""The shortest moves into half-spaces, inside boxes."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.space import NORMS

_BELOW, _UNIT = 1 - 1e-12, 2.0**-53


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
    search = _in_order_of_slopes if order == 1 else _in_order_of_ends
    # What sums over columns round to is less than this share of the gap.
    least = left * (1 - 4 * (slope.shape[1] + 4) * _UNIT)
    far, step = norm.length(search(g, least, low, high, order)), search(g, left, low, high, order)
    # A row without such a move in its box: its corner does not suffice.
    with np.errstate(invalid="ignore"):
        most = np.where(g == 0, 0.0, np.maximum(low * g, high * g)).sum(axis=1)
    never = most * (1 + 1e-12) < left
    far, step = np.where(never, np.inf, far), np.where(never[:, None], np.nan, step)
    distance[outside], move[outside] = np.maximum(far * _BELOW, distance[outside]), step
    return distance, move


def _in_order_of_slopes(
    slope: FloatArray, gap: FloatArray, low: FloatArray, high: FloatArray, order: float
) -> FloatArray:
    """Return the moves of L1: columns move as far as they can, the steepest first."""
    by_slope = np.argsort(-np.abs(slope), axis=1, kind="stable")
    rates = np.take_along_axis(np.abs(slope), by_slope, axis=1)
    room = np.take_along_axis(np.where(slope >= 0, high, -low), by_slope, axis=1)
    with np.errstate(invalid="ignore"):
        gained = np.nan_to_num(room * rates, nan=0.0, posinf=np.inf)
    before = np.zeros_like(gained)
    before[:, 1:] = np.cumsum(gained, axis=1)[:, :-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = np.maximum(gap[:, None] - before, 0.0) / rates
    steps = np.minimum(room, np.nan_to_num(wanted, nan=0.0, posinf=0.0))
    move = np.zeros_like(steps)
    np.put_along_axis(move, by_slope, steps, axis=1)
    return np.asarray(move * np.where(slope >= 0, 1.0, -1.0))


def _in_order_of_ends(
    slope: FloatArray, gap: FloatArray, low: FloatArray, high: FloatArray, order: float
) -> FloatArray:
    """Return the moves of L2 and Linf: columns move together, those at their ends stay there.

    In L2 each goes in proportion to its slope, in Linf all go equally far.
    """
    rates = np.abs(slope)
    room = np.where(rates > 0, np.where(slope >= 0, high, -low), 0.0)
    speed = rates if order == 2 else np.where(rates > 0, 1.0, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        end = np.where(rates > 0, room / speed, np.inf)
    by_end = np.argsort(end, axis=1, kind="stable")
    at_end = np.take_along_axis(rates * np.where(np.isfinite(room), room, 0.0), by_end, axis=1)
    going = np.take_along_axis(rates * speed, by_end, axis=1)
    end = np.take_along_axis(end, by_end, axis=1)
    before = np.cumsum(at_end, axis=1) - at_end
    still = np.cumsum(going[:, ::-1], axis=1)[:, ::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        # The first end by which the gap is closed; where nothing goes on any more, nothing is.
        closed = (before + np.where(still > 0, end * still, 0.0) >= gap[:, None]) & (still > 0)
        k = closed.argmax(axis=1)[:, None]
        missing = gap[:, None] - np.take_along_axis(before, k, axis=1)
        time = np.maximum(missing, 0.0) / np.take_along_axis(still, k, axis=1)
    time = np.where(closed.any(axis=1)[:, None], time, np.inf)
    size = np.minimum(np.where(rates > 0, time, 0.0) * speed, room)
    return np.asarray(size * np.where(slope >= 0, 1.0, -1.0))

"""How much linear functions fall in balls that boxes cut.

Cells of a table have ends: those of the data, those of the row where a column only grows. A bound
that knows them is better than that of the whole ball, and often far better.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.gradients import Room
from specreg_sklearn.certificates.moves import nearest_in_half_spaces
from specreg_sklearn.space import Norm

# How often the multiplier of a ball of L2 is improved. Any multiplier gives a bound.
_TURNS = 4
# Numbers in one block.
_BLOCK = 2**20


def falls_in_balls(
    slope: FloatArray, radius: FloatArray, norm: Norm, room: Room | None
) -> FloatArray:
    """Return by how much linear functions fall at most, within balls around rows and their boxes.

    Parameters
    ----------
    slope : ndarray of shape (n_rows, n_functions, n_moves) or (1, n_functions, n_moves)
        The functions, for each row, or for all.
    radius : ndarray of shape (n_rows,)
        Radii of the balls.
    norm : Norm
        Of the balls.
    room : Room or None
        The boxes, or None if there are none.

    Returns
    -------
    ndarray of shape (n_rows, n_functions)
        Upper bounds, but for roundings; those of the boxes are attained up to a few per cent.
    """
    n, (_, m, d) = len(radius), slope.shape
    length = norm.dual.length(slope.reshape(-1, d)).reshape(-1, m)
    whole = radius[:, None] * length
    if room is None:
        return whole
    ball = np.broadcast_to(radius[:, None], (n, d))
    down, up = np.minimum(-room.low, ball), np.minimum(room.high, ball)
    if norm.order == np.inf:
        above, below = np.maximum(slope, 0.0), np.maximum(-slope, 0.0)
        return np.asarray((above @ down[..., None] + below @ up[..., None])[..., 0])
    fall = np.empty((n, m))
    step = max(1, _BLOCK // max(m * d, 1))
    for begin in range(0, n, step):
        part = slice(begin, begin + step)
        slopes = slope if len(slope) == 1 else slope[part]
        far = np.where(slopes > 0, down[part, None], up[part, None])
        size, r = np.abs(slopes), radius[part]
        fall[part] = _in_l1(size, far, r) if norm.order == 1 else _in_l2(size, far, r)
    return np.minimum(fall, whole)


def _in_l1(size: FloatArray, far: FloatArray, radius: FloatArray) -> FloatArray:
    """Return the largest sums of ``size @ t`` with ``0 <= t <= far``, of length `radius` in L1."""
    order = np.argsort(-size, axis=2, kind="stable")
    if len(order) != len(far):
        order = np.broadcast_to(order, far.shape)
        size = np.broadcast_to(size, far.shape)
    room = np.take_along_axis(far, order, axis=2)
    spent = np.minimum(np.cumsum(room, axis=2), radius[:, None, None])
    steps = np.diff(spent, axis=2, prepend=0.0)
    return np.asarray((np.take_along_axis(size, order, axis=2) * steps).sum(axis=2))


def _in_l2(size: FloatArray, far: FloatArray, radius: FloatArray) -> FloatArray:
    """Return nearly the largest sums of ``size @ t`` with ``0 <= t <= far`` in balls of L2.

    Every multiplier of the ball gives a bound from above. The best one has cells that end at their
    box, and others that move in proportion to their slopes.
    """
    squared = radius[:, None] ** 2
    multiplier = _multipliers_in_l2(size, far, squared)[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(size > 0, np.minimum(far, size / multiplier), 0.0)
    return np.asarray((t * (size - 0.5 * multiplier * t)).sum(axis=2)) + (
        0.5 * multiplier[..., 0] * squared
    )


def _multipliers_in_l2(size: FloatArray, far: FloatArray, squared: FloatArray) -> FloatArray:
    """Return multipliers (n_rows, n_functions) of balls whose squared radii are (n_rows, 1)."""
    square = size**2
    spent = np.zeros(np.broadcast_shapes(size.shape[:2], far.shape[:2]))
    free = np.broadcast_to(square.sum(axis=2), spent.shape)
    for _ in range(_TURNS):
        with np.errstate(divide="ignore", invalid="ignore"):
            multiplier = np.sqrt(free / np.maximum(squared - spent, 1e-300))
            at_end = far * multiplier[..., None] < size
        spent = np.where(at_end, far, 0.0)
        spent = (spent * spent).sum(axis=2)
        free = np.where(at_end, 0.0, square).sum(axis=2)
    return np.asarray(multiplier)


def lowest_moves(
    slope: FloatArray,
    whole: FloatArray,
    radius: FloatArray,
    norm: Norm,
    room: Room,
    rounded: FloatArray,
) -> FloatArray:
    """Return moves in boxes after which linear functions are lowest, or nearly so.

    Parameters
    ----------
    slope : ndarray of shape (n_rows, n_functions, n_moves)
        The functions.
    whole : ndarray of shape (n_rows, n_functions, n_moves)
        Such moves in whole balls.
    radius : ndarray of shape (n_rows, n_functions)
        Radii of the balls.
    norm : Norm
        Of the balls.
    room : Room
        The boxes.
    rounded : ndarray of shape (n_rows, 1, 1)
        How much corners of the unit ball of L1 are rounded, as a share of the slopes.
    """
    low, high = room.low[:, None], room.high[:, None]
    if norm.order == np.inf:
        return np.clip(whole, low, high)
    far, size, r = np.where(slope > 0, -low, high), np.abs(slope), radius[..., None]
    if norm.order == 2:
        multiplier = _multipliers_in_l2(size, far, radius**2)[..., None]
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(size > 0, np.minimum(far, size / multiplier), 0.0)
        return np.asarray(-np.sign(slope) * t)
    far = np.minimum(far, r)
    order = np.argsort(-size, axis=2, kind="stable")
    spent = np.cumsum(np.take_along_axis(far, order, axis=2), axis=2)
    last = np.minimum((spent < r).sum(axis=2), size.shape[2] - 1)[..., None]
    level = np.take_along_axis(size, np.take_along_axis(order, last, axis=2), axis=2)
    scale = np.maximum(rounded * size.max(axis=2, keepdims=True), 1e-300)
    t = far * expit((size - level) / scale)
    t *= r / np.maximum(t.sum(axis=2, keepdims=True), 1e-300)
    return np.asarray(-np.sign(slope) * np.minimum(t, far))


def nearest_zeros_of_lines(
    slope: FloatArray, left: FloatArray, norm: Norm, room: Room | None
) -> FloatArray:
    """Return up to which distance functions, `left` at the rows, stay positive, (n_rows, K)."""
    n, n_rivals, d = slope.shape
    flat, gap = slope.reshape(-1, d), left.reshape(-1)
    if room is None:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return (gap / norm.dual.length(flat)).reshape(n, n_rivals)
    ends = [np.repeat(end, n_rivals, axis=0) for end in room]
    distance, _ = nearest_in_half_spaces(-flat, gap, norm.order, (ends[0], ends[1]))
    return distance.reshape(n, n_rivals)

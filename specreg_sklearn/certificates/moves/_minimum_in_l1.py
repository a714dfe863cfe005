"""How low quadratic functions fall in balls of L1, and in boxes: lower bounds over corners.

A move of length at most r is a mean of the corners of the ball, where corner j has the share
``|t_j| / r``. The part of the function that is not convex is at least the mean of its values at the
corners, which is linear in the shares. The convex part lies above its tangent at any move, and the
minimum of a linear function of the shares is known: so each move gives a bound. The best one is the
minimum of the sum, towards which Frank and Wolfe's steps lead (Naval Research Logistics, 1956).
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray

# Steps towards the best tangent, and what is too little to go on.
_MOST_STEPS, _LITTLE = 60, 1e-6
_ROUNDING = 2.0**-46
_TINY = np.finfo(np.float64).tiny


def lowest_over_corners(
    convex: FloatArray,
    falling: FloatArray,
    slope: FloatArray,
    radius: FloatArray,
    box: tuple[FloatArray, FloatArray],
    enough: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return lower bounds of ``slope @ t + t @ (convex - concave) @ t``, and moves near them.

    Parameters
    ----------
    convex : ndarray of shape (n_rows, n_moves, n_moves)
        Symmetric matrices, positive semidefinite but for the rounding of their eigenvalues.
    falling : ndarray of shape (n_rows, n_moves)
        At least the diagonals of `concave`, which are positive semidefinite.
    slope : ndarray of shape (n_rows, n_moves)
        Slopes at zero.
    radius : ndarray of shape (n_rows,)
        Lengths in L1 up to which a row moves; positive.
    box : tuple of two ndarray of shape (n_rows, n_moves)
        Ends of the moves, which contain zero.
    enough : ndarray of shape (n_rows,)
        What a bound is needed for; NaN where the best one is asked for.
    """
    n_rows, n_moves = slope.shape
    r = radius[:, None]
    # What a share of each corner adds, upwards and downwards, but for the convex part.
    ends = np.hstack([slope, -slope]) * r - np.hstack([falling, falling]) * (r * r)
    most = np.clip(np.hstack([box[1], -box[0]]) / r * (1 + _ROUNDING), 0.0, 1.0)
    noise = _ROUNDING * n_moves**2 * np.abs(convex).max(axis=(1, 2), initial=0.0)
    shares = _cheapest(ends, most)
    best, move = np.full(n_rows, -np.inf), np.zeros_like(slope)
    goes_on = np.ones(n_rows, dtype=bool)
    for _ in range(_MOST_STEPS):
        up, down = np.split(shares, 2, axis=1)
        t = (up - down) * r
        bent = np.matmul(convex, t[:, :, None])[:, :, 0]
        level = (t * bent).sum(axis=1)
        rates = ends + 2 * np.hstack([bent, -bent]) * r
        target = _cheapest(rates, most)
        size = np.abs(ends) + 2 * np.hstack([np.abs(bent)] * 2) * r
        rounded = _ROUNDING * n_moves * (np.abs(level) + (size * target).sum(axis=1))
        bound = (rates * target).sum(axis=1) - level - rounded - 4 * noise * radius * radius
        value = (ends * shares).sum(axis=1) + level
        better = goes_on & (bound > best)
        best, move = np.where(better, bound, best), np.where(better[:, None], t, move)
        # The value is what the best bound would be.
        left = value - best
        goes_on &= ~(best > enough) & ~(value <= enough) & (left > _LITTLE * np.abs(best))
        if not goes_on.any():
            break
        way = target - shares
        fall = (rates * way).sum(axis=1)
        turn = (way[:, :n_moves] - way[:, n_moves:]) * r
        bend = (np.matmul(convex, turn[:, :, None])[:, :, 0] * turn).sum(axis=1)
        length = np.clip(-0.5 * fall / np.maximum(bend, _TINY), 0.0, 1.0)
        shares = shares + np.where(goes_on, length, 0.0)[:, None] * way
    return best, move


def _cheapest(rates: FloatArray, most: FloatArray) -> FloatArray:
    """Return shares, of one at most in all, whose sum of rates is least."""
    order = rates.argsort(axis=1, kind="stable")
    room = np.take_along_axis(np.where(rates < 0, most, 0.0), order, axis=1)
    before = np.cumsum(room, axis=1) - room
    taken = np.clip(1.0 + _ROUNDING * room.shape[1] - before, 0.0, room)
    out = np.zeros_like(rates)
    np.put_along_axis(out, order, taken, axis=1)
    return out

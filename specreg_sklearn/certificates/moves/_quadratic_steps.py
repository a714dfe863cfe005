"""The shortest move to where a quadratic function is not positive, by its dual.

For a function ``f(t) = c + g @ t + t @ H @ t`` and any m >= 0, a move with ``f(t) <= 0`` has
``|t|^2 >= |t|^2 + m f(t) >= min over all moves of that``. The minimum has a closed form where
``I + m H`` is positive definite. The best m gives the squared distance, without a gap (S-lemma):
the secular equation of trust regions. Every m gives a lower bound, so the search for the best one
need not be trusted. In cubes, for a diagonal H, columns are minimised one by one.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.moves._crossing import FARTHEST, crossing
from specreg_sklearn.certificates.moves._whole_steps import steps_around


def nearest_in_l2(
    c: FloatArray, g: FloatArray, eigenvalues: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return squared lower bounds, and moves, of rows with one quadratic form.

    Parameters
    ----------
    c : ndarray of shape (n_rows,)
        The function where the rows are, positive.
    g : ndarray of shape (n_rows, n_moves)
        Its slopes, in the eigenvectors of H.
    eigenvalues : ndarray of shape (n_moves,)
        Those of H.

    Returns
    -------
    bound : ndarray of shape (n_rows,)
        Squared distances, never too large but for the rounding of this formula.
    move : ndarray of shape (n_rows, n_moves)
        Moves in the eigenvectors; NaN where there is none.
    """
    least = float(eigenvalues.min(initial=0.0))
    most = -1 / least * (1 - 1e-13) if least < 0 else np.inf

    def step(m: FloatArray) -> FloatArray:
        return np.asarray(-0.5 * m[:, None] * g / (1 + m[:, None] * eigenvalues))

    def value(t: FloatArray) -> FloatArray:
        return np.asarray(c + (g * t).sum(axis=1) + (t * t * eigenvalues).sum(axis=1))

    # Where the form is not convex there is a largest m, and no need to look for one.
    begin, limit = (most, 0.0) if np.isfinite(most) else (1.0, FARTHEST)
    low, high = crossing(lambda m: value(step(m)) > 0, np.full(len(c), begin), limit=limit)
    with np.errstate(over="ignore", invalid="ignore"):
        t = step(high)
        bound = np.maximum(_dual(c, g, eigenvalues, high), _dual(c, g, eigenvalues, low))
        left = value(t)
        # The degenerate case: the rest of the way goes along the eigenvector of the least one.
        k = int(eigenvalues.argmin()) if len(eigenvalues) else 0
        if least < 0:
            t = _along(t, left, g, eigenvalues, k)
    bound = np.where(np.isnan(bound), 0.0, bound)
    return np.maximum(bound, 0.0), np.where(np.isfinite(bound)[:, None], t, np.nan)


def _dual(c: FloatArray, g: FloatArray, eigenvalues: FloatArray, m: FloatArray) -> FloatArray:
    m = np.minimum(m, 1e150)
    spent = 0.25 * m * m * (g * g / (1 + m[:, None] * eigenvalues)).sum(axis=1)
    return np.asarray((m * c - spent) - 1e-14 * (m * c + spent))


def _along(
    t: FloatArray, left: FloatArray, g: FloatArray, eigenvalues: FloatArray, k: int
) -> FloatArray:
    """Go on along one eigenvector until the function is zero, where it is still positive."""
    a, b = eigenvalues[k], g[:, k] + 2 * eigenvalues[k] * t[:, k]
    with np.errstate(invalid="ignore"):
        root = np.sqrt(np.maximum(b * b - 4 * a * left, 0.0))
        options = np.stack([(-b + root) / (2 * a), (-b - root) / (2 * a)])
    nearer = np.abs(t[:, k] + options).argmin(axis=0)
    further = options[nearer, np.arange(len(t))]
    out = t.copy()
    out[:, k] += np.where(left > 0, further, 0.0)
    return out


def largest_cube(
    c: FloatArray,
    g: FloatArray,
    h: FloatArray,
    low: FloatArray,
    high: FloatArray,
    *,
    price: FloatArray | None = None,
    grain: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return the Linf distances, and moves inside a box, for a diagonal form.

    In a cube the minimum is that of each coordinate by itself, and it falls as the cube grows.

    Parameters
    ----------
    c : ndarray of shape (n_rows,)
        The function where the rows are, positive.
    g : ndarray of shape (n_rows, n_moves)
        Its slopes.
    h : ndarray of shape (n_moves,)
        Its form.
    low, high : ndarray of shape (n_rows, n_moves)
        Ends of the boxes, which contain zero, and whole steps where there are some.
    price : ndarray of shape (2, n_moves) or None
        What a unit of a move costs, upwards and downwards; 1 without it.
    grain : ndarray of shape (n_rows, n_moves) or None
        The step by which a coordinate moves; 0 where it moves by any number, as all do without it.

    Returns
    -------
    inner : ndarray of shape (n_rows,)
        Distances just below those of the moves; infinite where there are none.
    move : ndarray of shape (n_rows, n_moves)
        The moves; NaN where there are none.
    """
    up, down = (1.0, 1.0) if price is None else price
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        turn = np.where(h > 0, -0.5 * g / np.where(h > 0, h, 1.0), 0.0)
    turns = (turn,) if grain is None else steps_around(turn, grain)

    def lowest(r: FloatArray) -> FloatArray:
        wide = [np.broadcast_to(r[:, None] / side, low.shape) for side in (down, up)]
        if grain is not None:
            wide = [steps_around(side, grain)[0] for side in wide]
        begin, end = np.maximum(low, -wide[0]), np.minimum(high, wide[1])
        options = [begin, end, *(np.clip(turn, begin, end) for turn in turns)]
        with np.errstate(over="ignore", invalid="ignore"):
            best = np.argmin([g * t + h * t * t for t in options], axis=0)
        return np.asarray(np.choose(best, options))

    def value(r: FloatArray) -> FloatArray:
        t = lowest(r)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(c + (g * t + h * t * t).sum(axis=1))

    inner, outer = crossing(lambda r: value(r) > 0, np.full(len(c), 1e-6))
    never = value(outer) > 0
    move = lowest(outer)
    move[never] = np.nan
    return np.where(never, np.inf, inner), move

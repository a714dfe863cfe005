"""How low quadratic functions fall in balls around zero: lower bounds by duals.

For a function ``slope @ t + t @ form @ t`` and any multipliers m >= 0, one for each move, with
``form + diag(m)`` positive definite, the minimum over all moves of
``slope @ t + t @ (form + diag(m)) @ t - sum of m_j size_j^2`` is a lower bound where no
``|t_j|`` is larger than ``size_j``. If all multipliers are equal it holds in the ball of L2, and
the best number leaves no gap there: the secular equation of trust regions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.space import Norm

_HALVINGS = 50
# Steps towards better multipliers of a cube.
_CUBE_STEPS = 8
# Rounding of eigenvalues and of sums over them, relative to the largest part, per column.
_ROUNDING = 2.0**-46
_TINY = np.finfo(np.float64).tiny


class LowestPoints(NamedTuple):
    """How low quadratic functions fall.

    Parameters
    ----------
    bound : ndarray of shape (n_rows,)
        At most the minimum, rounding included.
    move : ndarray of shape (n_rows, n_moves)
        Moves that the bounds stem from, near the minimum where there is hardly a gap.
    """

    bound: FloatArray
    move: FloatArray


def lowest_in_balls(
    form: FloatArray, slope: FloatArray, radius: FloatArray, norm: Norm
) -> LowestPoints:
    """Return lower bounds of ``slope @ t + t @ form @ t`` for all moves t of a length.

    Parameters
    ----------
    form : ndarray of shape (n_rows, n_moves, n_moves)
        Symmetric matrices.
    slope : ndarray of shape (n_rows, n_moves)
        Slopes at zero.
    radius : ndarray of shape (n_rows,)
        Lengths up to which a row moves; positive.
    norm : Norm
        L1, L2 or Linf, in which lengths are measured.
    """
    eigenvalues, vectors = np.linalg.eigh(form)
    noise = _ROUNDING * form.shape[1] * np.abs(eigenvalues).max(axis=1)
    in_l2 = norm.from_l2(radius, form.shape[1])
    best, multiplier = _in_l2(eigenvalues, vectors, noise, slope, in_l2)
    if norm.order == 2:
        return best
    falls = np.maximum(-eigenvalues, 0.0)
    # The diagonal of the part of each form that is not convex.
    falling = np.matmul(vectors * vectors, falls[:, :, None])[:, :, 0] + noise[:, None]
    if norm.order == 1:
        return _better(best, _at_corners(falling, slope, radius))
    return _better(best, _in_cubes(form, noise, slope, radius, multiplier))


def _better(one: LowestPoints, other: LowestPoints) -> LowestPoints:
    larger = other.bound > one.bound
    return LowestPoints(
        np.where(larger, other.bound, one.bound), np.where(larger[:, None], other.move, one.move)
    )


def _in_l2(
    eigenvalues: FloatArray,
    vectors: FloatArray,
    noise: FloatArray,
    slope: FloatArray,
    radius: FloatArray,
) -> tuple[LowestPoints, FloatArray]:
    """Return the bounds in L2, and their multipliers."""
    turned = np.matmul(slope[:, None, :], vectors)[:, 0]
    # From here on the shifted form is positive definite, by more than its rounding.
    low = np.maximum(0.0, 2 * noise - eigenvalues[:, 0]) + _TINY
    high = low + 0.5 * np.linalg.norm(turned, axis=1) / radius
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        longer = np.linalg.norm(0.5 * turned / (eigenvalues + middle[:, None]), axis=1) > radius
        low, high = np.where(longer, middle, low), np.where(longer, high, middle)
    shifted = eigenvalues + high[:, None]
    spent = 0.25 * (turned * turned / (shifted - noise[:, None])).sum(axis=1)
    bound = -(spent + high * radius * radius) * (1 + _ROUNDING * slope.shape[1])
    move = np.matmul(vectors, (-0.5 * turned / shifted)[:, :, None])[:, :, 0]
    return LowestPoints(bound, move), high


def _at_corners(falling: FloatArray, slope: FloatArray, radius: FloatArray) -> LowestPoints:
    """Bound L1: what is left without the convex part is lowest at a corner of the ball."""
    ends = np.abs(slope) * radius[:, None] + falling * (radius * radius)[:, None]
    rows, corner = np.arange(len(slope)), ends.argmax(axis=1)
    move = np.zeros_like(slope)
    move[rows, corner] = -np.sign(slope[rows, corner]) * radius
    return LowestPoints(-ends.max(axis=1) * (1 + _ROUNDING), move)


def _in_cubes(
    form: FloatArray,
    noise: FloatArray,
    slope: FloatArray,
    radius: FloatArray,
    multiplier: FloatArray,
) -> LowestPoints:
    """Bound Linf: multipliers grow where moves leave the cube, and shrink where they do not."""
    n_rows, n_moves = slope.shape
    m = np.repeat(multiplier[:, None], n_moves, axis=1)
    best = np.full(n_rows, -np.inf)
    move = np.zeros_like(slope)
    own = np.arange(n_moves)
    for _ in range(_CUBE_STEPS):
        shifted = form.copy()
        shifted[:, own, own] += m
        eigenvalues, vectors = np.linalg.eigh(shifted)
        # A form that is not positive definite is shifted until it is.
        lack = np.maximum(4 * noise - eigenvalues[:, 0], 0.0)
        m, eigenvalues = m + lack[:, None], eigenvalues + lack[:, None] + _TINY
        turned = np.matmul(slope[:, None, :], vectors)[:, 0]
        spent = 0.25 * (turned * turned / (eigenvalues - 2 * noise[:, None])).sum(axis=1)
        bound = -(spent + m.sum(axis=1) * radius * radius) * (1 + _ROUNDING * n_moves)
        step = np.matmul(vectors, (-0.5 * turned / eigenvalues)[:, :, None])[:, :, 0]
        better = bound > best
        best, move = np.where(better, bound, best), np.where(better[:, None], step, move)
        m = m * np.clip(np.abs(step) / radius[:, None], 0.25, 4.0)
    return LowestPoints(best, np.clip(move, -radius[:, None], radius[:, None]))

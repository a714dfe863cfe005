"""Bisection between clean rows and adversarial points, all chains in step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Decide = Callable[[np.ndarray, np.ndarray], np.ndarray]


def between(x: np.ndarray, far: np.ndarray, t: np.ndarray, norm: float) -> np.ndarray:
    """Return the point at share `t` of the way from `x` to `far`.

    In L2 it lies on the straight line; in Linf it is `far` clipped to the cube around `x` whose
    half-width is `t` times the distance (the projection of the HopSkipJump paper,
    arXiv:1904.02144).
    """
    if norm == np.inf:
        half = t[:, None] * np.abs(far - x).max(axis=1, initial=0.0)[:, None]
        return np.clip(far, x - half, x + half)
    return x + t[:, None] * (far - x)


def bisect(
    decide: Decide,
    x: np.ndarray,
    far: np.ndarray,
    owner: np.ndarray,
    *,
    tolerance: float,
    norm: float = 2,
) -> np.ndarray:
    """Move adversarial points towards their clean rows until they sit on the boundary.

    Parameters
    ----------
    decide : callable
        ``decide(Z, owner) -> bool array``, True where the model is fooled.
    x : ndarray of shape (m, d)
        Clean coordinates, one row per chain.
    far : ndarray of shape (m, d)
        Adversarial coordinates.
    owner : ndarray of shape (m,), int
        Passed through to `decide`.
    tolerance : float
        Width of the final bracket, as a share of the distance from `x` to `far`.
    norm : {2, inf}, default=2
        Which way to walk, see :func:`between`.

    Returns
    -------
    ndarray of shape (m, d)
        The adversarial ends of the brackets, never their middles.
    """
    low, high = np.zeros(len(x)), np.ones(len(x))
    if not len(x):
        return far.copy()
    for _ in range(int(np.ceil(np.log2(1.0 / tolerance)))):
        middle = (low + high) / 2
        fooled = decide(between(x, far, middle, norm), owner)
        high = np.where(fooled, middle, high)
        low = np.where(fooled, low, middle)
    return np.where(high[:, None] == 1.0, far, between(x, far, high, norm))

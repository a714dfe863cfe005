"""Bisection between clean rows and adversarial points, all in step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.space import as_norm

Decide: TypeAlias = Callable[[FloatArray, IntArray], BoolArray]
"""``decide(Z, owner)``: True where points fool the model."""


def bisect(
    decide: Decide,
    x: FloatArray,
    far: FloatArray,
    owner: IntArray,
    *,
    tolerance: float,
    norm: float = 2,
    first: float | None = None,
) -> FloatArray:
    """Move adversarial points towards their clean rows until they sit on the boundary.

    Parameters
    ----------
    decide : callable
        ``decide(Z, owner) -> bool array``, True where the model is fooled.
    x : ndarray of shape (m, d)
        Clean coordinates of each point.
    far : ndarray of shape (m, d)
        Adversarial coordinates.
    owner : ndarray of shape (m,), int
        Passed through to `decide`.
    tolerance : float
        Width of the final bracket, as a share of the distance from `x` to `far`.
    norm : float, default=2
        Order of the norm, which decides on the way: see ``Norm.shrink``.
    first : float or None, default=None
        Try a bracket of this width at the far end first, and widen it eightfold while that fails:
        fewer questions for points that lie on the boundary already. None starts with the whole way.

    Returns
    -------
    ndarray of shape (m, d)
        The adversarial ends of the brackets, never their middles.
    """
    shrink = as_norm(norm).shrink
    low, high = np.zeros(len(x)), np.ones(len(x))
    width = np.full(len(x), 1.0 if first is None else first)
    open_end = np.full(len(x), first is not None)
    pending = np.arange(len(x))
    while len(pending):
        chosen = x[pending], far[pending], low[pending], high[pending]
        outward = open_end[pending] & (width[pending] < 1)
        middle = np.where(outward, 1 - width[pending], (chosen[2] + chosen[3]) / 2)
        fooled = decide(shrink(chosen[0], chosen[1], middle), owner[pending])
        high[pending] = np.where(fooled, middle, chosen[3])
        low[pending] = np.where(fooled, chosen[2], middle)
        open_end[pending] = outward & fooled
        width[pending] *= 8
        pending = pending[(high - low > tolerance)[pending] & (high[pending] > 0)]
    return np.where((high == 1.0)[:, None], far, shrink(x, far, high))

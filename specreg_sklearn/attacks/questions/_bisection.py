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

    `x` and `far`, of shape (m, d), are the clean and the adversarial coordinates of each point;
    `owner` is passed through to `decide`. The final brackets are `tolerance` wide, as a share of
    the way, which depends on `norm`: see ``Norm.shrink``. Their adversarial ends are returned,
    never their middles. With `first`, a bracket of this width at the far end is tried first, and
    widened eightfold while that fails: fewer questions for points near the boundary.
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

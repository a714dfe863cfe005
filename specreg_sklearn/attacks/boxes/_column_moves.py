"""Moves towards the clean rows that a rounding of whole numbers does not undo."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.questions import SearchTask


def toward(task: SearchTask, points: FloatArray, owner: IntArray, share: FloatArray) -> FloatArray:
    """Return points moved a share of the way to their clean rows; whole numbers by 1 at least."""
    rows, x = task.oracle.rows, task.x[owner]
    gap = points - x
    step = share[:, None] * gap
    if rows.integer.any():
        one = np.minimum(np.abs(gap), rows.integer / rows.scale)
        step = np.where(np.abs(step) < one, np.copysign(one, gap), step)
    return np.asarray(points - step)

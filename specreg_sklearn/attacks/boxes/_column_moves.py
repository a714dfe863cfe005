"""Moves column by column, and what becomes of them where cells are rounded."""

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


def as_built(task: SearchTask, points: FloatArray, owner: IntArray) -> FloatArray:
    """Return coordinates of the rows that points stand for: clipped, rounded and cast."""
    rows = task.oracle.rows
    if rows.exact:
        return task.clip(points, owner)
    steps = rows.snap(points, owner) - rows.raw[owner]
    return np.asarray(task.x[owner] + steps / rows.scale)

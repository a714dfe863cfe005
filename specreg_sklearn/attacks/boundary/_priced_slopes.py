"""Nearest points of sloping boundaries where a column costs more one way than the other.

A walk along a boundary follows right angles in coordinates, in which both ways of a column are as
long. Where one of them is dearer, the nearest point lies elsewhere. It is known once the slope is:
so the slope is measured, column by column, by how far rays that are bent into a column reach, and
the next ray leads where a flat boundary of this slope is nearest at the prices.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.questions import SearchTask, bisect

# How far rays are bent, as a share of their length: first widely, then less.
_BENDS = (0.5, 0.15)
# Where bent rays may meet the boundary, in lengths of the ray, and in how many steps they do.
_NEAR, _FAR, _STEPS = 0.5, 2.0, 8
_LONGER = (1.02, 1.1, 1.4, 2.0)
_TOLERANCE = 2.0**-9
# With more columns than this the slope costs more than a budget.
_MOST_COLUMNS = 48


def follow_priced_slopes(task: SearchTask, rows: IntArray) -> None:
    """Bring the best points of rows at sloping boundaries nearer, at prices that differ by way."""
    norm, d = task.oracle.norm, task.x.shape[1]
    dearer = task.oracle.rows.dearer(norm)
    if dearer is None or (dearer[0] == dearer[1]).all() or norm == 0 or d > _MOST_COLUMNS:
        return
    x, best = task.x[rows], task.oracle.best[rows]
    bisect(task.oracle.decide, x, best, rows, tolerance=_TOLERANCE, norm=2)
    for bend in _BENDS:
        rows = rows[task.is_open(rows)]
        if not len(rows):
            return
        slope = _slopes(task, rows, bend)
        price = np.where(slope > 0, *dearer)
        way = _nearest_way(slope / price, norm) / price
        along = (slope * way).sum(axis=1)
        some = along > 0
        # By the slope, a step of 1 along the ray leads to the boundary.
        way = way[some] / along[some][:, None]
        _reach(task, way, rows[some])


def _nearest_way(slope: FloatArray, norm: float) -> FloatArray:
    """Return the directions in which flat boundaries of these slopes are nearest, (m, d)."""
    if norm == 1:
        steepest = np.abs(slope).argmax(axis=1)[:, None] == np.arange(slope.shape[1])
        return np.sign(slope) * steepest
    return slope if norm == 2 else np.sign(slope)


def _slopes(task: SearchTask, rows: IntArray, bend: float) -> FloatArray:
    """Return slopes of the boundary at the best points, (m, d), of 1 along their own rays."""
    x, ray = task.x[rows], task.oracle.best[rows] - task.x[rows]
    m, d = ray.shape
    size = bend * np.linalg.norm(ray, axis=1)
    # A bend to the side where the box has more room.
    up = task.hi[rows] - x >= x - task.lo[rows]
    bent = size[:, None] * np.where(up, 1.0, -1.0)
    rays = (ray[:, None] + np.eye(d) * bent[:, :, None]).reshape(-1, d)
    owner, centre = np.repeat(rows, d), np.repeat(x, d, axis=0)
    low, high = np.full(m * d, _NEAR), np.full(m * d, _FAR)
    for _ in range(_STEPS):
        middle = np.sqrt(low * high)
        fooled = task.oracle.decide(centre + middle[:, None] * rays, owner)
        low, high = np.where(fooled, low, middle), np.where(fooled, middle, high)
    reach = np.sqrt(low * high).reshape(m, d)
    return np.asarray((1 / reach - 1) / bent)


def _reach(task: SearchTask, way: FloatArray, owner: IntArray) -> None:
    """Go along rays until the model is fooled, and back to the boundary."""
    x, far = task.x[owner], np.full(len(owner), np.nan)
    for longer in _LONGER:
        open_ = np.flatnonzero(np.isnan(far))
        points = x[open_] + longer * way[open_]
        far[open_[task.oracle.decide(points, owner[open_])]] = longer
    some = np.flatnonzero(~np.isnan(far))
    points = x[some] + far[some][:, None] * way[some]
    bisect(task.oracle.decide, x[some], points, owner[some], tolerance=_TOLERANCE, norm=2)

"""Restoring columns: the nearest point of a box-shaped region, column by column.

Where a model asks about one column at a time (trees, forests, boosted trees, whole numbers), the
region that fools it is a union of boxes. The point of a box nearest to the clean row differs from
it in few columns, and in each just as far as the box demands. So all columns that are not needed
are restored to their clean values in groups, and those that are needed are bisected one by one.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.questions import SearchTask

# Columns are first restored in groups of this share of those that moved.
_FIRST_GROUP = 0.25
# A column is left alone once its bracket matters less than this to the distance.
_PRECISION = 2.0**-11
_MOST_ROUNDS = 100


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


def restore_columns(task: SearchTask, points: FloatArray, owner: IntArray) -> FloatArray:
    """Return adversarial points nearer to the clean rows, found by moving single columns back.

    Columns that are not needed to fool the model return to their clean values, the largest moves
    first; the others go back as far as the model stays fooled. Points that cannot become the
    nearest of their row are left half-way.
    """
    if not len(points):
        return points
    points, needed = _restore_groups(task, as_built(task, points, owner), owner)
    return _bisect_columns(task, points, owner, needed)


def _restore_groups(
    task: SearchTask, points: FloatArray, owner: IntArray
) -> tuple[FloatArray, BoolArray]:
    """Return (points, which columns they need).

    The columns of each point are taken in one order. A group of them is restored; if
    that fails, halving finds the first column of the group that is needed. A column costs about
    log2(columns / needed columns) questions if it is needed, and next to none if it is not.
    """
    x, (m, d) = task.x[owner], points.shape
    gap = np.abs(points - x)
    order = np.argsort(-gap, axis=1, kind="stable")
    place = np.argsort(order, axis=1, kind="stable")
    n_moved = (gap > 0).sum(axis=1)
    needed = np.zeros((m, d), dtype=bool)
    # All columns before `at` are settled. `failed` columns from there cannot all be restored (0:
    # nothing is known yet).
    at, failed = np.zeros(m, dtype=np.int64), np.zeros(m, dtype=np.int64)
    group = np.maximum((n_moved * _FIRST_GROUP).astype(np.int64), 1)
    while True:
        now = np.flatnonzero((at < n_moved) & task.is_open(owner))
        if not len(now):
            break
        begin, closing = at[now, None], failed[now] > 0
        size = np.where(closing, failed[now] // 2, np.minimum(group[now], n_moved[now] - at[now]))
        chosen = (place[now] >= begin) & (place[now] < begin + size[:, None])
        tried = np.where(chosen, x[now], points[now])
        fooled = task.oracle.decide(tried, owner[now])
        good, bad = now[fooled], now[~fooled]
        points[good] = tried[fooled]
        at[good] += size[fooled]
        failed[good] = np.maximum(failed[good] - size[fooled], 0)
        group[good[~closing[fooled]]] *= 2
        failed[bad] = size[~fooled]
        found = now[failed[now] == 1]
        needed[found, order[found, at[found]]] = True
        at[found] += 1
        failed[found] = 0
        group[found] = np.maximum(group[found] // 2, 1)
    # What was not asked about any more may be needed.
    needed |= place >= at[:, None]
    return points, needed & (points != x)


def _bisect_columns(
    task: SearchTask, points: FloatArray, owner: IntArray, needed: BoolArray
) -> FloatArray:
    """Move each needed column back as far as the model stays fooled.

    All columns of all points are asked about in one call, each moved alone. Those that may move are
    moved together if the model stays fooled, else the one that gains most.
    """
    rows, x = task.oracle.rows, task.x[owner]
    full = points - x
    low, high = np.zeros(full.shape), np.ones(full.shape)
    # Whole numbers have no room left once they are neighbours.
    unit = rows.integer / rows.scale / np.where(full != 0, np.abs(full), 1.0)
    pending = np.ones(len(points), dtype=bool)
    for _ in range(_MOST_ROUNDS):
        length = np.einsum("ij,ij->i", high * full, high * full)
        least = np.sqrt(np.einsum("ij,ij->i", low * full, low * full))
        pending &= task.is_open(owner) & (least <= task.oracle.best_distance[owner])
        matters = (high - low) * high * full**2 > _PRECISION * length[:, None]
        point, column = np.nonzero(needed & matters & (high - low > 1.5 * unit) & pending[:, None])
        if not len(point):
            break
        middle = (low + high)[point, column] / 2
        step = unit[point, column]
        middle = np.where(
            step > 0, np.floor(middle / np.where(step > 0, step, 1.0) + 1e-9) * step, middle
        )
        tried = (x + high * full)[point]
        tried[np.arange(len(point)), column] = x[point, column] + middle * full[point, column]
        fooled = task.oracle.decide(tried, owner[point])
        low[point[~fooled], column[~fooled]] = middle[~fooled]
        moved = high.copy()
        moved[point[fooled], column[fooled]] = middle[fooled]
        several = np.flatnonzero((moved < high).sum(axis=1) > 1)
        together = task.oracle.decide((x + moved * full)[several], owner[several])
        for i in several[~together]:
            best = np.argmax((high[i] - moved[i]) * full[i] ** 2)
            kept = moved[i, best]
            moved[i] = high[i]
            moved[i, best] = kept
        high = moved
    return np.asarray(x + high * full)

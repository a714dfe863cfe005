"""Starts on the way from the mean of one class to the mean of another, for rows of many columns.

A walk learns the normal of a boundary from answers of one bit, so with thousands of columns it
takes thousands of them. What the model says about the rows of data costs no query, and the
difference of two class means is a guess at the normal that no boundary of linear scores is far
from. Where the guess is poor, the nearest rows of data lie nearer and are taken.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.questions import SearchTask, StartPoints, StartPool
from specreg_sklearn.tables import rank_within

LEAST_COLUMNS = 256
"""With fewer columns a walk soon knows better."""

# How far out points are asked about, in units of the distance of the row's nearest start.
_REACH = np.array([0.25, 0.5, 1.0, 2.0])


def with_means(task: SearchTask) -> StartPoints:
    """Return the starts of a task, and for each class among a row's starts one by class means.

    A step goes in the direction from the mean of the rows of data that would not do as starts to
    the mean of the class. Rows of few columns, and those whose starts the user gave, get none.
    """
    starts = task.starts, task.owner, task.group
    if task.pool is None or task.x.shape[1] < LEAST_COLUMNS or not len(task.owner):
        return starts
    rank = rank_within((task.group, task.owner))
    owner, group = task.owner[rank == 0], task.group[rank == 0]
    steps = _steps(task, task.pool, owner, group)
    length = task.length(steps)
    owner, group, steps, length = (a[length > 0] for a in (owner, group, steps, length))
    if not len(owner):  # as where the pool holds one class only
        return starts
    nearest = np.full(len(task.x), np.inf)
    np.minimum.at(nearest, task.owner, task.distance(task.starts, task.owner))
    size = (nearest[owner] / length)[:, None] * _REACH
    points = task.x[owner][:, None] + size[:, :, None] * steps[:, None]
    points = task.clip(points.reshape(-1, steps.shape[1]), np.repeat(owner, len(_REACH)))
    fooled = task.oracle.decide(points, np.repeat(owner, len(_REACH))).reshape(size.shape)
    found = fooled.any(axis=1)
    first = points.reshape(*size.shape, -1)[found, fooled[found].argmax(axis=1)]
    parts = zip(starts, (first, owner[found], group[found]), strict=True)
    joined, whose, which = (np.concatenate(part) for part in parts)
    order = np.argsort(whose, kind="stable")
    return joined[order], whose[order], which[order]


def _steps(task: SearchTask, pool: StartPool, owner: IntArray, group: IntArray) -> FloatArray:
    """Return the differences of class means for rows and the classes their starts came from."""
    labels, steps = task.oracle.labels[owner], np.zeros((len(owner), task.x.shape[1]))
    for label, code in sorted(set(zip(labels.tolist(), group.tolist(), strict=True))):
        there, away = pool.codes == code, np.ones(len(pool.codes), dtype=bool)
        away[pool.fooling(label, task.oracle.targeted)] = False
        if there.any() and away.any():
            steps[(labels == label) & (group == code)] = pool.mean(there) - pool.mean(away)
    steps[task.oracle.rows.missing[owner]] = 0.0
    return steps

"""The choice among many starts: which of a row's starts are worth a search.

Every start lies on a segment from its clean row. All segments are bisected in step, and a start is
dropped as soon as its boundary point is known to lie too far out to become the best one.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.questions import SearchTask, StartPoints, nearest_by_group
from specreg_sklearn.space import as_norm

# A model that is fooled however near a point comes would be bisected for ever.
_MOST_ROUNDS = 50


def choose_starts(
    task: SearchTask,
    keep: int | IntArray,
    rounds: int,
    *,
    slack: float,
    tolerance: float,
    starts: StartPoints | None = None,
    rivals: FloatArray | None = None,
) -> StartPoints:
    """Bring the most promising starts of each row, those of the task or others, to the boundary.

    After `rounds` halvings, `keep` starts of a row (one number, or one per start) go on, until
    their brackets are as narrow as `tolerance`, a share of the distance. A start is dropped early
    if its boundary point is `slack` times as far as the best one's, or as that of the row's entry
    of `rivals`, (n,). Returns the adversarial ends of
    the brackets, their rows, and the classes that the starts were taken from.
    """
    far, owner, group = (task.starts, task.owner, task.group) if starts is None else starts
    x, shrink = task.x[owner], as_norm(task.oracle.norm).shrink
    reach = task.distance(far, owner)
    low, high = np.zeros(len(far)), np.ones(len(far))

    def halve(some: IntArray) -> None:
        middle = (low[some] + high[some]) / 2
        points = shrink(x[some], far[some], middle)
        fooled = task.oracle.decide(points, owner[some], remember=False)
        high[some] = np.where(fooled, middle, high[some])
        low[some] = np.where(fooled, low[some], middle)

    alive = np.ones(len(far), dtype=bool)
    for _ in range(rounds):
        best = np.full(len(task.x), np.inf) if rivals is None else rivals.copy()
        np.minimum.at(best, owner, high * reach)
        alive &= low * reach <= slack * best[owner]
        halve(np.flatnonzero(alive))
    alive &= nearest_by_group(owner, group, np.where(alive, high * reach, np.inf), keep)
    for _ in range(_MOST_ROUNDS):
        wide = np.flatnonzero(alive & (high - low > tolerance * high))
        if not len(wide):
            break
        halve(wide)
    chosen = np.flatnonzero(alive)
    there = shrink(x[chosen], far[chosen], high[chosen])
    points = np.where((high[chosen] == 1)[:, None], far[chosen], there)
    # The nearest of a row is among the chosen ones.
    task.oracle.remember(points, owner[chosen])
    return points, owner[chosen], group[chosen]

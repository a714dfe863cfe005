"""Many starts, few finishers: which of a row's starts are worth a search.

Every start lies on a segment from its clean row. All segments are bisected in step, and a start is
dropped as soon as its boundary point is known to lie too far out to catch up with the best one.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn.attacks.questions import SearchTask, best_of_owner, leaders
from specreg_sklearn.space import as_norm

# A model that is fooled however near a point comes would be bisected for ever.
_MOST_ROUNDS = 50


def race(
    task: SearchTask, *, keep: int, rounds: int, slack: float, tolerance: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bring the most promising starts of each row to the boundary.

    Parameters
    ----------
    task : SearchTask
        Its starts are adversarial points anywhere.
    keep : int
        How many starts of a row reach the finish.
    rounds : int
        Halvings before that choice is made.
    slack : float
        A start is dropped early if its boundary point is this many times as far as the best one's.
    tolerance : float
        Width of the final brackets, as a share of the distance.

    Returns
    -------
    points : ndarray of shape (m, d)
        Adversarial points, within the tolerance of the boundary.
    owner : ndarray of shape (m,), int
        Their rows.
    group : ndarray of shape (m,), int
        The class the start was taken from.
    """
    far, owner, group = task.starts, task.owner, task.group
    n, shrink = len(task.x), as_norm(task.oracle.norm).shrink
    x = task.x[owner]
    reach = task.distance(far, owner)
    low, high = np.zeros(len(far)), np.ones(len(far))

    def halve(chains: np.ndarray) -> None:
        middle = (low[chains] + high[chains]) / 2
        points = shrink(x[chains], far[chains], middle)
        fooled = task.oracle.decide(points, owner[chains], remember=False)
        high[chains] = np.where(fooled, middle, high[chains])
        low[chains] = np.where(fooled, low[chains], middle)

    alive = np.ones(len(far), dtype=bool)
    for _ in range(rounds):
        alive &= low * reach <= slack * best_of_owner(owner, high * reach, n)
        halve(np.flatnonzero(alive))
    alive &= leaders(owner, group, np.where(alive, high * reach, np.inf), keep)
    for _ in range(_MOST_ROUNDS):
        wide = np.flatnonzero(alive & (high - low > tolerance * high))
        if not len(wide):
            break
        halve(wide)
    chosen = np.flatnonzero(alive)
    there = shrink(x[chosen], far[chosen], high[chosen])
    points = np.where((high[chosen] == 1)[:, None], far[chosen], there)
    # The nearest of a row is among those that finish.
    task.oracle.remember(points, owner[chosen])
    return points, owner[chosen], group[chosen]

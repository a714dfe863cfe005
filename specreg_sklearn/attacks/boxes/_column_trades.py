"""Trades between columns, for boundaries that slope, in L1.

Where a boundary slopes, a step in L1 gains most along the column in which the slope is steepest. A
search that takes columns home one after the other seldom ends there: to give up all of one column
for another would pay, but a part of it alone does not show that. So a share of the whole move is
traded for a move of one column, up or down, with all columns asked about at once: first the whole
move, then smaller and smaller shares (steps of Frank and Wolfe, in the ball of L1).
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.questions import SearchTask, bisect

_SHARES = (1.0, 0.5, 0.25, 0.12, 0.06, 0.03)
# Trades begin just within the best distance, and become shorter by this factor.
_INSIDE, _SHORTER = 0.998, 0.85
_MOST_ROUNDS, _MOST_SHORTENED = 60, 40
# Rows with more columns than this would spend a budget on the first round alone.
_MOST_COLUMNS = 256
_TOLERANCE = 2.0**-10


def trade_columns(task: SearchTask, rows: IntArray) -> None:
    """Bring the best points of rows nearer in L1, until no trade helps or budgets are spent."""
    oracle = task.oracle
    if task.x.shape[1] > _MOST_COLUMNS:
        return
    level = np.zeros(len(task.x), dtype=np.int64)
    for _ in range(_MOST_ROUNDS):
        rows = rows[task.is_open(rows) & (level[rows] < len(_SHARES))]
        if not len(rows):
            break
        before = oracle.best_distance[rows]
        moves, owner = _trades(task, rows, np.array(_SHARES)[level[rows]])
        moves, owner = _shortened(task, moves, owner)
        x = task.x[owner]
        bisect(oracle.decide, x, x + moves, owner, tolerance=_TOLERANCE, norm=oracle.norm)
        level[rows] += oracle.best_distance[rows] == before


def _trades(task: SearchTask, rows: IntArray, share: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return moves with a share of the best one traded for each column and side; their owners."""
    (m, d), distance = (len(rows), task.x.shape[1]), task.oracle.best_distance[rows]
    kept = (1 - share)[:, None] * (task.oracle.best[rows] - task.x[rows])
    moves = np.repeat(kept, 2 * d, axis=0).reshape(m, d, 2, d)
    column = np.arange(d)
    step = (share * distance)[:, None]
    moves[:, column, 0, column] += step
    moves[:, column, 1, column] -= step
    return _INSIDE * moves.reshape(-1, d), np.repeat(rows, 2 * d)


def _shortened(task: SearchTask, moves: FloatArray, owner: IntArray) -> tuple[FloatArray, IntArray]:
    """Make moves shorter in step; return those that were the last to fool, for each row."""
    last, whose = moves[:0], owner[:0]
    for _ in range(_MOST_SHORTENED):
        if not len(owner):
            break
        fooled = task.oracle.decide(task.x[owner] + moves, owner)
        moves, owner = moves[fooled], owner[fooled]
        ended = ~np.isin(whose, owner)
        last, whose = np.concatenate([last[ended], moves]), np.concatenate([whose[ended], owner])
        moves = _SHORTER * moves
    return last, whose

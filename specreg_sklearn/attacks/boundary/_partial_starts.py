"""Starts that make a part of the move to a row of data: for rows of few columns.

With few columns a walk soon has seen all of the basin it began in, and the nearest rows of data
tend to lie in one and the same. A part of the move to such a row, some of the columns or only what
goes up, may fool the model too, and lie in another basin. That is also where a smaller space would
look, in which the other columns are fixed or go one way only.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn.attacks.questions import SearchTask, StartPoints, stream
from specreg_sklearn.tables import rank_within

MOST_COLUMNS = 24
"""With more columns a walk is still under way when other starts are due, and every query counts."""

# Rows of data whose moves are cut, for each clean row.
_N_CUT = 6
_HALVES_DRAW = 2**45


def partial_starts(task: SearchTask, starts: StartPoints) -> StartPoints:
    """Return parts of the moves to the first few of each row's starts, which may be adversarial.

    Each move is cut into its ways up and down, and into two halves of the columns by chance.
    """
    points, owner, group = starts
    rank = rank_within((owner,))
    first = rank < _N_CUT
    owner, group, rank = owner[first], group[first], rank[first]
    moves = points[first] - task.x[owner]
    half = (stream(task.seed, _HALVES_DRAW).random((_N_CUT, moves.shape[1])) < 0.5)[rank]
    parts = np.stack([moves > 0, moves < 0, half, ~half], axis=1) & (moves != 0)[:, None]
    n_moved = parts.sum(axis=2)
    # The whole move is a start itself, and no move is none.
    which, part = np.nonzero((n_moved > 0) & (n_moved < np.count_nonzero(moves, axis=1)[:, None]))
    whose = owner[which]
    tried = task.x[whose] + np.where(parts[which, part], moves[which], 0.0)
    return task.clip(tried, whose), whose, group[which]

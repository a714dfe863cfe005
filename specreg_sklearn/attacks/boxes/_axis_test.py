"""Tell boundaries that are thresholds on one column, as in trees, from oblique ones.

The columns are split in halves, and each half alone is moved a little towards the clean row. At a
threshold exactly one of the two moves leaves the region where the model is fooled: the one that
holds the threshold's column. At an oblique boundary both do, as a rule, and the test is over after
two questions. Else the half that mattered is split again, down to a single column.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.boxes._column_moves import toward
from specreg_sklearn.attacks.questions import SearchTask, stream

# How far columns move, in widths of the bracket in which the boundary is known to lie.
_WIDTHS, _LARGEST_SHARE = 4, 0.125
# How much the largest change is reduced, and how far the others then go, as shares: among many
# thresholds, a threshold may look oblique from one distance, but hardly from two.
_TRADES = ((0.01, 0.1), (0.002, 0.02))
_N_TRADES, _LEAST_TRADES = 5, 3
# Keys of the draws, far beyond the iterations of any search.
_AXIS_DRAW, _TRADE_DRAW = 2**40, 2**41


def at_threshold(
    task: SearchTask, points: FloatArray, owner: IntArray, tolerance: float
) -> BoolArray:
    """Mark adversarial points where a single column decides whether the model is fooled.

    `tolerance` is how near to the boundary they are, as a share of their distance.
    """
    moved = toward(
        task, points, owner, np.full(len(points), min(_WIDTHS * tolerance, _LARGEST_SHARE))
    )
    column = _deciding_column(task, points, moved, owner)
    aligned = column >= 0
    # At an oblique boundary this may be chance; but then the other columns matter as well.
    again = np.flatnonzero(aligned)
    chosen = column[again][:, None] == np.arange(points.shape[1])
    others = np.where(chosen, points[again], moved[again])
    aligned[again] = task.oracle.decide(others, owner[again], remember=False)
    return aligned


def _deciding_column(
    task: SearchTask, points: FloatArray, moved: FloatArray, owner: IntArray
) -> IntArray:
    """Return the one column whose move leaves the region, or -1 where there is no such column."""
    m, d = points.shape
    if not m:
        return np.empty(0, dtype=np.int64)
    # Neighbouring columns tend to matter together, so halves are drawn; all rows share the draw.
    place = _order(task.seed, d)
    first, last = np.zeros(m, dtype=np.int64), np.full(m, d)
    pending = np.arange(m)
    column = np.full(m, -1)
    while len(pending):
        single = last[pending] - first[pending] == 1
        if single.any():
            column[pending[single]] = np.argsort(place)[first[pending[single]]]
            pending = pending[~single]
        middle = (first[pending] + last[pending]) // 2
        far, near = points[pending], moved[pending]
        middle_column = middle[:, None]
        chosen = (place >= first[pending, None]) & (place < middle_column)
        other = (place >= middle_column) & (place < last[pending, None])
        halves = np.concatenate([np.where(chosen, near, far), np.where(other, near, far)])
        fooled = task.oracle.decide(halves, np.tile(owner[pending], 2), remember=False)
        left, right = fooled[: len(pending)], fooled[len(pending) :]
        first[pending] = np.where(left, middle, first[pending])
        last[pending] = np.where(left, last[pending], middle)
        pending = pending[left != right]
    return column


@lru_cache(maxsize=64)
def _order(seed: int, d: int) -> IntArray:
    """Return the places of the columns in an order of chance, read-only."""
    order = stream(seed, _AXIS_DRAW).permutation(d)
    order.flags.writeable = False
    return order


def is_oblique(task: SearchTask, rows: IntArray, turn: int) -> BoolArray:
    """Return whether rows' best points, with no column to restore, are at oblique boundaries."""
    oblique = np.ones(len(rows), dtype=bool)
    for k, (loss, trade) in enumerate(_TRADES):
        some = np.flatnonzero(oblique)
        key = _TRADE_DRAW + len(_TRADES) * turn + k
        oblique[some] = _can_be_made_up_for(task, rows[some], loss, trade, key)
    return oblique


def _can_be_made_up_for(
    task: SearchTask, rows: IntArray, loss: float, trade: float, key: int
) -> BoolArray:
    """Return whether other columns can make up for the largest change of best points.

    At a corner of a box no column can make up for another. So the largest change is made a little
    smaller, and all other columns move at random: at an oblique boundary, one of two opposite moves
    makes up for the loss.
    """
    if not len(rows):
        return np.zeros(0, dtype=bool)
    best, x = task.oracle.best[rows], task.x[rows]
    gap = best - x
    largest = np.abs(gap).argmax(axis=1)
    size = trade * task.oracle.best_distance[rows]
    signs = stream(task.seed, key).choice([-1.0, 1.0], size=(_N_TRADES, best.shape[1]))
    moves = np.stack([signs, -signs], axis=1).reshape(-1, best.shape[1])
    tried = best[:, None] + size[:, None, None] * moves
    each = np.arange(len(rows))
    tried[each, :, largest] = (x + (1 - loss) * gap)[each, largest][:, None]
    whose = np.repeat(rows, len(moves))
    fooled = task.oracle.decide(tried.reshape(len(whose), -1), whose)
    return np.asarray(
        fooled.reshape(len(rows), _N_TRADES, 2).any(axis=2).sum(axis=1) >= _LEAST_TRADES
    )

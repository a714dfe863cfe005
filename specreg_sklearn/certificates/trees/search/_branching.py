"""Where to cut a box in two: at the threshold that the best leaves disagree about most."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.trees.search._scan import Alive, Bound, Scan
from specreg_sklearn.certificates.trees.search._shares import Shares

_LESSER_SIDE = 1e-3
_EMPTY = 100.0


def cut_of(
    scan: Scan,
    alive: Alive,
    bound: Bound,
    low: IntArray,
    high: IntArray,
    near: IntArray,
    shares: Shares | None,
) -> tuple[int, int] | None:
    """Return (column, q): one half keeps the cells below q, the other one those from q on.

    Of all thresholds that the chosen leaves ask about, it is the one at which the bounds of both
    halves rise most: each tree whose leaf is cut off falls back to its next best one. None if the
    box is a single cell in all columns.
    """
    stub = scan.stub
    entry = scan.entries_of(alive.leaf[bound.chosen])
    column = stub.entry_column[entry]
    tree = np.repeat(np.arange(len(bound.chosen)), scan.n_entries[alive.leaf[bound.chosen]])
    above, below = stub.first[entry] > low[column], stub.last[entry] < high[column]
    up = _Asked(tree[above], column[above], stub.first[entry][above])
    down = _Asked(tree[below], column[below], stub.last[entry][below] + 1)
    n_cells = len(stub.cost)
    # Who asks for cells from q on loses in the half below q, and the other way round.
    lost_below = _losses(alive, bound, up, scan.first_of, -1)
    lost_above = _losses(alive, bound, down, scan.last_of, 1)
    wants_up = np.bincount(stub.start[up.column] + up.q, lost_below, n_cells)
    wants_down = np.bincount(stub.start[down.column] + down.q, lost_above, n_cells)
    asked = np.flatnonzero((wants_up > 0) | (wants_down > 0))
    if not len(asked):
        return _widest(low, high)
    halves = wants_up[asked].astype(np.float64), wants_down[asked].astype(np.float64)
    if shares is not None:
        unpaid_up, unpaid_down = _unpaid(scan, shares, entry, low, high, near, asked)
        halves = halves[0] + unpaid_down, halves[1] + unpaid_up
    # A product of gains: a cut that raises one half alone leaves the other one as it was.
    little = _LESSER_SIDE * np.maximum(*halves)
    score = (halves[0] + little) * (halves[1] + little)
    cell = int(asked[int(np.argmax(score))])
    j = int(np.searchsorted(stub.start, cell, side="right")) - 1
    return j, cell - int(stub.start[j])


class _Asked(NamedTuple):
    """Thresholds that trees ask about: cells from `q` on, or below it."""

    tree: IntArray
    column: IntArray
    q: IntArray


def _losses(
    alive: Alive, bound: Bound, asked: _Asked, ends: NDArray[np.int32], side: int
) -> FloatArray:
    """Return how much more each tree pays for its best leaf on the other side of a threshold."""
    if not len(asked.tree):
        return np.zeros(0)
    sizes = np.diff(np.append(alive.start, len(alive.leaf)))
    count = sizes[asked.tree]
    total = np.cumsum(count)
    place = np.arange(total[-1]) + np.repeat(alive.start[asked.tree] - (total - count), count)
    end = ends[alive.leaf[place], np.repeat(asked.column, count)]
    q = np.repeat(asked.q, count)
    stays = end < q if side < 0 else end >= q
    paid = np.where(stays, bound.paid[place], np.inf)
    least = bound.paid[bound.chosen][asked.tree]
    loss = np.minimum.reduceat(paid, total - count) - least
    # Where no leaf of the tree is left, that half is empty.
    return np.minimum(loss, _EMPTY * (1e-300 + float(np.ptp(bound.paid))))


def _unpaid(
    scan: Scan,
    shares: Shares,
    entry: IntArray,
    low: IntArray,
    high: IntArray,
    near: IntArray,
    asked: IntArray,
) -> tuple[FloatArray, FloatArray]:
    """Return the part of the costs of crossings, upwards and downwards, that nobody is charged."""
    stub = scan.stub
    column = stub.entry_column[entry]
    offset = stub.start[column]
    near_here = near[column]
    begin = np.maximum(low[column], stub.first[entry])
    end = np.minimum(high[column], stub.last[entry])
    need = np.clip(near_here, begin, end)
    tree = scan.entry_tree[entry]
    whose = np.searchsorted(stub.start, asked, side="right") - 1
    near_asked = stub.start[whose] + near[whose]
    n_asked = len(asked)
    charged_up, charged_down = np.zeros(n_asked), np.zeros(n_asked)
    # Crossing upwards at q enters cell q; downwards it enters q - 1.
    for moved, sign in ((need > near_here, 1), (need < near_here, -1)):
        some = np.flatnonzero(moved)
        if not len(some):
            continue
        low_cell = offset[some] + np.where(sign > 0, near_here[some] + 1, need[some])
        high_cell = offset[some] + np.where(sign > 0, need[some], near_here[some] - 1)
        entered = asked if sign > 0 else asked - 1
        inside = (low_cell[:, None] <= entered) & (entered <= high_cell[:, None])
        paid = np.where(inside, shares.part[tree[some]][:, np.maximum(entered, 0)], 0.0).sum(axis=0)
        if sign > 0:
            charged_up = paid
        else:
            charged_down = paid
    up = np.where(asked > near_asked, shares.price[asked] - charged_up, 0.0)
    down = np.where(asked <= near_asked, shares.price[np.maximum(asked - 1, 0)] - charged_down, 0.0)
    return np.maximum(up, 0.0), np.maximum(down, 0.0)


def _widest(low: IntArray, high: IntArray) -> tuple[int, int] | None:
    width = high - low
    j = int(np.argmax(width))
    if width[j] <= 0:
        return None
    return j, int(low[j] + 1 + (width[j] - 1) // 2)

"""Where to cut a box in two: at the threshold that the best leaves disagree about most."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.trees.search._scan import Bound, Scan
from specreg_sklearn.certificates.trees.search._shares import Shares

_LESSER_SIDE = 1e-3


def cut_of(
    scan: Scan, bound: Bound, low: IntArray, high: IntArray, near: IntArray, shares: Shares | None
) -> tuple[int, int] | None:
    """Return (column, q): one half keeps the cells below q, the other one those from q on.

    None if the box is a single cell in all columns.
    """
    stub = scan.stub
    entry = scan.entries_of(bound.chosen)
    column, tree = stub.entry_column[entry], scan.entry_tree[entry]
    weight = bound.weight[tree]
    offset = stub.start[column]
    above = stub.first[entry] > low[column]
    below = stub.last[entry] < high[column]
    n_cells = len(stub.cost)
    wants_up = np.bincount(
        (offset + stub.first[entry])[above], weight[above], n_cells + 1
    )[:n_cells]
    wants_down = np.bincount(
        (offset + stub.last[entry] + 1)[below], weight[below], n_cells + 1
    )[:n_cells]
    asked = np.flatnonzero((wants_up > 0) | (wants_down > 0))
    if not len(asked):
        return _widest(low, high)
    up, down = wants_up[asked], wants_down[asked]
    if shares is not None:
        unpaid_up, unpaid_down = _unpaid(scan, shares, entry, low, high, near, asked)
        down = down + unpaid_up
        up = up + unpaid_down
    score = np.minimum(up, down) + _LESSER_SIDE * np.maximum(up, down)
    cell = int(asked[int(np.argmax(score))])
    j = int(np.searchsorted(stub.start, cell, side="right")) - 1
    return j, cell - int(stub.start[j])


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
    down = np.where(
        asked <= near_asked, shares.price[np.maximum(asked - 1, 0)] - charged_down, 0.0
    )
    return np.maximum(up, 0.0), np.maximum(down, 0.0)


def _widest(low: IntArray, high: IntArray) -> tuple[int, int] | None:
    width = high - low
    j = int(np.argmax(width))
    if width[j] <= 0:
        return None
    return j, int(low[j] + 1 + (width[j] - 1) // 2)

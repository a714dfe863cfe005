"""What is left of an ensemble around a row: leaves nearer than a radius.

Most leaves are out of reach. Those that are left ask for few columns and few cells, and cells that
no leaf tells apart are one. That is small enough to be searched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.certificates.trees.search._compiled import leaf_loops


class Boxes(Protocol):
    """Leaves as boxes of cells; see LeafBoxes."""

    @property
    def cell_start(self) -> IntArray: ...
    @property
    def tree(self) -> IntArray: ...
    @property
    def leaf(self) -> IntArray: ...
    @property
    def column(self) -> IntArray: ...
    @property
    def first(self) -> IntArray: ...
    @property
    def last(self) -> IntArray: ...
    @property
    def entry_start(self) -> IntArray: ...
    @property
    def ends(self) -> tuple[IntArray, IntArray]: ...


class Around(Protocol):
    """The cells around a row; see RowCells."""

    @property
    def home(self) -> IntArray: ...
    @property
    def point(self) -> FloatArray: ...
    @property
    def leaf_out(self) -> BoolArray: ...
    @property
    def missing(self) -> BoolArray: ...


@dataclass(frozen=True, eq=False)
class Stub:
    """Leaves nearer than a radius, over the columns and cells that they tell apart.

    Parameters
    ----------
    column : ndarray of shape (d,), int
        The column of the model that each of its own is.
    start : ndarray of shape (d + 1,), int
        Where the cells of each column begin.
    home : ndarray of shape (d,), int
        The cell that the row is in, counted within its column, as are `first` and `last`.
    cost, point : ndarray of shape (n_cells,), float64
        The lowest cost of a cell, and the number that has it.
    leaf : ndarray of shape (n_leaves,), int
        The leaf of the ensemble that each one is, tree by tree.
    tree, tree_start : ndarray of int
        The tree of each leaf, and where each tree begins.
    entry_leaf, entry_start : ndarray of int
        The leaf of each entry, and where each leaf begins.
    entry_column, first, last : ndarray of shape (n_entries,), int
        What leaves ask for: a column, and the first and last cell there.
    settled : ndarray of int
        The only leaf within reach of each of the other trees.
    """

    column: IntArray
    start: IntArray
    home: IntArray
    cost: FloatArray
    point: FloatArray
    leaf: IntArray
    tree: IntArray
    tree_start: IntArray
    entry_leaf: IntArray
    entry_start: IntArray
    entry_column: IntArray
    first: IntArray
    last: IntArray
    settled: IntArray


def stub_within(
    boxes: Boxes, around: Around, cost: FloatArray, radius: float, *, additive: bool
) -> Stub:
    """Return what is left of an ensemble at costs below a radius.

    `cost` holds the cost of each cell (n_cells,), which add up over columns or, if not `additive`,
    count by the largest one.
    """
    kept = cost < radius
    # Also where the square of the nearest move is too small to be told from zero.
    kept[around.home] = True
    before = np.concatenate([[0], np.cumsum(kept)])
    start = before[boxes.cell_start]
    home = before[around.home]
    cell_cost = cost[kept]
    n_leaves = len(boxes.tree)
    # Few leaves are left, so the rest is about their entries.
    out, entry = _too_dear(boxes, around, cost, radius, additive=additive)
    leaf, column = boxes.leaf[entry], boxes.column[entry]
    shift = boxes.cell_start[column]
    first = before[shift + boxes.first[entry]]
    last = before[shift + boxes.last[entry] + 1] - 1
    free = around.missing[column]
    empty = ((first > last) | (boxes.first[entry] > boxes.last[entry])) & ~free
    out[leaf[empty]] = True
    if additive:
        nearest = np.clip(home[column], first, np.maximum(first, last))
        charged = np.where(free | empty, 0.0, cell_cost[np.minimum(nearest, len(cell_cost) - 1)])
        out |= np.bincount(leaf, charged, n_leaves) >= radius
    per_tree = np.bincount(boxes.tree[~out], minlength=int(boxes.tree[-1]) + 1)
    alone = per_tree[boxes.tree] == 1
    settled = np.flatnonzero(~out & alone)
    stays = ~out & ~alone
    narrow = (first > start[column]) | (last < start[column + 1] - 1)
    some = np.flatnonzero(stays[leaf] & narrow & ~free)
    return _renumbered(
        boxes, entry[some], first[some], last[some], start, home, cell_cost,
        around.point[kept], stays, settled,
    )  # fmt: skip


def _too_dear(
    boxes: Boxes, around: Around, cost: FloatArray, radius: float, *, additive: bool
) -> tuple[BoolArray, IntArray]:
    """Return which leaves (n_leaves,) are beyond a radius by a first look, and the others' entries.

    A cell between others may hold no number that the column can have. What counts is the cheapest
    cell there or farther from the row.
    """
    low, high = boxes.ends
    loops = leaf_loops()
    if loops is not None:
        out, entries = np.zeros(len(boxes.tree), dtype=bool), np.empty_like(boxes.leaf)
        n = loops.too_dear(
            cost, radius, additive, around.home, around.missing, around.leaf_out,
            boxes.cell_start, boxes.column, low, high, boxes.entry_start, out, entries,
        )  # fmt: skip
        return out, entries[:n]
    floor = cost.copy()
    for j, here in enumerate(around.home.tolist()):
        begin, end = boxes.cell_start[j], boxes.cell_start[j + 1]
        floor[begin : here + 1] = np.minimum.accumulate(cost[begin : here + 1])
        floor[here:end] = np.minimum.accumulate(cost[here:end][::-1])[::-1]
    home = around.home[boxes.column]
    nearest = np.clip(home, low, high)
    charged = np.where(around.missing[boxes.column], 0.0, floor[nearest])
    out = around.leaf_out.copy()
    if additive:
        out |= np.bincount(boxes.leaf, charged, len(boxes.tree)) >= radius
    else:
        out[boxes.leaf[(charged >= radius) & (nearest != home)]] = True
    return out, np.flatnonzero(~out[boxes.leaf])


def _renumbered(
    boxes: Boxes,
    entries: IntArray,
    first: IntArray,
    last: IntArray,
    start: IntArray,
    home: IntArray,
    cost: FloatArray,
    point: FloatArray,
    stays: BoolArray,
    settled: IntArray,
) -> Stub:
    """Drop columns and thresholds that no leaf asks about, and number the rest anew."""
    asked = np.zeros(len(home), dtype=bool)
    asked[boxes.column[entries]] = True
    columns = np.flatnonzero(asked)
    entry_column = (np.cumsum(asked) - 1)[boxes.column[entries]]
    n_cells = len(cost)
    cuts = np.zeros(n_cells + 1, dtype=bool)
    cuts[first] = cuts[last + 1] = cuts[start] = True
    group = np.cumsum(cuts[:-1]) - 1
    group_start = np.flatnonzero(cuts[:-1])
    group_end = np.append(group_start[1:], n_cells) - 1
    home_of = np.repeat(home, np.diff(start))
    nearest = np.clip(home_of[group_start], group_start, group_end)
    whose = np.repeat(np.arange(len(home)), np.diff(start))[group_start]
    taken = asked[whose]
    new_start = np.concatenate([[0], np.cumsum(np.bincount(whose[taken], minlength=len(home)))])
    begin = group[start[:-1]]  # the first group of each column
    leaf = np.flatnonzero(stays)
    number = np.cumsum(stays) - 1
    entry_leaf = number[boxes.leaf[entries]]
    shift = begin[boxes.column[entries]]
    there = np.zeros(int(boxes.tree[-1]) + 1, dtype=bool)
    there[boxes.tree[leaf]] = True
    tree = (np.cumsum(there) - 1)[boxes.tree[leaf]]
    return Stub(
        column=columns,
        start=new_start[np.append(columns, len(home))],
        home=(group[home] - begin)[columns],
        cost=cost[nearest[taken]],
        point=point[nearest[taken]],
        leaf=leaf,
        tree=tree,
        tree_start=_starts(tree),
        entry_leaf=entry_leaf,
        entry_start=_starts(entry_leaf),
        entry_column=entry_column,
        first=group[first] - shift,
        last=group[last] - shift,
        settled=settled,
    )


def _starts(sorted_numbers: IntArray) -> IntArray:
    """Return where each new number begins."""
    new = np.ones(len(sorted_numbers), dtype=bool)
    new[1:] = sorted_numbers[1:] != sorted_numbers[:-1]
    return np.flatnonzero(new)

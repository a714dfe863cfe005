"""Leaves of trees as boxes of cells: what each one asks of each column.

The thresholds of all trees cut a column into cells, ``(T[k-1], T[k]]``; scores depend on nothing
but the cells that a row is in. A leaf lists the columns that its path tests, with the first and the
last cell that pass. Columns of categories are apart: a leaf has a set of codes for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.certificates.trees.readers import LEAF, NUMERIC, Nodes


@dataclass(frozen=True, eq=False)
class LeafBoxes:
    """The leaves of an ensemble, tree by tree.

    Parameters
    ----------
    thresholds : ndarray of shape (n_thresholds,), float64
        Thresholds of all columns behind one another, ascending in each.
    cell_start : ndarray of shape (n_columns + 1,), int
        Where the cells of each column begin; it has one more than it has thresholds.
    node, tree : ndarray of shape (n_leaves,), int
        The node that each leaf is, and its tree.
    leaf, column, first, last : ndarray of shape (n_entries,), int
        Leaf by leaf: rows in it are in these cells of this column. Empty if ``first > last``.
    missing : ndarray of shape (n_entries,), bool
        Whether rows without a value there pass.
    set_leaf, set_column : ndarray of shape (n_sets,), int
        The same for columns of categories.
    codes : ndarray of shape (n_sets, n_codes + 1), bool
        The codes that pass; the last place stands for a missing or unknown category.
    """

    thresholds: FloatArray
    cell_start: IntArray
    node: IntArray
    tree: IntArray
    leaf: IntArray
    column: IntArray
    first: IntArray
    last: IntArray
    missing: BoolArray
    set_leaf: IntArray
    set_column: IntArray
    codes: BoolArray

    @property
    def n_cells(self) -> int:
        """Number of cells of all columns."""
        return int(self.cell_start[-1])

    @cached_property
    def entry_start(self) -> IntArray:
        """Where the entries of each leaf begin (n_leaves + 1,)."""
        return np.searchsorted(self.leaf, np.arange(len(self.node) + 1))

    @cached_property
    def ends(self) -> tuple[IntArray, IntArray]:
        """The first and the last cell of each entry, counted over all columns."""
        shift = self.cell_start[self.column]
        return shift + self.first, shift + self.last

    def cells_of(self, rows: FloatArray) -> IntArray:
        """Return the cell (n_rows, n_columns) of each number; 0 where it is missing."""
        out = np.zeros(rows.shape, dtype=np.int64)
        for j in range(rows.shape[1]):
            begin, end = self.cell_start[j] - j, self.cell_start[j + 1] - j - 1
            out[:, j] = np.searchsorted(self.thresholds[begin:end], rows[:, j], side="left")
        return np.where(np.isnan(rows), 0, out)


def leaf_boxes(nodes: Nodes, n_columns: int) -> LeafBoxes:
    """Walk up from all leaves at once, and gather the tests on their ways."""
    numeric = (nodes.column != LEAF) & (nodes.category_set == NUMERIC)
    thresholds, cell_start, rank = _cut_columns(nodes, numeric, n_columns)
    parent = np.full(len(nodes.column), -1)
    inner = np.flatnonzero(nodes.column != LEAF)
    parent[nodes.left[inner]] = inner
    parent[nodes.right[inner]] = inner
    leaf_nodes, leaf_tree = _leaves_by_tree(nodes, parent)
    tests = _tests_on_the_way(nodes, parent, leaf_nodes)
    leaf, node, went_left = tests
    passes_missing = nodes.missing_left[node] == went_left
    is_number = nodes.category_set[node] == NUMERIC
    n_cells = np.diff(cell_start)
    # Numbers: the largest lower end and the smallest upper end of all tests of one column.
    some = np.flatnonzero(is_number)
    column = nodes.column[node[some]]
    first = np.where(went_left[some], 0, rank[node[some]] + 1)
    last = np.where(went_left[some], rank[node[some]], n_cells[column] - 1)
    order, starts = _groups(leaf[some], column)
    codes, set_leaf, set_column = _category_sets(nodes, leaf, node, went_left, ~is_number)
    every = some[order]
    return LeafBoxes(
        thresholds=thresholds,
        cell_start=cell_start,
        node=leaf_nodes,
        tree=leaf_tree,
        leaf=leaf[every][starts],
        column=nodes.column[node[every]][starts],
        first=np.maximum.reduceat(first[order], starts) if len(starts) else first,
        last=np.minimum.reduceat(last[order], starts) if len(starts) else last,
        missing=np.logical_and.reduceat(passes_missing[every], starts)
        if len(starts)
        else passes_missing[every],
        set_leaf=set_leaf,
        set_column=set_column,
        codes=codes,
    )


def _cut_columns(
    nodes: Nodes, numeric: BoolArray, n_columns: int
) -> tuple[FloatArray, IntArray, IntArray]:
    """Return the thresholds of all columns, where their cells begin, and the rank of each test."""
    thresholds, counts = [], np.zeros(n_columns, dtype=np.int64)
    rank = np.full(len(nodes.column), -1)
    tested = np.flatnonzero(numeric)
    by_column = tested[np.argsort(nodes.column[tested], kind="stable")]
    ends = np.searchsorted(nodes.column[by_column], np.arange(n_columns + 1))
    for j in range(n_columns):
        some = by_column[ends[j] : ends[j + 1]]
        cuts, rank[some] = np.unique(nodes.threshold[some], return_inverse=True)
        thresholds.append(cuts)
        counts[j] = len(cuts)
    cell_start = np.concatenate([[0], np.cumsum(counts + 1)])
    return np.concatenate([*thresholds, np.zeros(0)]), cell_start, rank


def _leaves_by_tree(nodes: Nodes, parent: IntArray) -> tuple[IntArray, IntArray]:
    """Return the leaves that can be reached, tree by tree, and the tree of each."""
    tree = np.full(len(nodes.column), -1)
    tree[nodes.roots] = np.arange(len(nodes.roots))
    level = nodes.roots
    while len(level):
        level = level[nodes.column[level] != LEAF]
        below = np.concatenate([nodes.left[level], nodes.right[level]])
        tree[below] = np.tile(tree[level], 2)
        level = below
    leaves = np.flatnonzero((nodes.column == LEAF) & (tree >= 0))
    leaves = leaves[np.argsort(tree[leaves], kind="stable")]
    return leaves, tree[leaves]


def _tests_on_the_way(
    nodes: Nodes, parent: IntArray, leaf_nodes: IntArray
) -> tuple[IntArray, IntArray, BoolArray]:
    """Return all tests above all leaves: (number of the leaf, node that tests, went left)."""
    leaf, below = np.arange(len(leaf_nodes)), leaf_nodes
    out: list[tuple[IntArray, IntArray, BoolArray]] = []
    while len(leaf):
        above = parent[below]
        leaf, below, above = leaf[above >= 0], below[above >= 0], above[above >= 0]
        out.append((leaf, above, nodes.left[above] == below))
        below = above
    leaves, tested, went_left = (np.concatenate(parts) for parts in zip(*out, strict=True))
    return leaves, tested, went_left


def _groups(leaf: IntArray, column: IntArray) -> tuple[IntArray, IntArray]:
    """Return an order by leaf and column, and where each pair of them begins."""
    order = np.lexsort((column, leaf))
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(leaf[order]) != 0) | (np.diff(column[order]) != 0)
    return order, np.flatnonzero(new)


def _category_sets(
    nodes: Nodes, leaf: IntArray, node: IntArray, went_left: BoolArray, some: BoolArray
) -> tuple[BoolArray, IntArray, IntArray]:
    """Return the codes that pass all tests of categories, by leaf and column."""
    leaf, node, went_left = leaf[some], node[some], went_left[some]
    listed = nodes.goes_left[nodes.category_set[node]] if len(node) else nodes.goes_left[:0]
    missing = nodes.missing_left[node] == went_left
    codes = np.column_stack([listed == went_left[:, None], missing])
    order, starts = _groups(leaf, nodes.column[node])
    if len(starts):
        codes = np.logical_and.reduceat(codes[order], starts, axis=0)
    return codes, leaf[order][starts], nodes.column[node][order][starts]

"""A fitted classifier whose scores are sums over trees, as its reader writes it down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray

LEAF = -1
NUMERIC = -1


@dataclass(frozen=True, eq=False)
class Nodes:
    """The nodes of one tree, or of many behind one another.

    Parameters
    ----------
    column : ndarray of shape (n_nodes,), int
        The column that is tested; -1 in leaves.
    threshold : ndarray of shape (n_nodes,), float64
        Rows go left where ``x <= threshold``, in float64.
    left, right : ndarray of shape (n_nodes,), int
        Positions of the children.
    missing_left : ndarray of shape (n_nodes,), bool
        Whether rows without a value go left.
    value : ndarray of shape (n_nodes, n_outputs), float64
        What leaves add to the scores.
    category_set : ndarray of shape (n_nodes,), int
        Row of `goes_left` for tests of categories, -1 for tests of numbers.
    goes_left : ndarray of shape (n_sets, n_codes), bool
        Which codes of a category go left.
    roots : ndarray of shape (n_trees,), int
        Where each tree begins.
    """

    column: IntArray
    threshold: FloatArray
    left: IntArray
    right: IntArray
    missing_left: BoolArray
    value: FloatArray
    category_set: IntArray
    goes_left: BoolArray = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    roots: IntArray = field(default_factory=lambda: np.zeros(1, dtype=np.int64))

    @classmethod
    def joined(cls, trees: Sequence[Nodes]) -> Nodes:
        """Put the nodes of several trees behind one another."""
        sizes = np.array([len(tree.column) for tree in trees])
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        n_sets = np.array([len(tree.goes_left) for tree in trees])
        set_starts = np.concatenate([[0], np.cumsum(n_sets)[:-1]])
        n_codes = max(tree.goes_left.shape[1] for tree in trees)
        goes_left = np.zeros((int(n_sets.sum()), n_codes), dtype=bool)
        for begin, tree in zip(set_starts, trees, strict=True):
            n, width = tree.goes_left.shape
            goes_left[begin : begin + n, :width] = tree.goes_left

        def shifted(name: str, by: IntArray) -> IntArray:
            parts = zip(trees, by, strict=True)
            return np.concatenate(
                [np.where(getattr(t, name) >= 0, getattr(t, name) + b, -1) for t, b in parts]
            )

        return cls(
            column=np.concatenate([tree.column for tree in trees]),
            threshold=np.concatenate([tree.threshold for tree in trees]),
            left=shifted("left", starts),
            right=shifted("right", starts),
            missing_left=np.concatenate([tree.missing_left for tree in trees]),
            value=np.concatenate([tree.value for tree in trees]),
            category_set=shifted("category_set", set_starts),
            goes_left=goes_left,
            roots=shifted("roots", starts),
        )

    def leaves(self, rows: FloatArray) -> IntArray:
        """Return the leaf (n_rows, n_trees) that each row reaches in each tree."""
        n_trees = len(self.roots)
        cells, begin = rows.ravel(), np.repeat(np.arange(len(rows)) * rows.shape[1], n_trees)
        at = np.tile(self.roots, len(rows))
        # Only what has not come to its leaf yet goes on: `where` it is among all, and its node.
        where = np.flatnonzero(self.column.take(at) != LEAF)
        node, begin = at.take(where), begin.take(where)
        gaps, sets = bool(np.isnan(cells).any()), len(self.goes_left) > 0
        while len(where):
            x = cells.take(begin + self.column.take(node))
            go_left = x <= self.threshold.take(node)
            if sets:
                go_left = self._by_category(node, x, go_left)
            if gaps:
                go_left = np.where(np.isnan(x), self.missing_left.take(node), go_left)
            node = np.where(go_left, self.left.take(node), self.right.take(node))
            at[where] = node
            inner = np.flatnonzero(self.column.take(node) != LEAF)
            where, node, begin = where.take(inner), node.take(inner), begin.take(inner)
        return at.reshape(len(rows), n_trees)

    def _by_category(self, node: IntArray, x: FloatArray, go_left: BoolArray) -> BoolArray:
        """Return which rows go left, where nodes test categories by their sets."""
        which = self.category_set.take(node)
        code = np.where(np.isnan(x), 0, x).astype(np.int64)
        known = (code >= 0) & (code < self.goes_left.shape[1])
        listed = self.goes_left[np.maximum(which, 0), np.where(known, code, 0)] & known
        return np.where(which != NUMERIC, listed, go_left)


@dataclass(frozen=True, eq=False)
class TreeSum:
    """Scores as sums over trees, and how `predict` makes labels of them.

    One output stands for two classes: the second one where it is above `cut`, in a tie if
    `tie_takes_second`. Several outputs, one per class: the largest, in a tie the first of them.

    Parameters
    ----------
    name : str
        What messages call the model.
    nodes : Nodes
        The trees.
    base : ndarray of shape (n_outputs,), float64
        What is added to their sums.
    classes : ndarray of shape (n_classes,)
        Labels as `predict` returns them.
    n_columns : int
        Columns of the rows that it reads.
    cut : float, default=0.0
        See above.
    tie_takes_second : bool, default=False
        See above.
    unit : float, default=2**-53
        Unit roundoff of the model's own sums.
    blur : float, default=0.0
        How far apart two scores may be that the model's link function takes for equal.
    categorical : ndarray of shape (n_columns,), bool, or None
        Columns whose cells are codes of categories.
    encode : callable or None
        From rows such as the user's to numbers (n_rows, n_columns) in float64: codes for
        categories, NaN for what is missing.
    scores : callable or None
        The model's own scores of such rows, to compare with; None if it shows none.
    averaged : bool, default=False
        Whether `predict` adds the values of the trees one after the other, in their order, and
        compares the means; `scores` are these times the number of trees.
    missing : bool
        Whether rows with missing values are accepted.
    """

    name: str
    nodes: Nodes
    base: FloatArray
    classes: np.ndarray
    n_columns: int
    cut: float = 0.0
    tie_takes_second: bool = False
    unit: float = 2.0**-53
    blur: float = 0.0
    categorical: BoolArray | None = None
    encode: Callable[[Any], FloatArray] | None = None
    scores: Callable[[Any], Any] | None = None
    averaged: bool = False

    @property
    def n_outputs(self) -> int:
        """Number of scores."""
        return len(self.base)

    def evaluate(self, rows: FloatArray) -> FloatArray:
        """Return the scores (n_rows, n_outputs) of rows of numbers, in float64."""
        return self.added(self.nodes.leaves(rows))

    def added(self, leaves: IntArray) -> FloatArray:
        """Return the scores (n_rows, n_outputs) of rows that reach these leaves."""
        return self.base + self.nodes.value[leaves].sum(axis=1)

    def means(self, leaves: IntArray) -> FloatArray:
        """Return the means (n_rows, n_outputs) over trees, to the last bit those of `averaged`."""
        # A sum adds in whatever order is fastest; this one does not.
        values = self.nodes.value[leaves].cumsum(axis=1)
        return np.asarray(values[:, -1] / len(self.nodes.roots))

    def predicted(self, scores: FloatArray) -> IntArray:
        """Return the position among the classes that `predict` takes by these scores."""
        # A model that has seen one class has one score, and nothing to compare it with.
        if self.n_outputs > 1 or len(self.classes) == 1:
            return np.asarray(scores.argmax(axis=1))
        first = scores[:, 0]
        second = first >= self.cut if self.tie_takes_second else first > self.cut
        return second.astype(np.int64)

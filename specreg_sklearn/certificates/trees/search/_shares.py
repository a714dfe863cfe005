"""Which tree pays for which crossing: the multipliers of the bound for L1, L2 and L0.

To cross from one cell to the next outwards costs something. Leaves of many trees ask for the same
crossing, but it is paid once. So its cost is split among the trees, in whatever way: each split
gives a valid bound, and good ones are found by letting those trees pay more whose best leaves are
beyond the crossing.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.trees.search._stub import Stub

LARGEST = 4_000_000
"""Numbers of trees times cells up to which shares are held."""


class Shares:
    """The shares of all trees in all crossings of a stub.

    Attributes
    ----------
    part : ndarray of shape (n_trees, n_cells), float64
        What each tree pays for entering a cell from the side of the row.
    up_to : ndarray of shape (n_trees, n_cells), float64
        What it pays for all cells from the row to this one.
    """

    def __init__(self, stub: Stub) -> None:
        self.stub, n_cells, n_trees = stub, len(stub.cost), len(stub.tree_start)
        d = len(stub.column)
        column = np.repeat(np.arange(d), np.diff(stub.start))
        self.home = stub.start[:-1] + stub.home
        self.at_home = self.home[column]
        cell = np.arange(n_cells)
        inwards = cell - np.sign(cell - self.at_home)
        self.price = stub.cost - stub.cost[inwards]
        self.above = cell > self.at_home
        # The farthest cells that leaves of each tree ask for.
        near = stub.start[stub.entry_column] + stub.home[stub.entry_column]
        shift = stub.start[stub.entry_column]
        lowest, highest = shift + stub.first, shift + stub.last
        tree = stub.tree[stub.entry_leaf]
        up, down = np.flatnonzero(lowest > near), np.flatnonzero(highest < near)
        crossed = self._crossed(
            np.concatenate([tree[up], tree[down]]),
            np.concatenate([near[up] + 1, highest[down]]),
            np.concatenate([lowest[up], near[down] - 1]),
        )
        payers = crossed.sum(axis=0)
        self.part = np.where(crossed, self.price / np.maximum(payers, 1), 0.0)
        self.up_to = np.zeros((n_trees, n_cells))
        self._sum_up()

    def _crossed(self, tree: IntArray, begin: IntArray, end: IntArray) -> np.ndarray:
        """Return which trees (n_trees, n_cells) have a range that holds a cell."""
        n_trees, n_cells = len(self.stub.tree_start), len(self.stub.cost)
        width = n_cells + 1
        size = n_trees * width
        edges = np.bincount(tree * width + begin, minlength=size)
        edges -= np.bincount(tree * width + end + 1, minlength=size)
        return np.asarray(np.cumsum(edges.reshape(n_trees, width), axis=1)[:, :-1] > 0)

    def _sum_up(self) -> None:
        total = np.cumsum(self.part, axis=1)
        at_home = total[:, self.at_home]
        self.up_to = np.where(self.above, total - at_home, at_home - total + self.part)

    def shift(
        self, tree: IntArray, column: IntArray, near: IntArray, need: IntArray, rate: float
    ) -> None:
        """Let trees pay more for crossings between the cells `near` and `need` of columns.

        The four arrays list what the best leaves of trees ask for; where both cells are the same,
        nothing is crossed.
        """
        moved = np.flatnonzero(near != need)
        if not len(moved):
            return
        tree, column, near, need = tree[moved], column[moved], near[moved], need[moved]
        offset = self.stub.start[column]
        begin = offset + np.where(need > near, near + 1, need)
        end = offset + np.where(need > near, need, near - 1)
        crossed = self._crossed(tree, begin, end)
        cells = np.flatnonzero(crossed.any(axis=0))
        part = np.where(crossed[:, cells], np.exp(rate), 1.0) * self.part[:, cells]
        total = part.sum(axis=0)
        part *= np.where(total > 0, self.price[cells] / np.where(total > 0, total, 1.0), 0.0)
        self.part[:, cells] = part
        self._sum_up()

    def copy_of_parts(self) -> FloatArray:
        """Return the shares, to be put back later."""
        return self.part.copy()

    def put_back(self, part: FloatArray) -> None:
        """Take earlier shares again."""
        self.part = part
        self._sum_up()

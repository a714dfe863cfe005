"""Which tree pays for which crossing: the multipliers of the bounds for boxes of cells.

To cross from one cell to the next outwards costs something. Leaves of many trees ask for the same
crossing, but it is paid once, so its cost is split among the trees. Leaves of other trees forbid
the crossing. A pool raises what it costs to cross, is split among those that forbid it, too, and is
taken off the bound once: no point lies on both sides. Each split and each pool give a valid bound;
good ones are found by letting those pay more whose best leaves ask, and by filling the pools of
crossings that some of these leaves ask for and others forbid.
"""

from __future__ import annotations

import math
from importlib import import_module

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.certificates.trees.search._compiled import compiled
from specreg_sklearn.certificates.trees.search._stub import Stub

LARGEST = 4_000_000
"""Numbers of trees times cells up to which multipliers are held."""

_FIRST_POOLS = 0.01
_LEAST_POOL = 1e-3
_SMALL_POOL = 0.3


class Multipliers:
    """The shares of all trees in all crossings of a stub.

    A crossing is named by the cell that it enters from the side of the row.

    Parameters
    ----------
    stub : Stub
        The leaves.
    additive : bool
        Whether costs of columns add up. If not, crossings are free, and the pools alone count.
    scale : float
        What bounds are measured in: a cost, or a score if costs do not add up.

    Attributes
    ----------
    price : ndarray of shape (n_cells,), float64
        The cost of each crossing.
    pool : ndarray of shape (n_cells,), float64
        What it costs more, and what forbidding it costs.
    asking, forbidding : ndarray of shape (n_cells, n_trees), float64
        What each tree pays for a crossing, ``price + pool`` in all, and for being without it,
        ``pool`` in all.
    asked_to, forbidden_to : ndarray of shape (n_cells, n_trees), float64
        Sums of these over the crossings from the row to a cell.
    pool_to : ndarray of shape (n_cells,), float64
        Sums of the pools over the crossings from the row to a cell.
    total : ndarray of shape (1,), float64
        The sum of all pools.
    """

    def __init__(self, stub: Stub, *, additive: bool, scale: float) -> None:
        self.stub, n_cells, n_trees = stub, len(stub.cost), len(stub.tree_start)
        column = np.repeat(np.arange(len(stub.column)), np.diff(stub.start))
        at_home = (stub.start[:-1] + stub.home)[column]
        cell = np.arange(n_cells)
        inwards = cell - np.sign(cell - at_home)
        price = stub.cost - stub.cost[inwards] if additive else np.zeros(n_cells)
        self.price = np.asarray(price, dtype=np.float64)
        asks, forbids = _sides(stub)
        n_asking, n_forbidding = asks.sum(axis=0), forbids.sum(axis=0)
        first = _FIRST_POOLS * scale / n_cells
        self.least_pool, self.small_pool = _LEAST_POOL * first, _SMALL_POOL * first
        self.pool = np.where((n_asking > 0) & (n_forbidding > 0), first, 0.0)
        self.asking = _split(asks, n_asking, self.price + self.pool)
        self.forbidding = _split(forbids, n_forbidding, self.pool)
        self.asked_to, self.forbidden_to = np.zeros((2, n_cells, n_trees))
        self.pool_to = np.zeros(n_cells)
        self._kept = self.pool.copy(), self.asking.copy(), self.forbidding.copy()
        self.total = np.array([self.pool.sum()])
        self._sum_all()

    def _sum_all(self) -> None:
        """Make the sums of all columns those of the shares."""
        stub = self.stub
        if compiled():
            loops = import_module(f"{__package__}._multiplier_loops")
            loops.sum_up(
                stub.start, stub.home, self.pool, self.asking, self.forbidding,
                self.asked_to, self.forbidden_to, self.pool_to,
            )  # fmt: skip
            return
        self.sum_up(np.arange(len(stub.column)))

    def sum_up(self, columns: IntArray) -> None:
        """Make the sums of some columns those of the shares again."""
        stub = self.stub
        for j in columns.tolist():
            begin, end = int(stub.start[j]), int(stub.start[j + 1])
            home = begin + int(stub.home[j])
            for side in (slice(home + 1, end), slice(home - 1, begin - 1 if begin else None, -1)):
                if home == begin and side.step == -1:
                    continue
                self.asked_to[side] = np.cumsum(self.asking[side], axis=0)
                self.forbidden_to[side] = np.cumsum(self.forbidding[side], axis=0)
                self.pool_to[side] = np.cumsum(self.pool[side])

    def keep(self) -> None:
        """Note these multipliers, to return to them later."""
        for kept, now in zip(self._kept, (self.pool, self.asking, self.forbidding), strict=True):
            np.copyto(kept, now)

    def put_back(self) -> None:
        """Return to the multipliers that were noted last."""
        for kept, now in zip(self._kept, (self.pool, self.asking, self.forbidding), strict=True):
            np.copyto(now, kept)
        self.total[0] = np.cumsum(self.pool)[-1]
        self._sum_all()


def growth_of(rate: float) -> float:
    """Return the factor by which a step of a rate raises the shares of those that pay."""
    return math.exp(rate)


def _sides(stub: Stub) -> tuple[BoolArray, BoolArray]:
    """Return which trees (n_trees, n_cells) have leaves that ask for, or forbid, each crossing."""
    shift, home = stub.start[stub.entry_column], stub.home[stub.entry_column]
    last_cell = stub.start[stub.entry_column + 1] - 1
    tree, near = stub.tree[stub.entry_leaf], shift + home
    low, high = shift + stub.first, shift + stub.last
    asks = _covered(
        stub,
        np.concatenate([tree, tree]),
        np.concatenate([near + 1, high]),
        np.concatenate([low, near - 1]),
    )
    forbids = _covered(
        stub,
        np.concatenate([tree, tree]),
        np.concatenate([np.maximum(high, near) + 1, shift]),
        np.concatenate([last_cell, np.minimum(low, near) - 1]),
    )
    return asks, forbids


def _covered(stub: Stub, tree: IntArray, begin: IntArray, end: IntArray) -> BoolArray:
    """Return which trees (n_trees, n_cells) have a range that holds a cell."""
    some = begin <= end
    tree, begin, end = tree[some], begin[some], end[some]
    width, n_trees = len(stub.cost) + 1, len(stub.tree_start)
    edges = np.bincount(tree * width + begin, minlength=n_trees * width)
    edges -= np.bincount(tree * width + end + 1, minlength=n_trees * width)
    return np.asarray(np.cumsum(edges.reshape(n_trees, width), axis=1)[:, :-1] > 0)


def _split(who: BoolArray, n: IntArray, what: FloatArray) -> FloatArray:
    """Return equal parts (n_cells, n_trees) for those who pay."""
    return np.ascontiguousarray(np.where(who, what / np.maximum(n, 1), 0.0).T)

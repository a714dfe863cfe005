"""Bounds for boxes of cells: what the leaves that meet a box can add up to, and at what cost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.certificates.trees.search._shares import Shares
from specreg_sklearn.certificates.trees.search._stub import Stub

# Taken off lower bounds that are sums of many terms, in units of these.
_ROUNDING = 1e-12
_MOST_TANGENTS = 12


class Alive(NamedTuple):
    """The leaves that meet a box at a cost below the radius.

    Parameters
    ----------
    leaf : ndarray of shape (n,), int
        Leaves of the stub, tree by tree; each tree has one at least.
    start : ndarray of shape (n_trees,), int
        Where each tree begins.
    value, cost : ndarray of shape (n,), float64
        What they add to the score, and the lowest cost of their points in the box.
    """

    leaf: IntArray
    start: IntArray
    value: FloatArray
    cost: FloatArray


class Scanned(NamedTuple):
    """What one pass over the leaves says of a box.

    Parameters
    ----------
    near : ndarray of shape (d,), int
        The cells of its cheapest point.
    base : float
        The cost of this point.
    most : float
        No point of the box has a larger score, unless it is too far away.
    at_near : float
        The score of the cheapest point.
    alive : Alive or None
        None if some tree has no leaf in the box below the radius.
    """

    near: IntArray
    base: float
    most: float
    at_near: float
    alive: Alive | None


class Bound(NamedTuple):
    """A lower bound of the cost of any point in a box with a score at the target.

    Parameters
    ----------
    key : float
        The bound.
    chosen : ndarray of shape (n_trees,), int
        The leaves that attain it, one per tree, by their places among those that are alive.
    paid : ndarray of shape (n_alive,), float64
        What each leaf adds to the bound, if it is chosen; the smallest of its tree is.
    multiplier : float
        The price of the score at which the bound was found.
    """

    key: float
    chosen: IntArray
    paid: FloatArray
    multiplier: float


class Scan:
    """The leaves of a stub with their values, ready to be compared with many boxes.

    Parameters
    ----------
    stub : Stub
        The leaves.
    value : ndarray of shape (n_leaves,), float64
        What each adds to the score.
    target : float
        The score that a point needs at least, less what rounding may add.
    additive : bool
        Whether costs of columns add up; else the largest one counts.
    """

    def __init__(self, stub: Stub, value: FloatArray, target: float, *, additive: bool) -> None:
        self.stub, self.value, self.target, self.additive = stub, value, target, additive
        self.shift = stub.start[stub.entry_column]
        self.entry_tree = stub.tree[stub.entry_leaf]
        self.n_entries = np.diff(np.append(stub.entry_start, len(stub.entry_leaf)))
        shape = len(stub.leaf), len(stub.column)
        self.first_of: NDArray[np.int32] = np.zeros(shape, dtype=np.int32)
        self.last_of: NDArray[np.int32] = np.broadcast_to(np.diff(stub.start) - 1, shape).astype(
            np.int32
        )
        self.first_of[stub.entry_leaf, stub.entry_column] = stub.first
        self.last_of[stub.entry_leaf, stub.entry_column] = stub.last

    def boxes(self, low: IntArray, high: IntArray, radius: float) -> list[Scanned]:
        """Return what the leaves say of boxes, from cells `low` to `high`, (n_boxes, d)."""
        stub, cost = self.stub, self.stub.cost
        near = np.minimum(np.maximum(stub.home, low), high)
        begin = np.maximum(low[:, stub.entry_column], stub.first)
        end = np.minimum(high[:, stub.entry_column], stub.last)
        near_here = near[:, stub.entry_column]
        meets = np.logical_and.reduceat(begin <= end, stub.entry_start, axis=1)
        need = np.minimum(np.maximum(near_here, begin), np.maximum(begin, end))
        holds = np.logical_and.reduceat(need == near_here, stub.entry_start, axis=1) & meets
        needed = cost[np.minimum(self.shift + need, len(cost) - 1)]
        at_near = cost[stub.start[:-1] + near]
        if self.additive:
            base = at_near.sum(axis=1)
            extra = needed - cost[self.shift + near_here]
            leaf_cost = base[:, None] + np.add.reduceat(extra, stub.entry_start, axis=1)
        else:
            base = at_near.max(axis=1)
            largest = np.maximum.reduceat(needed, stub.entry_start, axis=1)
            leaf_cost = np.maximum(base[:, None], largest)
        # The leaf of the cheapest point counts whatever rounding made of its cost.
        alive = meets & ((leaf_cost < radius) | holds)
        best = np.maximum.reduceat(np.where(alive, self.value, -np.inf), stub.tree_start, axis=1)
        most = best.sum(axis=1)
        score = np.where(holds, self.value, 0.0).sum(axis=1)
        return [
            Scanned(
                near[k],
                float(base[k]),
                float(most[k]),
                float(score[k]),
                self._alive(alive[k], leaf_cost[k]) if np.isfinite(most[k]) else None,
            )
            for k in range(len(low))
        ]

    def _alive(self, alive: BoolArray, leaf_cost: FloatArray) -> Alive:
        leaf = np.flatnonzero(alive)
        tree = self.stub.tree[leaf]
        start = np.flatnonzero(np.concatenate([[True], tree[1:] != tree[:-1]]))
        return Alive(leaf, start, self.value[leaf], leaf_cost[leaf])

    def by_radius(self, box: Scanned) -> Bound:
        """Return the smallest cost at which leaves no dearer than it can reach the target."""
        alive = box.alive
        assert alive is not None
        levels = np.unique(alive.cost)
        low, high = 0, len(levels) - 1
        while low < high:
            middle = (low + high) // 2
            reached = np.where(alive.cost <= levels[middle], alive.value, -np.inf)
            if np.maximum.reduceat(reached, alive.start).sum() >= self.target:
                high = middle
            else:
                low = middle + 1
        # The largest values count for the next cut: their sum has to fall below the target.
        paid = -alive.value
        chosen = _first_at(paid, np.minimum.reduceat(paid, alive.start), alive.start)
        return Bound(max(float(levels[low]), box.base), chosen, paid, 1.0)

    def by_shares(
        self, box: Scanned, low: IntArray, high: IntArray, shares: Shares, start: float, stop: float
    ) -> Bound:
        """Return the bound in which each tree pays its share of each crossing.

        For any shares and any multiplier the sum over trees of the smallest
        ``charge - multiplier * value``, plus ``multiplier * target``, is no larger than the cost
        beyond the cheapest point. It is concave in the multiplier, and its largest value is looked
        for from `start` on, until the bound is `stop` or more.
        """
        alive = box.alive
        assert alive is not None
        charge = self._charges(alive, box.near, low, high, shares)
        value, begins = alive.value, alive.start
        counts = np.diff(np.append(begins, len(value)))

        def at(multiplier: float) -> tuple[float, float, FloatArray, FloatArray]:
            paid = charge - multiplier * value
            least = np.minimum.reduceat(paid, begins)
            picked = np.where(paid <= np.repeat(least, counts), value, -np.inf)
            slope = self.target - float(np.maximum.reduceat(picked, begins).sum())
            return multiplier * self.target + float(least.sum()), slope, paid, least

        best = (0.0, *at(0.0))
        below, above = (0.0, best[1], best[2]), None
        guess = start
        for _ in range(_MOST_TANGENTS):
            found = (guess, *at(guess))
            if found[1] > best[1]:
                best = found
            if box.base + best[1] >= stop:
                break
            if found[2] > 0:
                below = found[:3]
            else:
                above = found[:3]
            if above is None:
                guess = 4 * guess
                continue
            (left, f_left, up), (right, f_right, down) = below, above
            if not up > down:
                break
            crossing = (f_right - f_left + up * left - down * right) / (up - down)
            highest = f_left + up * (crossing - left)
            if highest <= best[1] + 1e-9 * (1e-300 + abs(best[1])):
                break
            if not left < crossing < right:
                break
            guess = crossing
        multiplier, gained, _, paid, least = best
        size = abs(multiplier * self.target) + float(np.abs(least).sum()) + box.base
        chosen = _first_at(paid, least, begins)
        key = box.base + max(gained - _ROUNDING * size, 0.0)
        return Bound(key, chosen, paid, multiplier or start)

    def _charges(
        self, alive: Alive, near: IntArray, low: IntArray, high: IntArray, shares: Shares
    ) -> FloatArray:
        """Return what the shares charge each leaf for leaving the cheapest point."""
        stub = self.stub
        listed = np.zeros(len(stub.leaf), dtype=bool)
        listed[alive.leaf] = True
        entry = np.flatnonzero(listed[stub.entry_leaf])
        column = stub.entry_column[entry]
        near_here = near[column]
        begin, end = (
            np.maximum(low[column], stub.first[entry]),
            np.minimum(high[column], stub.last[entry]),
        )
        need = np.minimum(np.maximum(near_here, begin), end)
        tree, shift = self.entry_tree[entry], self.shift[entry]
        charge = shares.up_to[tree, shift + need] - shares.up_to[tree, shift + near_here]
        whose = stub.entry_leaf[entry]
        starts = np.flatnonzero(np.concatenate([[True], whose[1:] != whose[:-1]]))
        return np.add.reduceat(charge, starts)

    def entries_of(self, leaves: IntArray) -> IntArray:
        """Return the entries of some leaves, given in ascending order."""
        begin, count = self.stub.entry_start[leaves], self.n_entries[leaves]
        total = np.cumsum(count)
        return np.arange(total[-1]) + np.repeat(begin - (total - count), count)


def _first_at(numbers: FloatArray, extreme: FloatArray, start: IntArray) -> IntArray:
    """Return the first place in each group that holds its extreme."""
    counts = np.diff(np.append(start, len(numbers)))
    hits = np.flatnonzero(numbers == np.repeat(extreme, counts))
    return hits[np.searchsorted(hits, start)]

"""Best-first branch and bound over boxes of cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.trees.search._branching import cut_of
from specreg_sklearn.certificates.trees.search._scan import Bound, Scan, Scanned
from specreg_sklearn.certificates.trees.search._shares import LARGEST, Shares
from specreg_sklearn.certificates.trees.search._stub import Stub

_ROOT_STEPS = 60
_ROOT_PATIENCE = 12
_STEP_EVERY = 4
_RATE = 0.1
_DIVE_EVERY = 3

Confirm = Callable[[IntArray], bool]
"""Says whether a point of the stub, given by its cells, has another label by `predict`."""


@dataclass(frozen=True, eq=False)
class Question:
    """The question whether a point below a radius has a score that reaches a target.

    Parameters
    ----------
    stub : Stub
        Leaves nearer than the radius.
    value : ndarray of shape (n_leaves,), float64
        What each adds to the score.
    target, tolerance : float
        The score that is needed. Where it is missed or passed by no more than the tolerance,
        rounding decides, and `confirm` is asked.
    additive : bool
        Whether costs of columns add up; else the largest one counts.
    confirm : callable
        See above.
    """

    stub: Stub
    value: FloatArray
    target: float
    tolerance: float
    additive: bool
    confirm: Confirm


class Found(NamedTuple):
    """A point whose score reaches the target: its cost, and its cells in the stub."""

    cost: float
    cells: IntArray


class _Node(NamedTuple):
    key: float
    number: int
    low: IntArray
    high: IntArray
    cut: tuple[int, int]
    multiplier: float


class BestFirst:
    """One search, which can be stopped and continued.

    Attributes
    ----------
    lower : float
        No point costs less; at most the radius.
    found : Found or None
        The best point so far, below the radius.
    n_nodes : int
        Boxes that were compared with the leaves.
    done : bool
        Whether `found` is the best point, or there is none below the radius.
    """

    def __init__(self, question: Question, radius: float) -> None:
        self.question, self.radius = question, radius
        self.found: Found | None = None
        self.lower, self.n_nodes, self.done = 0.0, 0, False
        stub = question.stub
        self._heap: list[_Node] = []
        self._next: _Node | None = None
        self._made = self._popped = self._bounded = 0
        if not len(stub.leaf):
            self.lower, self.done = radius, True
            return
        self._scan = Scan(
            stub, question.value, question.target - question.tolerance, additive=question.additive
        )
        small = len(stub.tree_start) * len(stub.cost) <= LARGEST
        self._shares = Shares(stub) if question.additive and small else None
        self._start()

    def _start(self) -> None:
        stub = self.question.stub
        low = np.zeros((1, len(stub.column)), dtype=np.int64)
        high = (np.diff(stub.start) - 1)[None]
        self.n_nodes += 1
        box = self._scan.boxes(low, high, self.radius)[0]
        if not self._may_hold(box):
            self.lower, self.done = self.radius, True
            return
        bound = self._root_bound(box, low[0], high[0])
        self._consider(bound, box, low[0], high[0])
        root = self._node(bound, box, low[0], high[0], 0.0)
        if root is not None:
            heappush(self._heap, root)
        self._settle()

    def _root_bound(self, box: Scanned, low: IntArray, high: IntArray) -> Bound:
        """Return the bound of everything, after the shares were improved step by step."""
        shares = self._shares
        if shares is None:
            return self._scan.by_radius(box)
        # Some price of the score in the right range; the first search finds a better one.
        spread = float(np.ptp(self._scan.value)) or 1.0
        guess = self.radius if np.isfinite(self.radius) else float(self._scan.stub.cost.max())
        guess /= spread
        best, kept, in_vain = None, shares.copy_of_parts(), 0
        for i in range(_ROOT_STEPS):
            self.n_nodes += 1
            bound = self._scan.by_shares(box, low, high, shares, guess, self.radius)
            guess = bound.multiplier
            if best is None or bound.key > best.key:
                in_vain = 0 if best is None or bound.key > best.key * (1 + 1e-3) else in_vain + 1
                best, kept = bound, shares.copy_of_parts()
            else:
                in_vain += 1
            if best.key >= self.radius or in_vain >= _ROOT_PATIENCE:
                break
            self._improve(bound, box, low, high, 1 / (1 + 0.1 * i))
        shares.put_back(kept)
        assert best is not None
        return best

    def _improve(
        self, bound: Bound, box: Scanned, low: IntArray, high: IntArray, rate: float
    ) -> None:
        stub, scan = self.question.stub, self._scan
        assert box.alive is not None
        entry = scan.entries_of(box.alive.leaf[bound.chosen])
        column = stub.entry_column[entry]
        near = box.near[column]
        begin = np.maximum(low[column], stub.first[entry])
        end = np.minimum(high[column], stub.last[entry])
        assert self._shares is not None
        self._shares.shift(scan.entry_tree[entry], column, near, np.clip(near, begin, end), rate)

    def run(self, most_nodes: int, *, until_found: bool = False) -> None:
        """Continue until `most_nodes` boxes were scanned in all, or everything is decided.

        `until_found` ends it with the first point below the radius.
        """
        while not self.done and self.n_nodes < most_nodes:
            if until_found and self.found is not None:
                break
            node = self._next
            if node is None:
                node = heappop(self._heap)
                self._popped += 1
            self._next = None
            self._split(node)
            self._settle()

    def _settle(self) -> None:
        """Note the lower bound, and whether anything is left below the radius."""
        keys = [self._heap[0].key] if self._heap else []
        if self._next is not None:
            keys.append(self._next.key)
        smallest = min(keys, default=np.inf)
        if smallest >= self.radius:
            self.lower, self.done = self.radius, True
            self._heap, self._next = [], None
        else:
            self.lower = max(self.lower, smallest)

    def _may_hold(self, box: Scanned) -> bool:
        return box.base < self.radius and box.most >= self._scan.target and box.alive is not None

    def _split(self, node: _Node) -> None:
        j, q = node.cut
        low, high = np.array([node.low, node.low]), np.array([node.high, node.high])
        high[0, j], low[1, j] = q - 1, q
        self.n_nodes += 2
        pushed = []
        for k, box in enumerate(self._scan.boxes(low, high, self.radius)):
            if not self._may_hold(box):
                continue
            at_target = box.at_near >= self._scan.target
            if at_target and self._accept(box.base, box.near, box.at_near):
                continue
            if box.alive is None:
                continue
            if self._shares is None:
                bound = self._scan.by_radius(box)
            else:
                bound = self._scan.by_shares(
                    box, low[k], high[k], self._shares, node.multiplier, self.radius
                )
            self._consider(bound, box, low[k], high[k])
            self._bounded += 1
            if self._shares is not None and self._bounded % _STEP_EVERY == 0:
                self._improve(bound, box, low[k], high[k], _RATE)
            made = self._node(bound, box, low[k], high[k], node.key)
            if made is not None:
                pushed.append(made)
        pushed = [made for made in pushed if made.key < self.radius]
        # A dive goes on with the cheaper half, whatever else there is, until nothing is left of it.
        if pushed and self._popped % _DIVE_EVERY == 0:
            self._next = min(pushed)
            pushed = [made for made in pushed if made is not self._next]
        for made in pushed:
            heappush(self._heap, made)

    def _node(
        self, bound: Bound, box: Scanned, low: IntArray, high: IntArray, parent: float
    ) -> _Node | None:
        key = max(bound.key, parent)
        if key >= self.radius:
            return None
        assert box.alive is not None
        cut = cut_of(self._scan, box.alive, bound, low, high, box.near, self._shares)
        if cut is None:
            # One cell in each column, near the target, and predict said that it is no other label.
            return None
        # Among equal keys, of which Linf has many, the latest goes first: it is nearest to an end.
        self._made -= 1
        return _Node(key, self._made, low, high, cut, bound.multiplier)

    def _consider(self, bound: Bound, box: Scanned, low: IntArray, high: IntArray) -> None:
        """Try the cheapest point that lies in all the leaves that attain a bound, if one does."""
        stub, scan = self.question.stub, self._scan
        assert box.alive is not None
        score = float(box.alive.value[bound.chosen].sum())
        if score < scan.target:
            return
        entry = scan.entries_of(box.alive.leaf[bound.chosen])
        begin, end = low.copy(), high.copy()
        np.maximum.at(begin, stub.entry_column[entry], stub.first[entry])
        np.minimum.at(end, stub.entry_column[entry], stub.last[entry])
        if (begin > end).any():
            return
        point = np.clip(stub.home, begin, end)
        costs = stub.cost[stub.start[:-1] + point]
        cost = float(costs.sum() if self.question.additive else costs.max())
        if cost < self.radius:
            self._accept(cost, point, score)

    def _accept(self, cost: float, cells: IntArray, score: float) -> bool:
        """Take a point as the best one if its label is another one."""
        question = self.question
        if cost >= self.radius:
            return True
        if score < question.target + question.tolerance and not question.confirm(cells):
            return False
        self.found, self.radius = Found(cost, cells), cost
        return True

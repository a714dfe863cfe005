"""Best-first branch and bound over boxes of cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import ByteArray, FloatArray, IntArray
from specreg_sklearn.certificates.trees.search._boxes import (
    AT_TARGET,
    PRUNED,
    Look,
    boxes_of,
    terms_of,
)
from specreg_sklearn.certificates.trees.search._stub import Stub

# Steps at the root go on for as long as so many of them close this part of what is left between
# the bound and the radius.
_ROOT_STEPS = 400
_ROOT_PATIENCE = 10
_WORTHWHILE = 0.05
# Where the question is whether there is a point so near, branching answers it sooner.
_QUICK_PATIENCE = 5
_QUICK_WORTHWHILE = 0.1
_COOLING = 0.02
_RATE = 0.45
_DIVE_EVERY = 4
# What predict says no to counts as so many boxes: a question about one row costs as much, and where
# a forest is tied on a whole region, nearly every box asks one.
_REFUSED = 20
# A box costs by what its leaves ask for, entry by entry, besides what it costs anyway: one with so
# many in all counts as one. A step of the multipliers goes through all shares; so many cost as much
# as an entry.
_ENTRIES_OF_A_NODE = 7000
_BESIDES = 2800
_SHARES_OF_AN_ENTRY = 60
# To note the multipliers at the root is dear, so not every step that is better does.
_KEEP_EVERY = 5

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
    is_open: ByteArray
    cut: tuple[int, int]
    price: float


class BestFirst:
    """One search, which can be stopped and continued.

    Parameters
    ----------
    question : Question
        What is looked for.
    radius : float
        Costs of points are below it.
    quick : bool, default=False
        Whether any point will do, so that less is spent on the bound at the root.

    Attributes
    ----------
    lower : float
        No point costs less; at most the radius.
    found : Found or None
        The best point so far, below the radius.
    done : bool
        Whether `found` is the best point, or there is none below the radius.
    """

    def __init__(self, question: Question, radius: float, *, quick: bool = False) -> None:
        self.question, self.radius = question, radius
        self._patience = _QUICK_PATIENCE if quick else _ROOT_PATIENCE
        self._worthwhile = _QUICK_WORTHWHILE if quick else _WORTHWHILE
        self.found: Found | None = None
        self.lower, self.done = 0.0, False
        self._work = 0
        stub = question.stub
        self._heap: list[_Node] = []
        self._next: _Node | None = None
        self._made = self._popped = 0
        if not len(stub.leaf):
            self.lower, self.done = radius, True
            return
        target = question.target - question.tolerance
        self._terms = terms_of(stub, question.value, target, additive=question.additive)
        self._boxes = boxes_of(self._terms)
        self._n_entries = np.diff(stub.entry_start, append=len(stub.entry_leaf))
        self._start()

    @property
    def n_nodes(self) -> int:
        """Work so far, in boxes of a usual size."""
        return -(-self._work // _ENTRIES_OF_A_NODE)

    def _looked(
        self, low: IntArray, high: IntArray, is_open: ByteArray, price: float, *, past_near: bool
    ) -> Look:
        """Look at a box, and count it."""
        look = self._boxes.look(low, high, is_open, self.radius, price, past_near=past_near)
        # Of a box that is dropped, the two implementations leave other leaves open.
        entries = 0 if look.verdict == PRUNED else int(self._n_entries @ is_open)
        self._work += _BESIDES + entries
        return look

    def _improve(self, low: IntArray, high: IntArray, rate: float) -> None:
        """Shift the multipliers by what the last look saw, and count it."""
        held = self._terms.multipliers
        if held is not None:
            self._boxes.improve(low, high, rate)
            self._work += held.asking.size // _SHARES_OF_AN_ENTRY

    def _start(self) -> None:
        stub = self.question.stub
        low = np.zeros(len(stub.column), dtype=np.int64)
        high = np.diff(stub.start) - 1
        is_open = np.ones(len(stub.leaf), dtype=np.uint8)
        root = self._root_look(low, high, is_open)
        if root.verdict == PRUNED:
            self.lower, self.done = self.radius, True
            return
        self._consider(root)
        node = self._node(root, low, high, is_open, 0.0)
        if node is not None:
            heappush(self._heap, node)
        self._settle()

    def _root_look(self, low: IntArray, high: IntArray, is_open: ByteArray) -> Look:
        """Look at everything, while the multipliers are improved step by step."""
        held = self._terms.multipliers
        # Some price of the score in the right range; the first looks find a better one.
        spread = float(np.ptp(self._terms.value)) or 1.0
        reach = self.radius if np.isfinite(self.radius) else float(self._terms.stub.cost.max())
        price = reach / spread
        look = self._looked(low, high, is_open, price, past_near=True)
        if held is None or look.verdict == PRUNED:
            return look
        best = before = look.key
        held.keep()
        for i in range(1, _ROOT_STEPS + 1):
            self._improve(low, high, 1 / (1 + _COOLING * i))
            look = self._looked(low, high, is_open, look.price, past_near=True)
            if look.verdict == PRUNED:
                return look
            if i % _KEEP_EVERY == 0 and look.key >= best:
                best = look.key
                held.keep()
            if i % self._patience == 0:
                if best - before < self._worthwhile * (self.radius - best):
                    break
                before = best
        held.put_back()
        return self._looked(low, high, is_open, look.price, past_near=True)

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

    def _split(self, node: _Node) -> None:
        j, q = node.cut
        pushed = []
        for above in (False, True):
            low, high = node.low.copy(), node.high.copy()
            is_open = np.unpackbits(node.is_open, count=len(self.question.stub.leaf))
            if above:
                low[j] = q
            else:
                high[j] = q - 1
            look = self._looked(low, high, is_open, node.price, past_near=False)
            if look.verdict == AT_TARGET:
                if self._accept(look.base, look.near, look.score):
                    continue
                look = self._looked(low, high, is_open, node.price, past_near=True)
            if look.verdict == PRUNED:
                continue
            self._consider(look)
            made = self._node(look, low, high, is_open, node.key)
            if made is not None:
                pushed.append(made)
            self._improve(low, high, _RATE)
        pushed = [made for made in pushed if made.key < self.radius]
        # A dive goes on with the cheaper half, whatever else there is, until nothing is left of it.
        if pushed and self._popped % _DIVE_EVERY == 0:
            self._next = min(pushed)
            pushed = [made for made in pushed if made is not self._next]
        for made in pushed:
            heappush(self._heap, made)

    def _node(
        self, look: Look, low: IntArray, high: IntArray, is_open: ByteArray, parent: float
    ) -> _Node | None:
        key = max(look.key, parent)
        # Without a cut it is one cell in each column, near the target, and predict said that it is
        # no other label.
        if key >= self.radius or look.cut[0] < 0:
            return None
        # Among equal keys, of which Linf has many, the latest goes first: it is nearest to an end.
        self._made -= 1
        return _Node(key, self._made, low, high, np.packbits(is_open), look.cut, look.price)

    def _consider(self, look: Look) -> None:
        """Try the cheapest point that lies in all the leaves that attain a bound, if one does."""
        if look.meeting < self.radius:
            self._accept(look.meeting, look.point, look.point_score)

    def _accept(self, cost: float, cells: IntArray, score: float) -> bool:
        """Take a point as the best one if its label is another one."""
        question = self.question
        if cost >= self.radius:
            return True
        if score < question.target + question.tolerance and not question.confirm(cells):
            self._work += _REFUSED * _ENTRIES_OF_A_NODE
            return False
        self.found, self.radius = Found(cost, cells.astype(np.int64)), cost
        return True

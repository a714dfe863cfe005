"""Branch and bound for the cheapest moves inside boxes, for several rows at once.

A relaxation bounds what moves of a box cost, finds a move that suffices, and names the column to
cut at for a better bound. Here boxes are cut, the best of each row first, until none is left that
could hold a cheaper move, or the budget is spent. What is handed back is a lower bound at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.tables import rank_within

NODES_PER_BOX = 20
"""How many nodes of a search for trees take as long as a box of a few columns."""

_FEW_COLUMNS = 32
# A bound as near as this to the best move is not worth a search.
_NEAR = 1e-9


class Relaxed(NamedTuple):
    """Bounds of some boxes, moves inside them, and the column to cut at.

    `column` is -1 where no cut makes the bound better. Its lower part ends at `below`, its upper
    part begins at `above`.
    """

    bound: FloatArray
    cost: FloatArray
    move: FloatArray
    column: IntArray
    below: FloatArray
    above: FloatArray


Relaxation = Callable[[IntArray, FloatArray, FloatArray], Relaxed]
"""From the rows that boxes belong to, and their ends, (n_boxes, n_moves), to their bounds."""


class CheapestMoves(NamedTuple):
    """The cheapest moves of some rows.

    Parameters
    ----------
    lower : ndarray of shape (n_rows,)
        No move is cheaper; infinite where there is none.
    cost : ndarray of shape (n_rows,)
        What the cheapest move that was found costs; infinite without one.
    move : ndarray of shape (n_rows, n_moves)
        That move; meaningless without one.
    n_nodes : ndarray of shape (n_rows,), int
        Boxes that were looked at.
    """

    lower: FloatArray
    cost: FloatArray
    move: FloatArray
    n_nodes: IntArray


class _Boxes(NamedTuple):
    """Boxes in which moves lie, whose they are, and where to cut them."""

    owner: IntArray
    bound: FloatArray
    low: FloatArray
    high: FloatArray
    column: IntArray
    below: FloatArray
    above: FloatArray

    def take(self, some: np.ndarray) -> _Boxes:
        return _Boxes(*(part[some] for part in self))


def branch_and_bound(
    relaxation: Relaxation,
    low: FloatArray,
    high: FloatArray,
    *,
    cap: FloatArray,
    most_nodes: IntArray,
    at_once: int = 4,
) -> CheapestMoves:
    """Return the cheapest moves of some rows, by cutting their boxes.

    Parameters
    ----------
    relaxation : callable
        Bounds what moves of boxes cost.
    low, high : ndarray of shape (n_rows, n_moves)
        The ends of the boxes of the rows.
    cap : ndarray of shape (n_rows,)
        Costs that are not worth a search: the search of a row ends once it is proved that there is
        no cheaper move.
    most_nodes : ndarray of shape (n_rows,), int
        How many boxes are looked at for each row; one in any case.
    at_once : int, default=4
        How many boxes of a row are cut at once; the last ones may pass the budget.
    """
    return _Search(relaxation, low.shape, cap, at_once).run(low, high, most_nodes)


def price_of_box(n_moves: int) -> int:
    """Return how many nodes of a search for trees take as long as a box of some columns."""
    return NODES_PER_BOX * max(1, n_moves // _FEW_COLUMNS)


class _Search:
    """Boxes of several rows, the best ones of each first."""

    def __init__(
        self, relaxation: Relaxation, shape: tuple[int, ...], cap: FloatArray, at_once: int
    ) -> None:
        self.relaxation, self.cap, self.at_once = relaxation, cap, at_once
        n = len(cap)
        self.cost, self.move = np.full(n, np.inf), np.zeros(shape)
        # The least bound of the boxes that need no cut, and of all others once the search ends.
        self.lower = np.full(n, np.inf)
        self.n_nodes = np.zeros(n, dtype=np.int64)

    def run(self, low: FloatArray, high: FloatArray, most_nodes: IntArray) -> CheapestMoves:
        every = np.arange(len(self.cap))
        boxes = self._looked_at(every, np.zeros(len(every)), low, high)
        while True:
            worth = boxes.bound < self._cutoff(boxes.owner)
            np.minimum.at(self.lower, boxes.owner[~worth], boxes.bound[~worth])
            boxes = boxes.take(worth)
            going = (self.n_nodes < most_nodes)[boxes.owner]
            if not going.any():
                break
            chosen = going & (rank_within((boxes.owner,), boxes.bound) < self.at_once)
            left = boxes.take(~chosen)
            halves = self._halves(boxes.take(chosen))
            boxes = _Boxes(*(np.concatenate(pair) for pair in zip(left, halves, strict=True)))
        np.minimum.at(self.lower, boxes.owner, boxes.bound)
        return CheapestMoves(np.minimum(self.lower, self.cost), self.cost, self.move, self.n_nodes)

    def _cutoff(self, owner: IntArray) -> FloatArray:
        return np.minimum(self.cost, self.cap)[owner] * (1 - _NEAR)

    def _halves(self, boxes: _Boxes) -> _Boxes:
        """Cut boxes at their columns."""
        at = np.arange(len(boxes.owner)), boxes.column
        high, low = boxes.high.copy(), boxes.low.copy()
        high[at], low[at] = boxes.below, boxes.above
        return self._looked_at(
            np.concatenate([boxes.owner, boxes.owner]),
            np.concatenate([boxes.bound, boxes.bound]),
            np.concatenate([boxes.low, low]),
            np.concatenate([high, boxes.high]),
        )

    def _looked_at(
        self, owner: IntArray, bound: FloatArray, low: FloatArray, high: FloatArray
    ) -> _Boxes:
        """Bound boxes, keep the best moves in them, and return those that may hold better ones."""
        found = self.relaxation(owner, low, high)
        self.n_nodes += np.bincount(owner, minlength=len(self.n_nodes))
        bound = np.maximum(bound, found.bound)
        # The cheapest is written last.
        order = np.argsort(-found.cost, kind="stable")
        order = order[found.cost[order] < self.cost[owner[order]]]
        self.cost[owner[order]] = found.cost[order]
        self.move[owner[order]] = found.move[order]
        done = found.column < 0
        np.minimum.at(self.lower, owner[done], bound[done])
        boxes = _Boxes(owner, bound, low, high, found.column, found.below, found.above)
        return boxes.take(~done)

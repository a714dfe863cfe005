"""The cheapest moves past a linear boundary where some columns move by whole steps.

What a column has to do is known: it moves to the side where the other class gains. So moves are
numbers v >= 0 here, at their price, and a boundary is ``rate @ v >= gap``. In Linf each column goes
as far as the cube allows, and a bisection is exact. In L1 and L2 the problem is a knapsack to be
covered: branch and bound, from Lagrange's bound, in which whole columns stay whole (Martello, Toth,
Knapsack Problems, 1990; Fisher, Management Science 27, 1981).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.linear._knapsack_bounds import (
    RELAXATIONS,
    ROUNDED,
    Problem,
    Relaxation,
    gain,
    gap_bracket,
)
from specreg_sklearn.tables import rank_within

# Boxes of a row that are cut at once.
_AT_ONCE = 4
# A bound as near as this to the best move is not worth a search.
_NEAR = 1e-9


class CheapestMoves(NamedTuple):
    """The cheapest moves of some rows.

    Parameters
    ----------
    lower : ndarray of shape (n_rows,)
        No move is cheaper; infinite where there is none.
    cost : ndarray of shape (n_rows,)
        What the cheapest move that was found costs; infinite without one.
    move : ndarray of shape (n_rows, n_moves)
        That move, not negative; meaningless without one.
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


def cheapest_moves(
    rate: FloatArray,
    gap: FloatArray,
    enough: FloatArray,
    order: float,
    room: FloatArray,
    grain: FloatArray,
    *,
    cap: FloatArray,
    most_nodes: IntArray,
) -> CheapestMoves:
    """Return the cheapest moves of some rows to where ``rate @ v >= gap``.

    Parameters
    ----------
    rate : ndarray of shape (n_moves,)
        What a unit of a move gains, not negative.
    gap : ndarray of shape (n_rows,)
        What has to be gained.
    enough : ndarray of shape (n_rows,)
        What moves that are handed back gain, as much as `gap` or more.
    order : {1, 2, inf}
        The norm of moves.
    room : ndarray of shape (n_rows, n_moves)
        How far moves may go, as :func:`whole_room` gives it; may be infinite.
    grain : ndarray of shape (n_rows, n_moves)
        The step by which a column moves; 0 where it moves by any number.
    cap : ndarray of shape (n_rows,)
        Costs that are not worth a search: the search of a row ends once it is proved that there is
        no cheaper one.
    most_nodes : ndarray of shape (n_rows,), int
        How many boxes are looked at for each row.
    """
    used = np.flatnonzero(rate > 0)
    move, high = np.zeros(room.shape), room[:, used]
    problem = Problem(rate[used], gap, enough, grain[:, used])
    if order == np.inf:
        found = _in_cubes(problem, high)
    else:
        found = _Search(RELAXATIONS[order], problem, cap).run(high, most_nodes)
    move[:, used] = found.move
    return found._replace(move=move)


def whole_room(room: FloatArray, grain: FloatArray) -> FloatArray:
    """Return how far moves may go, (n_rows, n_moves), as the last step before their ends."""
    with np.errstate(invalid="ignore", divide="ignore"):
        steps = np.floor(room / grain + ROUNDED)
        return np.where((grain > 0) & np.isfinite(room), steps * grain, room)


def _in_cubes(problem: Problem, high: FloatArray) -> CheapestMoves:
    """Return the smallest cubes whose corner gains enough."""
    rate, gap, enough, grain = problem
    unit = np.where(grain > 0, grain, 1.0)

    def corner(radius: FloatArray) -> FloatArray:
        wide = np.broadcast_to(radius[:, None], high.shape)
        whole = np.floor(wide / unit + ROUNDED) * unit
        return np.minimum(high, np.where(grain > 0, whole, wide))

    def smallest(gap: FloatArray) -> tuple[FloatArray, FloatArray]:
        never = gain(rate, high) < gap
        ends = gap_bracket(lambda r: gain(rate, corner(r)), gap, rate.sum(), never)
        inner, outer = (np.where(never, np.inf, end) for end in ends)
        return inner, outer

    lower, upper = smallest(gap)[0], smallest(enough)[1]
    move = corner(np.where(np.isinf(upper), 0.0, upper))
    cost = np.where(np.isinf(upper), np.inf, move.max(axis=1, initial=0.0))
    return CheapestMoves(lower, cost, move, np.zeros(len(gap), dtype=np.int64))


class _Search:
    """Branch and bound for several rows at once, the best boxes of each first."""

    def __init__(self, relaxation: Relaxation, problem: Problem, cap: FloatArray) -> None:
        self.relaxation, self.problem, self.cap = relaxation, problem, cap
        n = len(cap)
        self.cost, self.move = np.full(n, np.inf), np.zeros(problem.grain.shape)
        # The least bound of the boxes that need no cut, and of all others once the search ends.
        self.lower = np.full(n, np.inf)
        self.n_nodes = np.zeros(n, dtype=np.int64)

    def run(self, high: FloatArray, most_nodes: IntArray) -> CheapestMoves:
        every = np.arange(len(self.cap))
        boxes = self._looked_at(every, np.zeros(len(every)), np.zeros(high.shape), high)
        while True:
            worth = boxes.bound < self._cutoff(boxes.owner)
            np.minimum.at(self.lower, boxes.owner[~worth], boxes.bound[~worth])
            boxes = boxes.take(worth)
            going = (self.n_nodes < most_nodes)[boxes.owner]
            if not going.any():
                break
            chosen = going & (rank_within((boxes.owner,), boxes.bound) < _AT_ONCE)
            left = boxes.take(~chosen)
            halves = self._halves(boxes.take(chosen))
            boxes = _Boxes(*(np.concatenate(pair) for pair in zip(left, halves, strict=True)))
        np.minimum.at(self.lower, boxes.owner, boxes.bound)
        return CheapestMoves(np.minimum(self.lower, self.cost), self.cost, self.move, self.n_nodes)

    def _cutoff(self, owner: IntArray) -> FloatArray:
        return np.minimum(self.cost, self.cap)[owner] * (1 - _NEAR)

    def _halves(self, boxes: _Boxes) -> _Boxes:
        """Cut boxes at the column that is between two steps."""
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
        found = self.relaxation(self.problem.take(owner), low, high)
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

"""The cheapest moves past a linear boundary where some columns move by whole steps.

What a column has to do is known: it moves to the side where the other class gains. So moves are
numbers v >= 0 here, at their price, and a boundary is ``rate @ v >= gap``. In Linf each column goes
as far as the cube allows, and a bisection is exact. In L1 and L2 the problem is a knapsack to be
covered: branch and bound, from Lagrange's bound, in which whole columns stay whole (Martello, Toth,
Knapsack Problems, 1990; Fisher, Management Science 27, 1981).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray

_HALVINGS = 50
_DOUBLINGS = 300
# Boxes of a row that are cut at once.
_AT_ONCE = 4
# A bound as near as this to the best move is not worth a search.
_NEAR = 1e-9
# A whole number of steps may be missed by this share of one.
_ROUNDED = 1e-9
# Sums may round by this share.
_SLACK = 1e-13
# In how many columns a move is mended that gains too little or too much.
_MOST_TRIES = 4


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


class _Relaxed(NamedTuple):
    """Bounds of some boxes, moves inside them, and the column that is between two steps.

    `column` is -1 where there is none, so that the move is the best one of its box.
    """

    bound: FloatArray
    cost: FloatArray
    move: FloatArray
    column: IntArray
    below: FloatArray
    above: FloatArray


class _Problem(NamedTuple):
    """What moves of some rows have to gain; see :func:`cheapest_moves`."""

    rate: FloatArray
    gap: FloatArray
    enough: FloatArray
    grain: FloatArray

    def take(self, some: IntArray) -> _Problem:
        return _Problem(self.rate, self.gap[some], self.enough[some], self.grain[some])


_Relaxation = Callable[[_Problem, FloatArray, FloatArray], _Relaxed]


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
    problem = _Problem(rate[used], gap, enough, grain[:, used])
    if order == np.inf:
        found = _in_cubes(problem, high)
    else:
        found = _Search(_RELAXATIONS[order], problem, cap).run(high, most_nodes)
    move[:, used] = found.move
    return found._replace(move=move)


def whole_room(room: FloatArray, grain: FloatArray) -> FloatArray:
    """Return how far moves may go, (n_rows, n_moves), as the last step before their ends."""
    with np.errstate(invalid="ignore", divide="ignore"):
        steps = np.floor(room / grain + _ROUNDED)
        return np.where((grain > 0) & np.isfinite(room), steps * grain, room)


def _in_cubes(problem: _Problem, high: FloatArray) -> CheapestMoves:
    """Return the smallest cubes whose corner gains enough."""
    rate, gap, enough, grain = problem
    unit = np.where(grain > 0, grain, 1.0)

    def corner(radius: FloatArray) -> FloatArray:
        wide = np.broadcast_to(radius[:, None], high.shape)
        whole = np.floor(wide / unit + _ROUNDED) * unit
        return np.minimum(high, np.where(grain > 0, whole, wide))

    def smallest(gap: FloatArray) -> tuple[FloatArray, FloatArray]:
        never = _gain(rate, high) < gap
        ends = _crossing(lambda r: _gain(rate, corner(r)) >= gap, gap, rate.sum(), never)
        inner, outer = (np.where(never, np.inf, end) for end in ends)
        return inner, outer

    lower, upper = smallest(gap)[0], smallest(enough)[1]
    move = corner(np.where(np.isinf(upper), 0.0, upper))
    cost = np.where(np.isinf(upper), np.inf, move.max(axis=1, initial=0.0))
    return CheapestMoves(lower, cost, move, np.zeros(len(gap), dtype=np.int64))


class _Search:
    """Branch and bound for several rows at once, the best boxes of each first."""

    def __init__(self, relaxation: _Relaxation, problem: _Problem, cap: FloatArray) -> None:
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
            order = np.lexsort((boxes.bound, boxes.owner))
            begins = np.flatnonzero(np.diff(boxes.owner[order], prepend=-1))
            counts = np.diff(np.append(begins, len(order)))
            rank = np.arange(len(order)) - np.repeat(begins, counts)
            chosen = np.zeros(len(order), dtype=bool)
            chosen[order[rank < _AT_ONCE]] = True
            chosen &= going
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


def _squares(problem: _Problem, low: FloatArray, high: FloatArray) -> _Relaxed:
    """Bound L2: at a price of m for what is gained, each column moves by itself."""
    rate, gap, _, grain = problem
    unit = np.where(grain > 0, grain, 1.0)

    def at(m: FloatArray) -> FloatArray:
        wanted = m[:, None] * rate
        return np.clip(np.where(grain > 0, np.rint(wanted / unit) * unit, wanted), low, high)

    never = _gain(rate, high) < gap
    inner, outer = _crossing(lambda m: _gain(rate, at(m)) >= gap, gap, float(rate @ rate), never)
    before, after = at(inner), at(outer)
    bound = np.zeros(len(gap))
    for m, v in ((inner, before), (outer, after)):
        spent, gained = (v * v).sum(axis=1), _gain(rate, v)
        dual = spent + 2 * m * (gap - gained) - _SLACK * (spent + 2 * m * (gap + gained))
        bound = np.maximum(bound, dual)
    between = np.where((grain > 0) & (after > before), rate * (after - before), 0.0)
    move, suffices = _just_enough(after, problem, (low, high), np.square)
    cost = np.where(suffices, np.sqrt((move * move).sum(axis=1)), np.inf)
    return _relaxed(np.sqrt(bound), cost, move, between, before, after, never)


def _sums(problem: _Problem, low: FloatArray, high: FloatArray) -> _Relaxed:
    """Bound L1: columns move as far as they can, the steepest first."""
    rate, gap, _, grain = problem
    n, order = len(gap), np.argsort(-rate, kind="stable")
    need = gap - _gain(rate, low)
    room = (high - low)[:, order]
    gained = np.cumsum(room * rate[order], axis=1)
    never = gained[:, -1] < need if len(order) else need > 0
    before = np.hstack([np.zeros((n, 1)), gained[:, :-1]])
    with np.errstate(invalid="ignore"):
        wanted = np.maximum(need[:, None] - before, 0.0) / rate[order]
    taken = np.minimum(room, np.nan_to_num(wanted, nan=0.0, posinf=0.0))
    bound = (low.sum(axis=1) + taken.sum(axis=1)) * (1 - _SLACK)
    inside = np.empty_like(taken)
    inside[:, order] = taken
    unit = np.where(grain > 0, grain, 1.0)
    steps = inside / unit
    down, up = np.floor(steps + _ROUNDED), np.ceil(steps - _ROUNDED)
    below = np.where(grain > 0, low + down * unit, low + inside)
    above = np.where(grain > 0, np.minimum(low + up * unit, high), low + inside)
    between = np.where((grain > 0) & (above > below), 1.0, 0.0)
    move, suffices = _just_enough(above, problem, (low, high), np.asarray)
    cost = np.where(suffices, move.sum(axis=1), np.inf)
    return _relaxed(bound, cost, move, between, below, above, never)


_RELAXATIONS: dict[float, _Relaxation] = {1: _sums, 2: _squares}


def _relaxed(
    bound: FloatArray,
    cost: FloatArray,
    move: FloatArray,
    between: FloatArray,
    below: FloatArray,
    above: FloatArray,
    never: np.ndarray,
) -> _Relaxed:
    """Choose the column to cut at, by how much lies `between` its two steps."""
    rows = np.arange(len(bound))
    column = between.argmax(axis=1) if between.shape[1] else np.zeros(len(rows), dtype=np.int64)
    sizes = between[rows, column] if between.shape[1] else np.zeros(len(rows))
    ends = [end[rows, column] if end.shape[1] else sizes for end in (below, above)]
    column = np.where((sizes > 0) & ~never, column, -1)
    bound, cost = np.where(never, np.inf, bound), np.where(never, np.inf, cost)
    return _Relaxed(bound, cost, move, column, *ends)


def _just_enough(
    move: FloatArray,
    problem: _Problem,
    box: tuple[FloatArray, FloatArray],
    price: Callable[[FloatArray], FloatArray],
) -> tuple[FloatArray, BoolArray]:
    """Return moves that gain enough, if by a few columns they can, and hardly more; and if they do.

    `price` is what the moves of columns cost. What lacks is added where it costs least, and what is
    too much is taken back where it saves most.
    """
    (rate, _, enough, grain), (low, high) = problem, box
    move, rows = move.copy(), np.arange(len(move))
    if not move.shape[1]:
        return move, enough <= 0
    unit = np.where(grain > 0, grain, 1.0)
    for _ in range(_MOST_TRIES):
        lacking = enough - _gain(rate, move)
        some = np.flatnonzero(lacking > 0)
        if not len(some):
            break
        more = lacking[some, None] / rate
        steps = np.ceil(more / unit[some]) * unit[some]
        more = np.minimum(
            np.where(grain[some] > 0, steps, more * (1 + _SLACK)), (high - move)[some]
        )
        suffices = rate * more >= lacking[some, None]
        longer = move[some] + more
        extra = np.where(suffices, price(longer) - price(move[some]), np.inf)
        best = np.where(suffices.any(axis=1), extra.argmin(axis=1), (rate * more).argmax(axis=1))
        move[some, best] = longer[np.arange(len(some)), best]
    for _ in range(_MOST_TRIES):
        spare = np.maximum(_gain(rate, move) - enough, 0.0) * (1 - _SLACK)
        back = np.minimum(spare[:, None] / rate, move - low)
        whole = np.floor(back / unit * (1 + _SLACK)) * unit
        shorter = np.maximum(move - np.where(grain > 0, whole, back), low)
        saving = price(move) - price(shorter)
        best = saving.argmax(axis=1)
        some = np.flatnonzero(saving[rows, best] > 0)
        if not len(some):
            break
        move[some, best[some]] = shorter[some, best[some]]
    return move, np.asarray(_gain(rate, move) >= enough * (1 - _SLACK))


def _gain(rate: FloatArray, move: FloatArray) -> FloatArray:
    return np.asarray((rate * move).sum(axis=1))


def _crossing(
    reached: Callable[[FloatArray], np.ndarray], gap: FloatArray, speed: float, never: np.ndarray
) -> tuple[FloatArray, FloatArray]:
    """Return numbers just below and at the place from where on enough is gained."""
    outer = np.where(never, 0.0, np.maximum(gap, np.finfo(float).tiny) / max(speed, 1e-300))
    for _ in range(_DOUBLINGS):
        short = ~never & ~reached(outer)
        if not short.any():
            break
        outer[short] *= 4
    inner = np.zeros(len(gap))
    for _ in range(_HALVINGS):
        middle = 0.5 * (inner + outer)
        there = reached(middle)
        inner, outer = np.where(there, inner, middle), np.where(there, middle, outer)
    return inner, outer

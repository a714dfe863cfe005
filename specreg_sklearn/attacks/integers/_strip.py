"""Moves without the columns that they do not need: many of them at once, in few calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray

Ask: TypeAlias = Callable[[FloatArray, IntArray], BoolArray]
"""``ask(M, owner)``: which moves fool the model."""
GoingOn: TypeAlias = Callable[[IntArray], BoolArray]
"""``going_on(owner)``: which rows may still ask."""

# Points of a bracket that are asked about in one call; so few columns are tried one by one.
_POINTS, _FEW = 3, 8
# A saving below this share of the cost is not worth a query.
_LEAST_SAVING = 1e-3
# Every round settles something, so these only end a loop that cannot end.
_MOST_ROUNDS = 10000


class Strip:
    """Takes columns out of moves (m, d) that fool the model, those with a small `key` first.

    What stays of a move is the shortest beginning of that order, whose last column is therefore
    needed; then the same among the columns before it, and so on. A move is given up once the
    columns that it needs cost more than `most`; `terms`, (m, d), are the costs of its columns.
    """

    def __init__(
        self, M: FloatArray, owner: IntArray, key: FloatArray, terms: FloatArray, most: FloatArray
    ) -> None:
        self.M, self.owner, self.terms, self.most = M, owner, terms, most
        moved = M != 0
        self.order = np.argsort(np.where(moved, -key, np.inf), axis=1, kind="stable")
        self.rank = np.argsort(self.order, axis=1, kind="stable")
        self.needed = np.zeros(M.shape, dtype=bool)
        # The first `high` columns fool together with those needed; the first `low` do not.
        self.high, self.low = moved.sum(axis=1), np.zeros(len(M), dtype=np.int64)
        self.alive: BoolArray = self.high > 0

    def run(self, ask: Ask, going_on: GoingOn) -> FloatArray:
        """Ask until every move is settled, given up, or its row may not go on; return the moves."""
        for _ in range(_MOST_ROUNDS):
            self._settle()
            self.alive &= (self.needed * self.terms).sum(axis=1) <= self.most
            now = np.flatnonzero(self.alive)
            now = now[going_on(self.owner[now])]
            if not len(now):
                break
            few = (self.low[now] < 0) & (self.high[now] <= _FEW)
            number, size = self._sizes(now[~few])
            small, left_out = self._left_out(now[few])
            trials = [
                self._with_first(number, size),
                np.where(left_out[:, None] == self.rank[small], 0.0, self._whole(small)),
            ]
            owner = self.owner[np.append(number, small)]
            fooled = ask(np.concatenate(trials), owner)
            self._narrow(number, size, fooled[: len(number)])
            self._try_together(small, left_out, fooled[len(number) :], ask)
        return self._whole(np.arange(len(self.M)))

    def _with_first(self, number: IntArray, size: IntArray) -> FloatArray:
        """Return moves with the columns that they need and the first ones of the others."""
        kept = self.needed[number] | (self.rank[number] < size[:, None])
        return np.asarray(np.where(kept, self.M[number], 0.0))

    def _whole(self, number: IntArray) -> FloatArray:
        return self._with_first(number, self.high[number])

    def _settle(self) -> None:
        """Where a bracket is closed, its upper end is needed; all before it are open again."""
        closed = np.flatnonzero(self.alive & (self.high - self.low == 1) & (self.low >= 0))
        last = self.high[closed] - 1
        self.needed[closed, self.order[closed, last]] = True
        self.high[closed], self.low[closed] = last, -1
        self.alive[closed] = last > 0

    def _sizes(self, number: IntArray) -> tuple[IntArray, IntArray]:
        """Return how many columns to try next: a few sizes inside each bracket."""
        low, high = self.low[number, None], self.high[number, None]
        share = np.arange(1, _POINTS + 1) / (_POINTS + 1)
        even = low + np.maximum((share * (high - low)).astype(np.int64), 1)
        # A good order needs few columns, whatever number there are: at first sizes double.
        doubled = 2 ** np.arange(max(int(self.high[number].max(initial=1)).bit_length(), _POINTS))
        size = np.where(low == 0, doubled, np.pad(even, ((0, 0), (0, len(doubled) - _POINTS))))
        inside = (size > low) & (size < high)
        inside[:, 1:] &= size[:, 1:] > size[:, :-1]
        which, place = np.nonzero(inside)
        return number[which], size[which, place]

    def _narrow(self, number: IntArray, size: IntArray, fooled: BoolArray) -> None:
        np.minimum.at(self.high, number[fooled], size[fooled])
        below = ~fooled & (size < self.high[number])
        np.maximum.at(self.low, number[below], size[below])

    def _left_out(self, number: IntArray) -> tuple[IntArray, IntArray]:
        """Return each of the few columns, by its rank, that is tried without."""
        which, place = np.nonzero(np.arange(_FEW) < self.high[number, None])
        return number[which], place

    def _try_together(
        self, number: IntArray, left_out: IntArray, fooled: BoolArray, ask: Ask
    ) -> None:
        """Take out what can be taken out together, of columns that can be taken out alone."""
        if not len(number):
            return
        some, which = np.unique(number, return_inverse=True)
        free = np.zeros((len(some), min(_FEW, self.M.shape[1])), dtype=bool)
        free[which, left_out] = fooled
        head = self.order[some, : free.shape[1]]
        stuck = ~free & (np.arange(free.shape[1]) < self.high[some, None])
        row, place = np.nonzero(stuck)
        self.needed[some[row], head[row, place]] = True
        # Those that are free come first, in their old order.
        head = np.take_along_axis(head, np.argsort(~free, axis=1, kind="stable"), axis=1)
        self.order[some, : free.shape[1]] = head
        self.rank[some[:, None], head] = np.arange(free.shape[1])
        n_free = free.sum(axis=1)
        # Without the last of them the model is fooled, as has been asked.
        self.high[some], self.low[some] = np.maximum(n_free - 1, 0), -1
        which, size = np.nonzero(np.arange(free.shape[1]) < self.high[some, None])
        self._narrow(
            some[which], size, ask(self._with_first(some[which], size), self.owner[some[which]])
        )
        self.alive[some] = self.high[some] > 0
        # The last one that is left is needed: one less was asked, and did not fool.
        self.low[some] = self.high[some] - 1


def shrink_amounts(
    M: FloatArray,
    owner: IntArray,
    whole: BoolArray,
    terms: Callable[[FloatArray], FloatArray],
    ask: Ask,
    going_on: GoingOn,
) -> FloatArray:
    """Return moves whose columns of whole numbers went back as far as the model stays fooled.

    The brackets of all columns are halved in one call, each column alone; then growing unions of
    those that may move, the largest savings first, in another. ``terms(M)`` are costs of columns.
    """
    high, low = M.copy(), np.zeros(M.shape)
    for _ in range(_MOST_ROUNDS):
        middle = np.trunc((low + high) / 2)
        saving = terms(high) - terms(middle)
        wide = whole & (np.abs(high - low) > 1)
        wide &= saving > _LEAST_SAVING * terms(high).sum(axis=1, keepdims=True)
        wide &= going_on(owner)[:, None]
        number, column = np.nonzero(wide)
        if not len(number):
            break
        trial = high[number]
        trial[np.arange(len(number)), column] = middle[number, column]
        fooled = ask(trial, owner[number])
        low[number[~fooled], column[~fooled]] = middle[number[~fooled], column[~fooled]]
        may = np.zeros(M.shape, dtype=bool)
        may[number[fooled], column[fooled]] = True
        # How many of them move, the largest saving first.
        rank = np.argsort(np.argsort(np.where(may, -saving, np.inf), axis=1, kind="stable"), axis=1)
        count = may.sum(axis=1)
        number, size = np.nonzero(np.arange(2, count.max(initial=0) + 1) <= count[:, None])
        size = size + 2
        together = may[number] & (rank[number] < size[:, None])
        fooled = ask(np.where(together, middle[number], high[number]), owner[number])
        best = np.minimum(count, 1)
        np.maximum.at(best, number[fooled], size[fooled])
        # What does not fit keeps its bracket, and is tried again beside the others.
        moves = may & (rank < best[:, None])
        high = np.where(moves, middle, high)
    return high

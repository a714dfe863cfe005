"""Other swaps of categories at the best points found so far.

A search that follows a boundary of numbers seldom leaves the swaps with which it began: another
swap is far away, and on the way there the numbers must move as well. So sets of swaps are tried,
the cheap ones, first alone and then with as long a move of the numbers as still comes nearer than
the best point. Where that fools the model the move of the numbers is shortened.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.integers._gains import regressed
from specreg_sklearn.attacks.questions import SearchTask, bisect, stream

# Sets of swaps of a row that are tried, alone and with steps of one column of whole numbers; how
# many numbers all of them may hold. Columns of numbers that are tried alone.
_N_SWAPS, _N_SETS, _MOST_NUMBERS, _N_COLUMNS = 96, 256, 2**16, 6
_N_STEPPED, _STEPS = 3, (1, -1, 2, -2, 3, -3)
# Starts whose numbers are tried.
_N_STARTS = 3
# Questions of a row in a round, and how far within the best distance they lie.
_PER_ROUND, _INSIDE = 12, 0.9996
_TOLERANCE, _ROUNDING = 2.0**-10, 1e-9
_MOST_ROUNDS = 200
_DIGITS, _NAME_DRAW = 1000, 2**53
# Queries that rows have spent when they turn to swaps, and when they leave them.
_TURNS = ((0, 160), (400, 550), (800, 1000), *((2 * 1000 * 2**k, 2500 * 2**k) for k in range(12)))


class _Questions(NamedTuple):
    """What moves have of swaps and steps, the moves, (m, d), and numbers that name them, (m,)."""

    base: FloatArray
    moves: FloatArray
    names: np.ndarray


class SwapSearch:
    """Tries sets of swaps with moves of the numbers; goes on where it was when called again."""

    def __init__(self, task: SearchTask) -> None:
        self.task, self.n_numbers = task, task.oracle.rows.n_numbers
        self._slopes = self._all_slopes()
        # What a row has asked already, by numbers that hardly ever fall together.
        self._asked: dict[int, np.ndarray] = {}
        self._weights = stream(task.seed, _NAME_DRAW).integers(
            2**20, 2**63, size=self.n_numbers, dtype=np.uint64
        )
        self._sets: dict[int, tuple[FloatArray, FloatArray]] = {}

    @classmethod
    def applies(cls, task: SearchTask) -> bool:
        """Return whether there are categories."""
        return bool(task.oracle.rows.choices)

    def search(self, rows: IntArray, until: int) -> None:
        """Search until rows have spent `until` queries in all, or nothing is left to ask."""
        task = self.task
        for _ in range(_MOST_ROUNDS):
            rows = rows[task.is_open(rows) & (task.oracle.n_queries[rows] < until)]
            parts = [self._questions(i) for i in rows.tolist()]
            owner = np.repeat(rows, [len(p.names) for p in parts])
            if not len(owner):
                return
            moves = np.concatenate([p.moves for p in parts])
            base = np.concatenate([p.base for p in parts])
            names = np.concatenate([p.names for p in parts])
            fooled = task.oracle.decide(task.x[owner] + moves, owner)
            _, first = np.unique(owner[fooled], return_index=True)
            chosen = np.flatnonzero(fooled)[first]
            # What fools may be asked about again, once the best point is nearer.
            done = ~fooled
            done[chosen] = True
            for i in np.unique(owner).tolist():
                mine = names[done & (owner == i)]
                self._asked[i] = np.concatenate([self._asked[i], mine])
            self._shorten(base[chosen], moves[chosen], owner[chosen])

    def _shorten(self, base: FloatArray, moves: FloatArray, owner: IntArray) -> None:
        """Go back from moves that fool towards what they have beside their swaps and steps."""
        some = (moves != base).any(axis=1)
        base, moves, owner = base[some], moves[some], owner[some]
        x, decide = self.task.x[owner], self.task.oracle.decide
        bisect(decide, x + base, x + moves, owner, tolerance=_TOLERANCE, norm=2)

    def _questions(self, i: int) -> _Questions:
        """Return moves of a row that are worth asking about, the most promising first."""
        task, d = self.task, self.n_numbers
        best = task.oracle.best_distance[i]
        prices, sets = self._sets_of(i)
        ways = self._ways(i, best)
        some = np.flatnonzero(prices < best * _INSIDE)
        n = 1 + len(ways)
        moves = np.repeat(sets[some], n, axis=0).reshape(len(some), n, -1)
        room = self._room(best * _INSIDE, prices[some])
        # Columns of whole numbers that have made steps stay there.
        free = sets[some][:, None, :d] == 0
        moves[:, 1:, :d] += room[:, None, None] * ways * free
        moves = self._held(i, moves.reshape(-1, moves.shape[2]))
        base = np.repeat(sets[some], n, axis=0)
        asked = self._asked.setdefault(i, np.zeros(0, dtype=np.uint64))
        names = (some.astype(np.uint64)[:, None] + self._names(ways)).ravel()
        new = ~np.isin(names, asked)
        # Rounded as they are, moves of whole numbers may fall together with others.
        alone = np.arange(len(moves)) % n == 0
        new &= alone | (moves != base).any(axis=1)
        new &= (moves != 0).any(axis=1) & (task.length(moves) < best)
        worth = moves @ self._slope(i)
        worth = np.where(alone & (base[:, :d] == 0).all(axis=1), np.inf, worth)
        order = np.flatnonzero(new)
        order = order[np.argsort(-worth[order], kind="stable")][:_PER_ROUND]
        return _Questions(base[order], moves[order], names[order])

    def _held(self, i: int, moves: FloatArray) -> FloatArray:
        """Return moves of a row as its box and columns of whole numbers allow, never longer."""
        rows, x = self.task.oracle.rows, self.task.x[i]
        moves = np.clip(x + moves, self.task.lo[i], self.task.hi[i]) - x
        whole, scale = rows.integer, rows.scale
        moves[:, whole] = np.trunc(moves[:, whole] * scale[whole] * (1 + _ROUNDING)) / scale[whole]
        return moves

    def _names(self, ways: FloatArray) -> np.ndarray:
        """Return a number for no way at all, and one for each way, (1 + n,) uint64."""
        digits = np.round(ways * _DIGITS).astype(np.int64).astype(np.uint64)
        return np.append(np.zeros(1, dtype=np.uint64), digits @ self._weights)

    def _sets_of(self, i: int) -> tuple[FloatArray, FloatArray]:
        if i not in self._sets:
            task, d = self.task, self.n_numbers
            rows = task.oracle.rows
            flags = rows.swaps_of(i, task.oracle.norm, _N_SWAPS)[1]
            swaps = np.zeros((len(flags), task.x.shape[1]))
            swaps[:, d:] = flags / rows.scale[d:]
            whole = np.flatnonzero(rows.integer[:d])
            worth = np.abs(self._slope(i)[whole] / rows.scale[whole])
            whole = whole[np.argsort(-worth, kind="stable")[:_N_STEPPED]]
            steps = np.zeros((1 + len(whole) * len(_STEPS), task.x.shape[1]))
            for k, (column, step) in enumerate(product(whole.tolist(), _STEPS)):
                steps[k + 1, column] = step / rows.scale[column]
            inside = np.abs(self._held(i, steps) - steps).max(axis=1) <= _ROUNDING
            sets = (swaps[:, None] + steps[inside]).reshape(-1, task.x.shape[1])
            prices = task.length(sets)
            cheap = np.argsort(prices, kind="stable")
            cheap = cheap[: max(1, min(_N_SETS, _MOST_NUMBERS // sets.shape[1]))]
            self._sets[i] = prices[cheap], sets[cheap]
        return self._sets[i]

    def _room(self, best: float, prices: FloatArray) -> FloatArray:
        """Return how far numbers may move beside swaps of these prices."""
        norm = self.task.oracle.norm
        if norm == 0:
            # All moves cost the same: they may be of any size.
            return np.full(len(prices), 1e9)
        if norm == 2:
            return np.asarray(np.sqrt(best**2 - prices**2))
        return best - prices if norm == 1 else np.full(len(prices), best)

    def _ways(self, i: int, best: float) -> FloatArray:
        """Return moves of the numbers of length 1 in the norm, (n, n_numbers)."""
        task, d, norm = self.task, self.n_numbers, self.task.oracle.norm
        slope = self._slope(i)[:d]
        mine = np.flatnonzero(task.owner == i)[:_N_STARTS]
        points = [task.oracle.best[i], *task.starts[mine]]
        ways = [point[:d] - task.x[i, :d] for point in points]
        ways.append(np.sign(slope) if norm == np.inf else slope)
        columns = np.argsort(-np.abs(slope), kind="stable")[:_N_COLUMNS]
        ways += [sign * np.eye(d)[k] for k in columns.tolist() for sign in (1.0, -1.0)]
        moves = np.zeros((len(ways), task.x.shape[1]))
        moves[:, :d] = ways
        size = task.length(moves) if norm else np.abs(moves).max(axis=1, initial=0.0)
        moves = moves[size > 0] / size[size > 0][:, None]
        if norm == 0:
            moves = moves[task.length(moves) < best]
        _, first = np.unique(np.round(moves, 3), axis=0, return_index=True)
        return np.asarray(moves[np.sort(first), :d])

    def _slope(self, i: int) -> FloatArray:
        slope = self._slopes[int(self.task.oracle.labels[i])]
        own = self.task.oracle.rows.choices.values()
        slope = slope.copy()
        for choice in own:
            if choice.own[i] >= 0:
                slope[choice.places] -= slope[choice.places[choice.own[i]]]
        return slope

    def _all_slopes(self) -> dict[int, FloatArray]:
        """Return how each column fools the model, by label, as far as rows of data tell."""
        task = self.task
        slopes = {}
        for label in np.unique(task.oracle.labels).tolist():
            slopes[label] = np.zeros(task.x.shape[1])
            if task.pool is not None and len(task.pool.x) > 1:
                wrong = (task.pool.codes == label) == task.oracle.targeted
                slopes[label] = regressed(task.pool.x, wrong)[0]
        return slopes


def turns_of_swaps(task: SearchTask) -> Iterator[int]:
    """Try swaps, yield how many queries another search may have spent in all, and so on.

    After the last turn the other search may spend what is left. Without categories there is none.
    """
    if not SwapSearch.applies(task):
        return
    swaps = SwapSearch(task)
    for begin, end in _TURNS:
        if begin:
            yield begin
        swaps.search(task.active(), end)
        if end >= task.oracle.limit:
            break

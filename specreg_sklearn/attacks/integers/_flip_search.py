"""The search on tables of whole numbers and flags."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.integers._costs import CHEAPER, Costs
from specreg_sklearn.attacks.integers._exchange import Bases, exchanges
from specreg_sklearn.attacks.integers._integer_search import IntegerSearch
from specreg_sklearn.attacks.integers._strip import Strip, shrink_amounts
from specreg_sklearn.attacks.questions import SearchTask, stream
from specreg_sklearn.tables import rank_within

# Starts whose columns are stripped first.
_N_STARTS = 8
# Exchanges that are drawn in a round, those of them that are asked, and how many of these are the
# most promising ones. Short rounds, since every answer makes the guess better.
_N_DRAWN, _N_ASKED, _N_BEST = 96, 8, 4
_N_GUESSED, _GUESS_NOISE = 2, (0.1, 0.3, 1.0)
# Which of the kept moves, by cost, a round changes.
_BASES = (0, 0, 1, 0, 2, 0, 3, 1)
_N_KEPT = 8
# In every so many rounds kept moves are united, and rows of data tried anew.
_UNITE_EVERY, _DATA_EVERY, _N_DATA = 3, 4, 1
# How much chance there is in the order in which columns are stripped: for a start by its place
# among the starts of its row, for other moves by their kind.
_NOISE = np.array([0.0, 0.025, 0.05, 0.05, 0.1, 0.1, 0.2, 0.2])
_UNITED, _CHANGED, _ANEW, _PROBED = 6, 0, 5, 2
_N_PROBED, _GROUP = 6, 8
_DRAW = 2**46


class FlipSearch(IntegerSearch):
    """Searches moves of whole numbers that cost least: few flips, few unit steps.

    The columns that rows of data differ in are stripped to those that are needed. Then the best
    moves are changed: some columns go back, fewer or cheaper ones take their place. What is asked
    next is ordered by a guess at what each column is worth, see :class:`Gains`.

    Rows can be searched several times, each time a few queries further.
    """

    # Columns of more units look smooth to a smooth model: on digits in 16 steps a walk along the
    # boundary comes nearer. On counts, with trees, the search of boxes has the shorter tail.
    _most_units: ClassVar[int] = 4

    def __init__(self, task: SearchTask, *, from_data: bool = True) -> None:
        super().__init__(task)
        n, d = task.x.shape
        self.from_data, self.whole = from_data, task.oracle.rows.integer
        self.costs = Costs(task.oracle.norm, self.lengths)
        self.kept, self.cost = np.zeros((n, _N_KEPT, d)), np.full((n, _N_KEPT), np.inf)
        self.tries = np.zeros((n, 2 * d))
        self.turn = np.zeros(n, dtype=np.int64)

    def _ask(self, M: FloatArray, owner: IntArray) -> BoolArray:
        fooled, new = self.asked.fooled(M, owner)
        self.gains.learn(M[new], owner[new], fooled[new])
        if len(new):
            tried = np.concatenate([M[new] > 0, M[new] < 0], axis=1)
            np.add.at(self.tries, owner[new], tried)
        return fooled

    def _begin(self, rows: IntArray) -> None:
        """Strip the starts of new rows; take over what was found elsewhere."""
        task = self.task
        new = rows[np.isinf(self.cost[rows, 0])]
        if self.from_data:
            some = np.flatnonzero(np.isin(task.owner, new))
            place = rank_within(
                (task.owner[some],), task.distance(task.starts[some], task.owner[some])
            )
            some, place = some[place < _N_STARTS], place[place < _N_STARTS]
            self._strip(
                self._moves_to(task.starts[some], task.owner[some]), task.owner[some], place, 0
            )
        M = self._moves_to(task.oracle.best[rows], rows)
        nearer = self.costs.total(M, rows) < self.cost[rows].min(axis=1) * CHEAPER
        self._keep(M[nearer], rows[nearer])
        self._anchor(new)
        self._close_cheapest(rows)

    def _anchor(self, rows: IntArray) -> None:
        self.gains.anchor(self.kept[rows, self.cost[rows].argmin(axis=1)], rows)

    def _round(self, rows: IntArray) -> None:
        # Rows in different rounds, after calls for some rows only, take turns.
        rows = rows[self.turn[rows] == self.turn[rows].min()]
        oracle, turn = self.task.oracle, int(self.turn[rows[0]])
        before = oracle.best_distance[rows]
        rng = stream(self.task.seed, _DRAW + turn)
        parts = [self._changed(rng, rows, turn), self._guessed(rng, rows), self._probed(rng, rows)]
        if turn % _UNITE_EVERY == _UNITE_EVERY - 1:
            parts.append(self._united(rng, rows))
        if turn % _DATA_EVERY == _DATA_EVERY - 1 and self.from_data and self.task.pool is not None:
            parts.append(self._data(rng, rows))
        M, owner, noise = (np.concatenate(p) for p in zip(*parts, strict=True))
        known = self.asked.known(owner, self.asked.key(M))
        fooled = self._ask(M, owner)
        # Of changed moves only the best one of a row is stripped.
        changed = np.flatnonzero(fooled & (noise == _CHANGED))
        first = rank_within((owner[changed],), self.costs.total(M[changed], owner[changed])) == 0
        go = np.concatenate([changed[first], np.flatnonzero(fooled & (noise != _CHANGED))])
        self._strip(M[go], owner[go], noise[go], turn + 1)
        self.turn[rows] += 1
        # Only moves that are cheaper count: of others there is no end.
        asked = owner[~known & (noise == _CHANGED)]
        self._note(rows, oracle.best_distance[rows] < before, asked)
        self._close_cheapest(rows)

    def _close_cheapest(self, rows: IntArray) -> None:
        """Close rows whose best move is the cheapest there is."""
        price = np.where(self.room[rows] > 0, self.costs.of(1.0, self.lengths[rows]), np.inf)
        self._close(rows[self.cost[rows].min(axis=1) * CHEAPER <= price.min(axis=1)])

    def _changed(
        self, rng: np.random.Generator, rows: IntArray, turn: int
    ) -> tuple[FloatArray, IntArray, IntArray]:
        order = np.argsort(self.cost[rows], axis=1, kind="stable")
        n_kept = np.isfinite(self.cost[rows]).sum(axis=1)
        chosen = order[np.arange(len(rows)), np.minimum(_BASES[turn % len(_BASES)], n_kept - 1)]
        base, below = self.kept[rows, chosen], self.cost[rows].min(axis=1)
        gains = self.gains
        bases = Bases(
            base,
            below,
            self.room[rows],
            gains.weights[rows],
            gains.typical,
            self.lengths[rows],
            may_come=self.whole,
        )
        found = exchanges(rng, _N_DRAWN, bases, self.costs)
        key = self.asked.key(base)[:, None] + self.asked.key_of_steps(found.steps, found.columns)
        new = (found.cost < below[:, None] * CHEAPER) & ~self.asked.known(rows[:, None], key)
        new &= _is_first(key)
        rank = np.argsort(
            np.argsort(np.where(new, -found.gain, np.inf), axis=1, kind="stable"), axis=1
        )
        best = new & (rank < _N_BEST)
        rest = new & ~best
        row, which = np.nonzero(best | (rest & (np.cumsum(rest, axis=1) <= _N_ASKED - _N_BEST)))
        return found.apply(base, row, which), rows[row], np.full(len(row), _CHANGED)

    def _guessed(
        self, rng: np.random.Generator, rows: IntArray
    ) -> tuple[FloatArray, IntArray, IntArray]:
        """Return moves of the columns worth most for their cost, by draws of the guess."""
        d = self.kept.shape[2]
        luck = rng.normal(size=(_N_GUESSED, 2 * d)) * rng.choice(_GUESS_NOISE, size=(_N_GUESSED, 1))
        weights = self.gains.drawn(rows, luck)
        amount = np.minimum(np.maximum(np.rint(self.gains.typical), 1), self.room[rows])
        price = self.costs.of(amount, self.lengths[rows])
        able = (amount > 0) & np.tile(self.whole, 2)
        worth = weights * (amount / self.gains.typical / np.where(price > 0, price, 1.0))[:, None]
        value = np.where(able[:, None], worth, -np.inf)
        order = np.argsort(-value, axis=2, kind="stable")[:, :, :d]
        each = np.arange(len(rows))[:, None, None]
        below = self.cost[rows].min(axis=1)[:, None, None] * CHEAPER
        good = np.take_along_axis(value, order, axis=2) > 0
        paid = np.cumsum(np.where(good, price[each, order], 0.0), axis=2)
        good &= paid < below
        row, which, place = np.nonzero(good)
        atom = order[row, which, place]
        moves = np.zeros((len(rows), _N_GUESSED, d))
        moves[row, which, atom % d] += np.where(atom < d, 1.0, -1.0) * amount[row, atom]
        owner = np.repeat(rows, _N_GUESSED)
        return moves.reshape(-1, d), owner, np.full(len(owner), _CHANGED)

    def _probed(
        self, rng: np.random.Generator, rows: IntArray
    ) -> tuple[FloatArray, IntArray, IntArray]:
        """Return best moves with a group of columns that were tried least in place of one column.

        A column that data says nothing about may be worth most. One that is worth nothing is ruled
        out together with the others of its group.
        """
        d = self.kept.shape[2]
        base = self.kept[rows, self.cost[rows].argmin(axis=1)]
        out = rng.random((_N_PROBED, d))
        able = (self.room[rows] > 0) & np.tile(self.whole & (base == 0), 2)
        tries = np.where(able, self.tries[rows] + 0.5 * rng.random(2 * d), np.inf)
        order = np.argsort(tries, axis=1, kind="stable")[:, : _N_PROBED * _GROUP]
        M = np.repeat(base[:, None], _N_PROBED, axis=1)
        each = np.arange(len(rows))
        for k in range(_N_PROBED):
            M[each, k, np.where(base != 0, out[k], -1.0).argmax(axis=1)] = 0.0
        amount = np.minimum(np.maximum(np.rint(self.gains.typical), 1), self.room[rows])
        for place in range(order.shape[1]):
            atom = order[:, place]
            step = np.where(np.take_along_axis(able, atom[:, None], 1)[:, 0], amount[each, atom], 0)
            M[each, place % _N_PROBED, atom % d] += np.where(atom < d, step, -step)
        owner = np.repeat(rows, _N_PROBED)
        return M.reshape(-1, d), owner, np.full(len(owner), _PROBED)

    def _united(
        self, rng: np.random.Generator, rows: IntArray
    ) -> tuple[FloatArray, IntArray, IntArray]:
        """Return unions of three kept moves, drawn at random."""
        draws = rng.random(3)
        n_kept = np.isfinite(self.cost[rows]).sum(axis=1)
        rows, n_kept = rows[n_kept > 1], n_kept[n_kept > 1]
        order = np.argsort(self.cost[rows], axis=1, kind="stable")
        M = np.zeros((len(rows), self.kept.shape[2]))
        for draw in draws:
            chosen = order[np.arange(len(rows)), (draw * n_kept).astype(np.int64)]
            M = np.where(M != 0, M, self.kept[rows, chosen])
        return M, rows, np.full(len(rows), _UNITED)

    def _data(
        self, rng: np.random.Generator, rows: IntArray
    ) -> tuple[FloatArray, IntArray, IntArray]:
        """Return moves to rows of data of a wrong class."""
        pool, oracle = self.task.pool, self.task.oracle
        assert pool is not None
        draws = rng.random(_N_DATA)
        points, owner = [np.empty((0, self.kept.shape[2]))], [rows[:0]]
        for label in np.unique(oracle.labels[rows]).tolist():
            wanted = pool.fooling(label, oracle.targeted)
            if not len(wanted):
                continue
            some = rows[oracle.labels[rows] == label]
            for draw in draws.tolist():
                chosen = np.full(len(some), wanted[int(draw * len(wanted))])
                points.append(pool.filled(self.task.x, oracle.rows.missing, some, chosen))
                owner.append(some)
        whose = np.concatenate(owner)
        M = self._moves_to(np.concatenate(points), whose)
        return M, whose, np.full(len(whose), _ANEW)

    def _strip(self, M: FloatArray, owner: IntArray, noise: IntArray, turn: int) -> None:
        """Strip moves that fool the model, and keep what is left of them."""
        if not len(M):
            return
        terms = self.costs.terms(M, owner)
        worth = self.gains.of(M, owner) / np.where(terms > 0, terms, 1.0)
        largest = np.abs(worth).max(axis=1, keepdims=True)
        worth = worth / np.where(largest > 0, largest, 1.0)
        luck = stream(self.task.seed, 2 * _DRAW + turn).gumbel(size=(len(_NOISE), M.shape[1]))
        worth = worth + _NOISE[noise][:, None] * luck[noise]
        # Of a probe the columns that are known to be needed stay.
        base = self.kept[owner, self.cost[owner].argmin(axis=1)]
        worth += 10.0 * ((noise == _PROBED)[:, None] & (base != 0))
        most = self.cost[owner].min(axis=1) / CHEAPER
        M = Strip(M, owner, worth, terms, most).run(self._ask, self._going_on)
        if self.costs.norm:
            near = self.costs.total(M, owner) <= 4 * self.cost[owner].min(axis=1)
            terms_of = partial(self.costs.terms, owner=owner[near])
            M[near] = shrink_amounts(
                M[near], owner[near], self.whole, terms_of, self._ask, self._going_on
            )
        self._keep(M, owner)

    def _keep(self, M: FloatArray, owner: IntArray) -> None:
        """Keep moves that are among the cheapest of their rows, and not kept yet."""
        cost = self.costs.total(M, owner)
        place = rank_within((owner,), cost)
        for k in range(int(place.max(initial=-1)) + 1):
            some = np.flatnonzero(place == k)
            row = owner[some]
            worst = self.cost[row].argmax(axis=1)
            good = cost[some] < self.cost[row, worst]
            good &= ~(self.kept[row] == M[some][:, None]).all(axis=2).any(axis=1)
            some, row, worst = some[good], row[good], worst[good]
            self.kept[row, worst], self.cost[row, worst] = M[some], cost[some]


def improve(task: SearchTask, rows: IntArray, until: int) -> None:
    """Exchange units of the whole-number columns of rows' best points, up to `until` queries."""
    FlipSearch(task, from_data=False).search(rows, until)


def _is_first(key: np.ndarray) -> BoolArray:
    """Mark the first of equal keys in each row, (r, p)."""
    order = np.argsort(key, axis=1, kind="stable")
    ranked = np.take_along_axis(key, order, axis=1)
    first = np.ones(key.shape, dtype=bool)
    first[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    out = np.empty(key.shape, dtype=bool)
    np.put_along_axis(out, order, first, axis=1)
    return out

"""Exchanges: some columns of a move go back, fewer or cheaper ones take their place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.integers._costs import CHEAPER, Costs

# How many columns go back, and how often.
_N_OUT, _OUT_ODDS = (1, 2, 3, 4, 6), (0.1, 0.5, 0.25, 0.1, 0.05)
_MOST_OUT, _MOST_IN = 6, 3
# How many come instead, beside the number that went: one less as a rule.
_IN_LESS, _IN_ODDS = (1, 2, 0, -1), (0.65, 0.1, 0.15, 0.1)
# Of columns of whole numbers: how often they go home, by one unit, or by any number of them; and
# how often a column that comes goes as far as there is room.
_HOME_ODDS, _ONE_ODDS, _ALL_ODDS = 0.5, 0.3, 0.6
# Only so many of the columns of a move are considered, and of those that may come.
_MOST_MOVED, _N_ATOMS = 24, 96
# The odds of a column follow its gain, this share of the largest one for a factor of e; drawn anew
# for every exchange; or all columns have the same odds.
_COLDEST, _WARMEST, _EVEN_ODDS = 0.02, 1.0, 0.25
_MOST_NUMBERS = 2**20


@dataclass
class Exchanges:
    """Changes of the moves of r rows, p for each: steps in up to k columns, (r, p, k).

    `cost` and `gain`, (r, p), are those of the changed moves and of the changes.
    """

    columns: IntArray
    steps: FloatArray
    cost: FloatArray
    gain: FloatArray

    def apply(self, base: FloatArray, row: IntArray, which: IntArray) -> FloatArray:
        """Return the chosen changed moves, (m, d): `which` ones of `row`s of `base`."""
        M = base[row]
        each = np.arange(len(M))
        for k in range(self.columns.shape[2]):
            M[each, self.columns[row, which, k]] += self.steps[row, which, k]
        return M


@dataclass(frozen=True)
class Bases:
    """Moves of r rows that fool the model, and what is known about their columns.

    `moves` has shape (r, d); `below`, (r,), is what a changed one must cost less than. `room`,
    (r, 2 * d), is how many units columns can go upwards and downwards, `lengths`, (r, 2 * d), how
    far a unit is; `weights`, (r, 2 * d), and `typical`, (2 * d,), are those of :class:`Gains`.
    Columns not in `may_come`, (d,), may only go back.
    """

    moves: FloatArray
    below: FloatArray
    room: FloatArray
    weights: FloatArray
    typical: FloatArray
    lengths: FloatArray
    may_come: BoolArray

    @cached_property
    def per_unit(self) -> FloatArray:
        """What one unit of each column is worth, (r, 2 * d)."""
        return self.weights / self.typical

    def take(self, some: slice) -> Bases:
        """Return the bases of some of the rows."""
        return replace(
            self,
            moves=self.moves[some],
            below=self.below[some],
            room=self.room[some],
            weights=self.weights[some],
            lengths=self.lengths[some],
        )


def exchanges(rng: np.random.Generator, n: int, bases: Bases, costs: Costs) -> Exchanges:
    """Draw n exchanges for each row; all rows share the draws."""
    n_rows, d = bases.moves.shape
    draws = _Draws(rng, n, d)
    size = max(1, _MOST_NUMBERS // (n * min(_N_ATOMS, 2 * d)))
    parts = [
        _drawn(draws, bases.take(slice(begin, begin + size)), costs)
        for begin in range(0, n_rows, size)
    ]
    return Exchanges(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in Exchanges.__annotations__)
    )


class _Draws:
    """All that is drawn for n exchanges, whichever rows there are."""

    def __init__(self, rng: np.random.Generator, n: int, d: int) -> None:
        self.n_out = rng.choice(_N_OUT, size=n, p=_OUT_ODDS)
        n_in = self.n_out - rng.choice(_IN_LESS, size=n, p=_IN_ODDS)
        self.n_in = np.clip(n_in, 1, _MOST_IN)
        self.moved_order, self.atom_order = rng.random(d), rng.random(2 * d)
        self.out_order = rng.random((n, _MOST_MOVED))
        self.how_far_out, self.units_out = rng.random((2, n, _MOST_OUT))
        self.how_far_in, self.units_in = rng.random((2, n, _MOST_IN))
        temperature = _COLDEST * (_WARMEST / _COLDEST) ** rng.random(n)
        self.temperature = np.where(rng.random(n) < _EVEN_ODDS, np.inf, temperature)
        self.luck = rng.gumbel(size=(n, 2 * d))


def _drawn(draws: _Draws, bases: Bases, costs: Costs) -> Exchanges:
    base = bases.moves
    r, n = len(base), len(draws.n_out)
    columns_out, steps_out = _going_back(draws, base)
    each = np.arange(r)[:, None, None]
    old = base[each, columns_out]
    upwards = old > 0
    unit = bases.lengths[each, columns_out + np.where(upwards, 0, base.shape[1])]
    new = np.abs(old + steps_out)
    saved = costs.of(np.abs(old), unit) - costs.of(new, unit)
    up, down = np.split(bases.lengths, 2, axis=1)
    now = costs.of(np.abs(base), np.where(base > 0, up, down)).sum(axis=1)
    cost = now[:, None] - saved.sum(axis=2)
    worth = bases.per_unit[each, columns_out + np.where(upwards, 0, base.shape[1])]
    gain = -(worth * np.abs(steps_out)).sum(axis=2)

    atoms = _Atoms(draws, bases, costs)
    columns = np.concatenate([columns_out, np.zeros((r, n, _MOST_IN), dtype=np.int64)], axis=2)
    steps = np.concatenate([steps_out, np.zeros((r, n, _MOST_IN))], axis=2)
    for k in range(_MOST_IN):
        wanted = k < draws.n_in
        left = np.where(wanted, bases.below[:, None] * CHEAPER - cost, 0.0)
        # What is left is shared with those that are still to come.
        share = np.where(k + 1 < draws.n_in, 0.5, 1.0)
        column, step, price, worth = atoms.take(draws, k, left, share, columns, steps)
        at = columns_out.shape[2] + k
        columns[..., at], steps[..., at] = column, step
        cost, gain = cost + price, gain + worth
    cost = np.where((steps != 0).any(axis=2), cost, np.inf)
    return Exchanges(columns, steps, cost, gain)


def _going_back(draws: _Draws, base: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the columns that go back, and their steps, (r, n, _MOST_OUT); 0 for none."""
    moved = base != 0
    order = np.argsort(np.where(moved, draws.moved_order, 2.0), axis=1, kind="stable")
    order = order[:, :_MOST_MOVED]
    there = np.take_along_axis(moved, order, axis=1)
    place = np.where(there[:, None], draws.out_order[:, : order.shape[1]], 2.0)
    chosen = np.argsort(place, axis=2, kind="stable")[:, :, :_MOST_OUT]
    each = np.arange(len(base))[:, None, None]
    columns = order[each, chosen]
    k = chosen.shape[2]
    going = there[each, chosen] & (np.arange(k) < draws.n_out[:, None])
    amount = np.abs(base[each, columns])
    kind, share = draws.how_far_out[:, :k], draws.units_out[:, :k]
    units = np.where(kind < _HOME_ODDS + _ONE_ODDS, 1.0, 1 + np.floor(share * amount))
    units = np.where(kind < _HOME_ODDS, amount, np.minimum(units, amount))
    return columns, np.where(going, -np.sign(base[each, columns]) * units, 0.0)


class _Atoms:
    """Columns and directions that may come, `_N_ATOMS` for each row: by gain, and any others."""

    def __init__(self, draws: _Draws, bases: Bases, costs: Costs) -> None:
        base, room, weights = bases.moves, bases.room, bases.weights
        d = base.shape[1]
        self.d, self.costs = d, costs
        amount = np.concatenate([np.maximum(base, 0), np.maximum(-base, 0)], axis=1)
        against = np.concatenate([base < 0, base > 0], axis=1)
        able = (room > amount) & ~against & np.tile(bases.may_come, 2)
        half = min(_N_ATOMS // 2, d)
        best = np.argsort(np.where(able, -weights, np.inf), axis=1, kind="stable")[:, :half]
        rest = able.copy()
        np.put_along_axis(rest, best, False, axis=1)
        others = np.argsort(np.where(rest, draws.atom_order, 2.0), axis=1, kind="stable")[:, :half]
        self.atom = np.concatenate([best, others], axis=1)
        able = np.concatenate(
            [np.take_along_axis(able, best, axis=1), np.take_along_axis(rest, others, axis=1)],
            axis=1,
        )
        self.column = self.atom % d
        self.unit = np.take_along_axis(bases.lengths, self.atom, axis=1)
        self.amount = np.take_along_axis(amount, self.atom, axis=1)
        self.room = np.take_along_axis(room, self.atom, axis=1) - self.amount
        self.per_unit = np.take_along_axis(bases.per_unit, self.atom, axis=1)
        gain = np.take_along_axis(weights, self.atom, axis=1)
        largest = np.abs(gain).max(axis=1, initial=0.0, keepdims=True)
        gain = gain / np.where(largest > 0, largest, 1.0)
        luck = draws.luck[np.arange(len(draws.luck))[:, None], self.atom[:, None]]
        self.odds = gain[:, None] / draws.temperature[:, None] + luck
        self.odds[~np.broadcast_to(able[:, None], self.odds.shape)] = -np.inf
        self.first_price = self._price(np.ones(self.amount.shape), self.amount, self.unit)

    def _price(self, units: FloatArray, amount: FloatArray, unit: FloatArray) -> FloatArray:
        return self.costs.of(amount + units, unit) - self.costs.of(amount, unit)

    def take(
        self,
        draws: _Draws,
        k: int,
        left: FloatArray,
        share: FloatArray,
        columns: IntArray,
        steps: FloatArray,
    ) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
        """Return column, step, cost and gain of the k-th column that comes, each (r, n).

        It costs less than what is `left`, and has no step in `columns` yet.
        """
        each = np.arange(len(self.atom))[:, None]
        odds = np.where(self.first_price[:, None] < left[..., None], self.odds, -np.inf)
        best = odds.argmax(axis=2)
        ok = np.isfinite(np.take_along_axis(odds, best[..., None], axis=2)[..., 0])
        np.put_along_axis(self.odds, best[..., None], -np.inf, axis=2)
        column = self.column[each, best]
        ok &= ~((columns == column[..., None]) & (steps != 0)).any(axis=2)
        unit, amount = self.unit[each, best], self.amount[each, best]
        most = np.maximum(self.costs.most_units(left * share, unit, amount), 1)
        most = np.minimum(most, self.room[each, best])
        units = np.where(
            draws.how_far_in[:, k] < _ALL_ODDS, most, 1 + np.floor(draws.units_in[:, k] * most)
        )
        units = np.where(ok, np.clip(units, 1, most), 0.0)
        upwards = self.atom[each, best] < self.d
        price = np.where(ok, self._price(units, amount, unit), 0.0)
        return column, np.where(upwards, units, -units), price, units * self.per_unit[each, best]

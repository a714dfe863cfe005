"""Bounds of the cheapest moves inside boxes where some columns move by whole steps.

What moves gain has a price at which each column moves by itself (Lagrange). In L1 this is the bound
of fractions, the steepest columns first; in L2 whole columns stay whole in it, which is better.
Both come with a move that gains enough and is hardly dearer, and with the column to cut at for a
better bound: a relaxation for branch and bound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.certificates.moves import ROUNDED, Relaxed, crossing

# Enough for a bracket of one rounding, if the first guess is not far off.
_HALVINGS = 50
# Sums may round by this share.
_SLACK = 1e-13
# In how many columns a move is mended that gains too little or too much.
_MOST_TRIES = 4


class Problem(NamedTuple):
    """What moves of some rows have to gain; see :func:`cheapest_moves`."""

    rate: FloatArray
    gap: FloatArray
    enough: FloatArray
    grain: FloatArray

    def take(self, some: IntArray) -> Problem:
        return Problem(self.rate, self.gap[some], self.enough[some], self.grain[some])


Relaxation = Callable[[Problem, FloatArray, FloatArray], Relaxed]


def _squares(problem: Problem, low: FloatArray, high: FloatArray) -> Relaxed:
    """Bound L2: at a price of m for what is gained, each column moves by itself."""
    rate, gap, _, grain = problem
    unit = np.where(grain > 0, grain, 1.0)

    def at(m: FloatArray) -> FloatArray:
        wanted = m[:, None] * rate
        return np.clip(np.where(grain > 0, np.rint(wanted / unit) * unit, wanted), low, high)

    never = gain(rate, high) < gap
    inner, outer = gap_bracket(lambda m: gain(rate, at(m)), gap, float(rate @ rate), never)
    before, after = at(inner), at(outer)
    bound = np.zeros(len(gap))
    for m, v in ((inner, before), (outer, after)):
        spent, gained = (v * v).sum(axis=1), gain(rate, v)
        dual = spent + 2 * m * (gap - gained) - _SLACK * (spent + 2 * m * (gap + gained))
        bound = np.maximum(bound, dual)
    between = np.where((grain > 0) & (after > before), rate * (after - before), 0.0)
    move, suffices = _just_enough(after, problem, (low, high), np.square)
    cost = np.where(suffices, np.sqrt((move * move).sum(axis=1)), np.inf)
    return _relaxed(np.sqrt(bound), cost, move, between, before, before + grain, never)


def _sums(problem: Problem, low: FloatArray, high: FloatArray) -> Relaxed:
    """Bound L1: columns move as far as they can, the steepest first."""
    rate, gap, _, grain = problem
    n, order = len(gap), np.argsort(-rate, kind="stable")
    need = gap - gain(rate, low)
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
    down, up = np.floor(steps + ROUNDED), np.ceil(steps - ROUNDED)
    below = np.where(grain > 0, low + down * unit, low + inside)
    above = np.where(grain > 0, np.minimum(low + up * unit, high), low + inside)
    between = np.where((grain > 0) & (above > below), 1.0, 0.0)
    move, suffices = _just_enough(above, problem, (low, high), np.asarray)
    cost = np.where(suffices, move.sum(axis=1), np.inf)
    return _relaxed(bound, cost, move, between, below, above, never)


RELAXATIONS: dict[float, Relaxation] = {1: _sums, 2: _squares}


def _relaxed(
    bound: FloatArray,
    cost: FloatArray,
    move: FloatArray,
    between: FloatArray,
    below: FloatArray,
    above: FloatArray,
    never: np.ndarray,
) -> Relaxed:
    """Choose the column to cut at, by how much lies `between` its two steps."""
    rows = np.arange(len(bound))
    column = between.argmax(axis=1) if between.shape[1] else np.zeros(len(rows), dtype=np.int64)
    sizes = between[rows, column] if between.shape[1] else np.zeros(len(rows))
    ends = [end[rows, column] if end.shape[1] else sizes for end in (below, above)]
    column = np.where((sizes > 0) & ~never, column, -1)
    bound, cost = np.where(never, np.inf, bound), np.where(never, np.inf, cost)
    return Relaxed(bound, cost, move, column, *ends)


def _just_enough(
    move: FloatArray,
    problem: Problem,
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
        lacking = enough - gain(rate, move)
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
        spare = np.maximum(gain(rate, move) - enough, 0.0) * (1 - _SLACK)
        back = np.minimum(spare[:, None] / rate, move - low)
        whole = np.floor(back / unit * (1 + _SLACK)) * unit
        shorter = np.maximum(move - np.where(grain > 0, whole, back), low)
        saving = price(move) - price(shorter)
        best = saving.argmax(axis=1)
        some = np.flatnonzero(saving[rows, best] > 0)
        if not len(some):
            break
        move[some, best[some]] = shorter[some, best[some]]
    return move, np.asarray(gain(rate, move) >= enough * (1 - _SLACK))


def gain(rate: FloatArray, move: FloatArray) -> FloatArray:
    """Return what moves gain, whatever the others are."""
    return np.asarray((rate * move).sum(axis=1))


def gap_bracket(
    gained: Callable[[FloatArray], FloatArray], gap: FloatArray, speed: float, never: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return numbers just below and at the place from where on enough is gained.

    `speed` is how fast that would be if nothing were in the way. Where it is `never`, both are
    near zero.
    """
    start = np.maximum(gap, np.finfo(float).tiny) / max(speed, 1e-300)
    # Rows that gain enough at zero would halve for ever.
    return crossing(lambda m: ~never & (gained(m) < gap), start, most_halvings=_HALVINGS)

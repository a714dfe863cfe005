"""The cheapest moves to where a sum of quadratic functions, one of each column, is not positive.

At a price for what moves gain (Lagrange) each column moves by itself, and its best place is one of
a few: an end of its box, zero, or where price and gain balance. The dual so made has no gap as long
as all columns bend upwards. One that bends downwards gains ever more the farther it moves, so it
jumps from one end to the other at some price, and so does a whole number from step to step; a gap
is left, and the box is cut at a column that jumps. In an optimum at most one column stands between
two places, which is why moves that are mended in a single column are so good.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.certificates.moves import Relaxed, steps_around

_UNIT = 2.0**-53
# How often the price of a gain is tried, and when it is good enough, relative to the dual.
_MOST_PRICES, _NEAR = 100, 1e-12
# A cut nearer to an end of its interval than this share of it does not help.
_EDGE = 1e-3
# A place between two ends is met within this share of what it has to gain.
_MET = 1e-12


class Separable(NamedTuple):
    """What moves t of some rows do, ``c + sum(g t + h t^2)``, and what they cost.

    Parameters
    ----------
    c : ndarray of shape (n_rows,)
        The function where rows stand.
    enough : ndarray of shape (n_rows,)
        A number as large as `c` or larger: moves that are handed back suffice for it, too.
    g : ndarray of shape (n_rows, n_moves)
        Slopes.
    h : ndarray of shape (n_moves,)
        Halves of the second derivatives.
    price : ndarray of shape (2, n_moves)
        What a unit costs, upwards and downwards.
    grain : ndarray of shape (n_rows, n_moves)
        The step by which a column moves; 0 where it moves by any number.
    order : {1, 2}
        The norm of moves at their prices.
    """

    c: FloatArray
    enough: FloatArray
    g: FloatArray
    h: FloatArray
    price: FloatArray
    grain: FloatArray
    order: float

    def take(self, some: IntArray) -> Separable:
        """Return some of the rows."""
        return self._replace(
            c=self.c[some], enough=self.enough[some], g=self.g[some], grain=self.grain[some]
        )

    def change(self, t: FloatArray) -> FloatArray:
        """Return what each column adds to the function."""
        return t * (self.g + self.h * t)

    def cost(self, t: FloatArray) -> FloatArray:
        """Return what each column adds to the cost, which is squared in L2."""
        cost: FloatArray = np.abs(t) * np.where(t > 0, *self.price)
        return cost * cost if self.order == 2 else cost

    def length(self, cost: FloatArray) -> FloatArray:
        """Return lengths of moves that cost so much."""
        root: FloatArray = np.sqrt(cost)
        return root if self.order == 2 else cost

    def balanced(self, m: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        """Return the best places of columns if a unit of the function is worth m."""
        places = [low, high]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            worth, same = m[:, None], (self.price[0] == self.price[1]).all()
            for price, sign in zip(self.price, (1, -1), strict=True):
                if self.order == 1:
                    place = -(sign * price / worth + self.g) / (2 * self.h)
                    bends = self.h > 0
                else:
                    bend = price * price + worth * self.h
                    place, bends = -0.5 * worth * self.g / bend, bend > 0
                # Where it does not bend upwards the ends are better.
                places.append(np.where(bends & np.isfinite(place), place, 0.0))
                if self.order == 2 and same:
                    break
        return self._best(places, low, high, worth)

    def farthest_down(self, low: FloatArray, high: FloatArray) -> FloatArray:
        """Return the places where each column takes most of the function, whatever it costs."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            place = np.where(self.h > 0, -0.5 * self.g / self.h, 0.0)
        return self._best([low, high, place], low, high, None)

    def _best(
        self, places: list[FloatArray], low: FloatArray, high: FloatArray, worth: FloatArray | None
    ) -> FloatArray:
        best = np.clip(0.0, low, high)
        least = self._total(best, worth)
        whole = self.grain.any()
        for number, place in enumerate(places):
            # Ends are whole steps.
            around = steps_around(place, self.grain) if whole and number > 1 else (place,)
            for step in around:
                step = np.clip(step, low, high)
                total = self._total(step, worth)
                better = total < least
                best, least = np.where(better, step, best), np.where(better, total, least)
        return best

    def _total(self, t: FloatArray, worth: FloatArray | None) -> FloatArray:
        change = self.change(t)
        return change if worth is None else self.cost(t) + worth * change

    def mended(
        self, t: FloatArray, low: FloatArray, high: FloatArray, c: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return moves that suffice for c and differ from t in the best single column.

        Returns
        -------
        cost : ndarray of shape (n_rows,)
            What they cost; infinite where no single column suffices.
        move : ndarray of shape (n_rows, n_moves)
            The moves; t itself where there are none.
        places : ndarray of shape (n_rows, n_moves)
            Where each column would have to be by itself; NaN where it does not suffice.
        """
        now, before = self.change(t), self.cost(t)
        need = now - (c + now.sum(axis=1))[:, None]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            root = np.sqrt(self.g * self.g + 4 * self.h * need)
            q = -0.5 * (self.g + np.where(self.g < 0, -root, root))
            roots = [q / self.h, -need / q]
        places = [np.clip(0.0, low, high), low, high]
        for place in roots:
            known = np.where(np.isfinite(place), place, 0.0)
            places += steps_around(known, self.grain) if self.grain.any() else (known,)
        best, least = np.full(t.shape, np.nan), np.full(t.shape, np.inf)
        met = need + _MET * np.abs(need)
        for number, place in enumerate(places):
            step = np.clip(place, low, high)
            cost = self.cost(step)
            better = (self.change(step) <= (need if number < 3 else met)) & (cost < least)
            best, least = np.where(better, step, best), np.where(better, cost, least)
        rows = np.arange(len(t))
        if not t.shape[1]:
            return np.where(c > 0, np.inf, 0.0), t, best
        column = (least - before).argmin(axis=1)
        move = t.copy()
        known = np.isfinite(least[rows, column])
        move[rows[known], column[known]] = best[rows[known], column[known]]
        return np.where(known, self.cost(move).sum(axis=1), np.inf), move, best


def relaxed(problem: Separable, low: FloatArray, high: FloatArray) -> Relaxed:
    """Bound moves inside boxes, find some that suffice, and the column to cut at.

    Parameters
    ----------
    problem : Separable
        One row for each box.
    low, high : ndarray of shape (n_boxes, n_moves)
        Finite ends of the boxes, whole steps where columns move by them.
    """
    search = _Prices(problem, low, high)
    search.run()
    cost, move = np.full(len(low), np.inf), search.after.copy()
    for t in (search.after, search.before):
        found, step, places = problem.mended(t, low, high, problem.c)
        nearer = found < cost
        cost, move = np.where(nearer, found, cost), np.where(nearer[:, None], step, move)
    found, step, _ = problem.mended(move, low, high, problem.enough)
    move = np.where(np.isfinite(found)[:, None], step, move)
    cost = np.where(search.never, np.inf, cost)
    bound = np.where(search.never, np.inf, search.bound)
    column, below, above = _cut(problem, search, places, low, high)
    return Relaxed(problem.length(bound), problem.length(cost), move, column, below, above)


class _Prices:
    """The search for the best price of a gain, between two moves: too little, and enough.

    Each move is a line above the dual, as a function of the price; the next price is where the
    lines of both meet.
    """

    def __init__(self, problem: Separable, low: FloatArray, high: FloatArray) -> None:
        self.problem, self.low, self.high = problem, low, high
        self.before = np.clip(np.zeros(low.shape), low, high)
        self.after = problem.farthest_down(low, high)
        self.line_before, self.line_after = self._line(self.before), self._line(self.after)
        self.never = self.line_after[1] > 0
        # Where the cheapest move of the box suffices, it is the best one.
        self.easy = self.line_before[1] <= 0
        self.after[self.easy] = self.before[self.easy]
        self.bound = self.line_before[0] * (1 - 4 * _UNIT * (low.shape[1] + 8))

    def _line(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        cost, change = self.problem.cost(t).sum(axis=1), self.problem.change(t).sum(axis=1)
        return cost, self.problem.c + change

    def run(self) -> None:
        """Find the best bounds, and the moves on both sides of them."""
        some = np.flatnonzero(~(self.never | self.easy))
        rounding = 4 * _UNIT * (self.low.shape[1] + 8)
        for _ in range(_MOST_PRICES):
            if not len(some):
                break
            part = self.problem.take(some)
            cost, lead = (end[some] for end in self.line_before)
            dearer, missing = (end[some] for end in self.line_after)
            m = np.maximum((dearer - cost) / (lead - missing), 1e-300)
            most = cost + m * lead
            t = part.balanced(m, self.low[some], self.high[some])
            costs, change = part.cost(t).sum(axis=1), part.change(t)
            left = part.c + change.sum(axis=1)
            size = costs + m * (part.c + np.abs(change).sum(axis=1))
            dual = costs + m * left - rounding * size
            self.bound[some] = np.maximum(self.bound[some], dual)
            short = left > 0
            for is_so, move, line in (
                (short, self.before, self.line_before),
                (~short, self.after, self.line_after),
            ):
                move[some[is_so]] = t[is_so]
                line[0][some[is_so]], line[1][some[is_so]] = costs[is_so], left[is_so]
            some = some[dual < most - (_NEAR + rounding) * size]


def _cut(
    problem: Separable,
    search: _Prices,
    places: FloatArray,
    low: FloatArray,
    high: FloatArray,
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return the columns that jump most between the two moves, and where to cut them."""
    n, rows = len(low), np.arange(len(low))
    if not low.shape[1]:
        return np.full(n, -1), np.zeros(n), np.zeros(n)
    jump = np.abs(problem.change(search.before) - problem.change(search.after))
    column = jump.argmax(axis=1)
    at = rows, column
    grain, begin, end = problem.grain[at], low[at], high[at]
    one, other = search.before[at], search.after[at]
    place = places[at]
    between = (place > np.minimum(one, other)) & (place < np.maximum(one, other))
    place = np.where(between, place, 0.5 * (one + other))
    inside = np.clip(place, begin + _EDGE * (end - begin), end - _EDGE * (end - begin))
    below = np.where(grain > 0, steps_around(place, grain)[0], inside)
    below = np.where(grain > 0, np.clip(below, begin, end - grain), below)
    above = np.where(grain > 0, below + grain, below)
    open_: BoolArray = (jump[at] > 0) & ~search.never & ~search.easy
    open_ &= np.where(
        grain > 0, end - begin > 0.5 * grain, end - begin > 1e-9 * (end + np.abs(begin))
    )
    return np.where(open_, column, -1), below, above

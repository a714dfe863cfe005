"""Looks at boxes in NumPy: one pass over the leaves, and where to cut.

Sums run in one order, leaf by leaf, tree by tree, column by column, since the compiled loops beside
this file give the same bits.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, ByteArray, FloatArray, IntArray
from specreg_sklearn.certificates.trees.search._array_bounds import by_price, by_radius, in_order
from specreg_sklearn.certificates.trees.search._boxes import (
    AT_TARGET,
    BOUNDED,
    PRUNED,
    Look,
    Terms,
)
from specreg_sklearn.certificates.trees.search._constants import (
    LESSER_SIDE,
    MOST_ROUNDS,
)
from specreg_sklearn.certificates.trees.search._multipliers import growth_of


def boxes(terms: Terms) -> ArrayBoxes:
    """Return the looks of a search."""
    return ArrayBoxes(terms)


class ArrayBoxes:
    """See Boxes."""

    def __init__(self, terms: Terms) -> None:
        self.terms, stub = terms, terms.stub
        self.levels = np.unique(stub.cost)
        self.shift = stub.start[stub.entry_column]
        self.entry_tree = stub.tree[stub.entry_leaf]
        self.n_entries = np.diff(np.append(stub.entry_start, len(stub.entry_leaf)))
        self.column = np.repeat(np.arange(len(stub.column)), np.diff(stub.start))
        self.chosen = self.near = np.zeros(0, dtype=np.int64)
        self.ends = self.chosen, self.chosen
        self.weight = np.zeros(0)

    def look(
        self,
        low: IntArray,
        high: IntArray,
        is_open: ByteArray,
        radius: float,
        price: float,
        *,
        past_near: bool,
    ) -> Look:
        """Look at a box."""
        for again in range(MOST_ROUNDS):
            look = self._look(low, high, is_open, radius, price, past_near=past_near)
            price = look.price
            if look.verdict != BOUNDED or again == MOST_ROUNDS - 1:
                break
            before = low.copy(), high.copy()
            self._tighten(low, high, is_open)
            if (low > high).any():
                return Look(PRUNED, look.base, look.near, key=look.key, price=price)
            if (low == before[0]).all() and (high == before[1]).all():
                break
        if look.verdict != BOUNDED:
            return look
        self._note_ends(low, high)
        meeting, point = self._meeting(low)
        if look.point_score < self.terms.target:
            meeting = np.inf
        cut = self._cut(low, high, look.near, self.weight)
        return look._replace(meeting=meeting, point=point, cut=cut)

    def _look(
        self,
        low: IntArray,
        high: IntArray,
        is_open: ByteArray,
        radius: float,
        price: float,
        *,
        past_near: bool,
    ) -> Look:
        """Return what a look tells, but for the point where leaves meet, and the cut."""
        terms, stub, cost = self.terms, self.terms.stub, self.terms.stub.cost
        near = np.minimum(np.maximum(stub.home, low), high)
        here = cost[stub.start[:-1] + near]
        base = float(in_order(here) if terms.additive else here.max(initial=0.0))
        if base >= radius:
            return Look(PRUNED, base, near)
        first = np.maximum(low[stub.entry_column], stub.first)
        last = np.minimum(high[stub.entry_column], stub.last)
        meets = np.logical_and.reduceat(first <= last, stub.entry_start) & (is_open > 0)
        entry = np.flatnonzero(meets[stub.entry_leaf])
        of = stub.entry_leaf[entry]
        column, shift, first, last = (
            stub.entry_column[entry],
            self.shift[entry],
            first[entry],
            last[entry],
        )
        near_here = near[column]
        need = np.minimum(np.maximum(near_here, first), last)
        n = len(stub.leaf)
        leaf_cost = np.full(n, base)
        needed = cost[shift + need]
        if terms.additive:
            leaf_cost = base + np.bincount(of, needed - cost[shift + near_here], n)
        else:
            np.maximum.at(leaf_cost, of, needed)
        is_open[:] = meets & (leaf_cost < radius)
        alive = np.flatnonzero(is_open)
        counts = np.bincount(stub.tree[alive], minlength=len(stub.tree_start))
        if (counts == 0).any():
            return Look(PRUNED, base, near)
        begin = np.cumsum(counts) - counts
        value = terms.value[alive]
        most = float(in_order(np.maximum.reduceat(value, begin)))
        if most < terms.target:
            return Look(PRUNED, base, near)
        inside = np.bincount(of, need != near_here, n)[alive] == 0
        score = float(in_order(np.where(inside, value, 0.0)))
        # A leaf that was closed before holds no point that counts: the nearest one is none if it is
        # there, and its score is not known.
        if inside.sum() == len(begin) and score >= terms.target and not past_near:
            return Look(AT_TARGET, base, near, score)
        charge, fixed, pools = np.zeros(n), 0.0, 0.0
        if terms.multipliers is not None:
            pools = float(terms.multipliers.total[0])
            charge = self._charges(low, high, near, entry, first, last, need, n)
            fixed = self._fixed(low, high, near)
        rest = terms, value, charge[alive], begin
        if terms.priced:
            paid, key, rate, spare = by_price(*rest, base, fixed, pools, radius, price)
            price = rate or price
            least = np.minimum.reduceat(paid, begin)
        else:
            paid, key, least, spare = by_radius(
                *rest, leaf_cost[alive], base, fixed, pools, radius, self.levels
            )
            price = 0.0
        if key >= radius:
            return Look(PRUNED, base, near, key=key, price=price)
        # A leaf that pays so much more than the best one of its tree takes the bound beyond the
        # radius.
        is_open[alive[paid - np.repeat(least, counts) > spare]] = 0
        if not terms.priced:
            # Leaves dearer than the bound do not attain it.
            paid = np.where(leaf_cost[alive] <= key, paid, np.inf)
        place = _first_at(paid, np.minimum.reduceat(paid, begin), counts, begin)
        self.chosen, self.near = alive[place], near
        points = float(in_order(value[place]))
        spread = np.maximum.reduceat(value, begin) - np.minimum.reduceat(value, begin)
        self.weight = spread * (price if terms.priced else 1.0)
        return Look(BOUNDED, base, near, score, key, price, point_score=points)

    def _tighten(self, low: IntArray, high: IntArray, is_open: ByteArray) -> None:
        """Shrink a box to what the open leaves of each tree cover."""
        stub, d = self.terms.stub, len(low)
        shape = len(stub.tree_start), d
        entry = np.flatnonzero(is_open[stub.entry_leaf])
        place = self.entry_tree[entry] * d + stub.entry_column[entry]
        n_open = np.bincount(stub.tree[is_open > 0], minlength=shape[0])
        n_asking = np.bincount(place, minlength=shape[0] * d).reshape(shape)
        all_ask = n_asking == n_open[:, None]
        smallest, largest = np.full((2, shape[0] * d), -1)
        smallest[:] = len(stub.cost)
        np.minimum.at(smallest, place, stub.first[entry])
        np.maximum.at(largest, place, stub.last[entry])
        begins = np.where(all_ask, smallest.reshape(shape), -1).max(axis=0)
        ends = np.where(all_ask, largest.reshape(shape), len(stub.cost)).min(axis=0)
        np.maximum(low, begins, out=low)
        np.minimum(high, ends, out=high)

    def _charges(
        self,
        low: IntArray,
        high: IntArray,
        near: IntArray,
        entry: IntArray,
        first: IntArray,
        last: IntArray,
        need: IntArray,
        n: int,
    ) -> FloatArray:
        """Return what the multipliers charge each leaf beyond the cheapest point of a box."""
        stub, held = self.terms.stub, self.terms.multipliers
        assert held is not None
        column, shift, tree = stub.entry_column[entry], self.shift[entry], self.entry_tree[entry]
        near_here = near[column]
        forbidden = held.forbidden_to
        above = (
            forbidden[shift + high[column], tree]
            - forbidden[shift + np.maximum(last, near_here), tree]
        )
        below = (
            forbidden[shift + low[column], tree]
            - forbidden[shift + np.minimum(first, near_here), tree]
        )
        asked = held.asked_to[shift + need, tree] - held.asked_to[shift + near_here, tree]
        charges = np.bincount(stub.entry_leaf[entry], (above + below) + asked, n)
        return np.asarray(charges, dtype=np.float64)

    def _fixed(self, low: IntArray, high: IntArray, near: IntArray) -> float:
        """Return the pools of all crossings that a box leaves open."""
        held, start = self.terms.multipliers, self.terms.stub.start[:-1]
        assert held is not None
        at_near = held.pool_to[start + near]
        both = (held.pool_to[start + high] - at_near) + (held.pool_to[start + low] - at_near)
        return float(in_order(both))

    def _chosen_entries(self) -> tuple[IntArray, IntArray]:
        """Return the entries of the chosen leaves, and the tree of each."""
        stub = self.terms.stub
        count = self.n_entries[self.chosen]
        total = np.cumsum(count)
        entry = np.arange(total[-1]) + np.repeat(
            stub.entry_start[self.chosen] - total + count, count
        )
        return entry, np.repeat(np.arange(len(count)), count)

    def _note_ends(self, low: IntArray, high: IntArray) -> None:
        """Note what the chosen leaves leave of each column of a box, two (n_trees, d)."""
        stub, (entry, tree) = self.terms.stub, self._chosen_entries()
        first, last = (np.repeat(end[None], len(self.chosen), axis=0) for end in (low, high))
        column = stub.entry_column[entry]
        first[tree, column] = np.maximum(low[column], stub.first[entry])
        last[tree, column] = np.minimum(high[column], stub.last[entry])
        self.ends = first, last

    def _meeting(self, low: IntArray) -> tuple[float, IntArray]:
        """Return the cheapest point that lies in all the chosen leaves, if there is one."""
        stub = self.terms.stub
        first, last = self.ends
        begin, end = first.max(axis=0), last.min(axis=0)
        if (begin > end).any():
            return np.inf, low
        point = np.minimum(np.maximum(stub.home, begin), end)
        costs = stub.cost[stub.start[:-1] + point]
        return float(in_order(costs) if self.terms.additive else costs.max(initial=0.0)), point

    def _cut(
        self, low: IntArray, high: IntArray, near: IntArray, weight: FloatArray
    ) -> tuple[int, int]:
        """Return where the chosen leaves disagree most: both halves lose a heavy tree, or pay."""
        terms, stub = self.terms, self.terms.stub
        entry, tree = self._chosen_entries()
        column, shift = stub.entry_column[entry], self.shift[entry]
        above, below = stub.first[entry] > low[column], stub.last[entry] < high[column]
        n = len(stub.cost)
        up = np.bincount((shift + stub.first[entry])[above], weight[tree[above]], n)
        down = np.bincount((shift + stub.last[entry] + 1)[below], weight[tree[below]], n)
        asked = np.flatnonzero((up > 0) | (down > 0))
        if not len(asked):
            return _widest(low, high)
        up, down = up[asked], down[asked]
        if terms.multipliers is not None:
            whose = self.column[asked]
            outwards = asked - stub.start[whose] > near[whose]
            entered = np.where(outwards, asked, asked - 1)
            charged = self._paid_for(entered, whose, near, *self.ends)
            held = terms.multipliers
            unpaid = np.maximum(held.price[entered] + held.pool[entered] - charged, 0.0)
            # The half that has to cross pays what nobody is charged for.
            down = down + np.where(outwards, unpaid, 0.0)
            up = up + np.where(outwards, 0.0, unpaid)
        score = np.minimum(up, down) + LESSER_SIDE * np.maximum(up, down)
        cell = int(asked[int(np.argmax(score))])
        j = int(self.column[cell])
        return j, cell - int(stub.start[j])

    def _crosses(
        self,
        cells: IntArray,
        whose: IntArray,
        near: IntArray,
        first: IntArray,
        last: IntArray,
    ) -> tuple[BoolArray, BoolArray]:
        """Return which chosen leaves ask for, and which forbid, each crossing (n, n_trees)."""
        k = cells - self.terms.stub.start[whose]
        up, k = (k > near[whose])[:, None], k[:, None]
        begin, end = first.T[whose], last.T[whose]
        asks = np.where(up, begin >= k, end <= k)
        forbids = np.where(up, end < k, begin > k)
        return asks, forbids

    def _paid_for(
        self, cells: IntArray, whose: IntArray, near: IntArray, first: IntArray, last: IntArray
    ) -> FloatArray:
        held = self.terms.multipliers
        assert held is not None
        asks, _ = self._crosses(cells, whose, near, first, last)
        return in_order(np.where(asks, held.asking[cells], 0.0))

    def improve(self, low: IntArray, high: IntArray, rate: float) -> None:
        """Shift shares and pools by one step."""
        held, stub, near = self.terms.multipliers, self.terms.stub, self.near
        assert held is not None
        growth = growth_of(rate)
        first, last = self.ends
        number = np.arange(len(stub.cost)) - stub.start[self.column]
        here = near[self.column]
        is_open = (number >= low[self.column]) & (number <= high[self.column]) & (number != here)
        # Crossings that some leaf asks for, or whose pool is worth taking back.
        up = number > here
        farthest, nearest = first.max(axis=0)[self.column], last.min(axis=0)[self.column]
        wanted = np.where(up, farthest >= number, nearest <= number)
        cells = np.flatnonzero(is_open & (wanted | (held.pool > held.small_pool)))
        if not len(cells):
            return
        whose = self.column[cells]
        asks, forbids = self._crosses(cells, whose, near, first, last)
        price, pool = held.price[cells], held.pool[cells]
        asking, forbidding = held.asking[cells], held.forbidding[cells]
        paid_asking = in_order(np.where(asks, asking, 0.0))
        paid_forbidding = in_order(np.where(forbids, forbidding, 0.0))
        asking = np.where(asks, asking * growth, asking)
        forbidding = np.where(forbids, forbidding * growth, forbidding)
        all_asking, all_forbidding = in_order(asking), in_order(forbidding)
        whole = price + pool
        used = _ratio(paid_asking, whole) + _ratio(paid_forbidding, pool)
        half = 0.5 * (rate * (used - 1.0))
        new = np.maximum(pool * ((1.0 + half) / (1.0 - half)), held.least_pool)
        new = np.where((all_asking > 0) & (all_forbidding > 0), new, 0.0)
        held.pool[cells] = new
        held.asking[cells] = asking * _ratio(price + new, all_asking)[:, None]
        held.forbidding[cells] = forbidding * _ratio(new, all_forbidding)[:, None]
        held.total[0] = in_order(held.pool)
        held.sum_up(np.unique(whose))


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), 0.0)


def _first_at(paid: FloatArray, least: FloatArray, counts: IntArray, begin: IntArray) -> IntArray:
    """Return the first place in each group that holds its smallest number."""
    hits = np.flatnonzero(paid == np.repeat(least, counts))
    return hits[np.searchsorted(hits, begin)]


def _widest(low: IntArray, high: IntArray) -> tuple[int, int]:
    width = high - low
    j = int(np.argmax(width))
    if width[j] <= 0:
        return -1, 0
    return j, int(low[j] + 1 + (width[j] - 1) // 2)

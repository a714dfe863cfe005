"""The distance of one row: searches within radii that grow, for one other class after another.

The stub of a small radius is small, so a row whose nearest change of label is near is found by a
search that never looks far, however bad the first known witness is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.trees._ensemble import Duel
from specreg_sklearn.certificates.trees._leaf_boxes import LeafBoxes
from specreg_sklearn.certificates.trees._row_cells import RowCells
from specreg_sklearn.certificates.trees.search import (
    BestFirst,
    Descent,
    Question,
    Restarts,
    Stub,
    cells_at,
    stub_within,
)

_GROWTH = 1.25
_LONGEST = 6
_DESCENTS = 3
_WORTHWHILE = 0.05
_MOST_CLASSES = 3
# Rows that this many boxes do not settle have deep stubs, whose first witness is seldom the best.
_HARD = 500
_TRIES = 30
_TRY_COUNTS = 5
_WIDER = 1.1
# Whether there is a point within a distance is given up where this part of the budget has
# not brought the bound to this part of it, and the rest would not either, at this pace.
_LEAST_SPENT = 0.2
_NEARLY_DECIDED = 0.75
# How often that is asked; the way of a search must not depend on its budget.
_CHECK_EVERY = 100
_SMALLEST = float(np.finfo(np.float64).tiny)


class Costs(NamedTuple):
    """How the costs of cells make up a distance: ``sum(cost) ** (1 / power)``, or the largest.

    Parameters
    ----------
    power : float
        1 or 2; 1 for the largest, and for the number of changes.
    additive : bool
        Whether they add up.
    whole : bool
        Whether costs are whole numbers.
    """

    power: float
    additive: bool
    whole: bool

    def of(self, step: FloatArray) -> FloatArray:
        """Return the costs of steps in units of their columns."""
        if self.whole:
            return np.where(np.isfinite(step), (step > 0).astype(np.float64), np.inf)
        return step**self.power

    def distance(self, cost: float) -> float:
        """Return the distance that a cost stands for."""
        return float(cost ** (1 / self.power))

    def beyond(self, distance: float) -> float:
        """Return a cost that is larger than that of any point within a distance."""
        if self.whole:
            return float(np.floor(distance) + 1)
        # Room for the roundings of powers and sums, and for what lower bounds are reduced by.
        return max((distance * (1 + 4e-9)) ** self.power, _SMALLEST)


class Outcome(NamedTuple):
    """What is known of a row: bounds of the cost, the point, and the boxes that were scanned."""

    lower: float
    upper: float
    point: FloatArray | None
    n_nodes: int


@dataclass
class _Pair:
    """One other class: how far it is at least, and the search that is under way."""

    duel: Duel
    lower: float = 0.0
    search: BestFirst | None = None
    stub: Stub | None = None
    n_empty: int = 0


class RowSearch:
    """The search around one row.

    Parameters
    ----------
    boxes : LeafBoxes
        The leaves.
    around : RowCells
        The cells around the row.
    costs : Costs
        The norm.
    duels : list of Duel
        What it takes for each other class to win.
    confirm : callable
        Whether a point (n_columns,) has another label by `predict`.
    within : float, default=inf
        The distance of interest: the search ends when it knows whether there is a point so near.
    """

    def __init__(
        self,
        boxes: LeafBoxes,
        around: RowCells,
        costs: Costs,
        duels: list[Duel],
        confirm: Callable[[FloatArray], bool],
        within: float = np.inf,
    ) -> None:
        self.boxes, self.around, self.costs, self.confirm = boxes, around, costs, confirm
        self.cost = costs.of(around.step)
        self.clean = around.point[around.home]
        self.pairs = [_Pair(duel) for duel in duels]
        self.upper = np.inf
        self.limit = costs.beyond(within)
        self.point: FloatArray | None = None
        self.n_nodes = 0
        self._stub: tuple[float, Stub] | None = None
        self._restarted = False

    def take(self, cost: float, point: FloatArray) -> None:
        """Note a point with another label."""
        if cost < self.upper:
            self.upper, self.point = cost, point

    def take_known(self, distance: float) -> None:
        """Note that a row with another label is so far away."""
        if distance < self.costs.distance(self.upper):
            self.upper, self.point = distance**self.costs.power, None

    def run(self, max_nodes: int) -> Outcome:
        """Search until everything is decided, or `max_nodes` boxes were scanned.

        Each class is looked at once, however small the number is.
        """
        for _ in range(_DESCENTS):
            if self._is_answered():
                break
            before = self.upper
            self._descend()
            if not self.upper < before * (1 - _WORTHWHILE):
                break
        for pair in self.pairs:
            if self._is_answered():
                break
            self._begin(pair, min(self.upper, self.limit))
        began = self.n_nodes, self._distance_so_far()
        while self.n_nodes < max_nodes and not self._is_answered():
            open_pairs = [pair for pair in self.pairs if pair.lower < min(self.upper, self.limit)]
            if not open_pairs:
                break
            if self.n_nodes >= _HARD and not self._restarted:
                self._restart(max_nodes)
                continue
            # The smallest bound is the one that counts.
            nearest = min(open_pairs, key=lambda pair: pair.lower)
            until = max_nodes if self._restarted else min(max_nodes, _HARD)
            if np.isfinite(self.limit):
                if self._is_out_of_reach(began, max_nodes):
                    break
                until = min(until, (self.n_nodes // _CHECK_EVERY + 1) * _CHECK_EVERY)
            self._advance(nearest, until)
        lower = min((pair.lower for pair in self.pairs), default=np.inf)
        return Outcome(min(lower, self.upper), self.upper, self.point, self.n_nodes)

    def _is_answered(self) -> bool:
        """Return whether the distance of interest has a point within it."""
        return bool(np.isfinite(self.limit)) and self.upper < self.limit

    def _distance_so_far(self) -> float:
        return self.costs.distance(min((pair.lower for pair in self.pairs), default=np.inf))

    def _is_out_of_reach(self, began: tuple[int, float], max_nodes: int) -> bool:
        """Return whether the budget will not do to tell that there is no point within the distance.

        A larger budget gives up later, if at all.
        """
        limit, now = self.costs.distance(self.limit), self._distance_so_far()
        if self.n_nodes < _LEAST_SPENT * max_nodes or now >= _NEARLY_DECIDED * limit:
            return False
        pace = (now - began[1]) / max(self.n_nodes - began[0], 1)
        return now + pace * (max_nodes - self.n_nodes) < limit

    def _within(self, radius: float) -> Stub:
        if self._stub is None or self._stub[0] != radius:
            additive = self.costs.additive
            stub = stub_within(self.boxes, self.around, self.cost, radius, additive=additive)
            self._stub = radius, stub
        return self._stub[1]

    def _descend(self) -> None:
        """Look for near points by moves of single columns."""
        radius = min(self.upper, self.limit)
        stub = self._within(radius)
        asked = [(*_asked(stub, pair.duel), pair.duel.tolerance) for pair in self.pairs]
        descents = [
            Descent(stub, value, target + blur, radius, additive=self.costs.additive)
            for value, target, blur in asked
        ]
        if len(descents) > _MOST_CLASSES and len(stub.leaf):
            # The classes that come nearest to winning where the row is.
            descents.sort(key=lambda descent: descent.target - descent.moves(stub.home)[0])
            descents = descents[:_MOST_CLASSES]
        for descent in descents:
            # Where the question is whether there is a point so near, any one answers it.
            reached = descent.first() if np.isfinite(self.limit) else descent.nearest()
            if reached is not None:
                self.take(reached.cost, self._point(stub, reached.cells))

    def _restart(self, max_nodes: int) -> None:
        """Look for nearer points around the best one, for as long as tries go on to find some."""
        self._restarted = True
        radius = self.upper * _WIDER**self.costs.power
        stub = self._within(radius)
        if not np.isfinite(radius) or not len(stub.leaf):
            return
        descent, cells = self._around_best(stub, radius)
        walk = Restarts(descent, cells, self.upper, np.random.default_rng(0))
        found = True
        while found and self.n_nodes < max_nodes:
            reached = walk.run(_TRIES)
            self.n_nodes += _TRIES * _TRY_COUNTS
            found = reached is not None and reached.cost < self.upper * (1 - 1e-9)
            if reached is not None and found:
                self.take(reached.cost, self._point(stub, reached.cells))

    def _around_best(self, stub: Stub, radius: float) -> tuple[Descent, IntArray]:
        """Return the moves towards the class of the best point, and its cells."""
        nearest = min(self.pairs, key=lambda pair: pair.lower)
        cells = stub.home if self.point is None else cells_at(stub, self.point[stub.column])
        descents = []
        for pair in (nearest, *self.pairs):
            value, target = _asked(stub, pair.duel)
            blur, additive = pair.duel.tolerance, self.costs.additive
            descents.append(Descent(stub, value, target + blur, radius, additive=additive))
        # Where only the place of a witness outside is known, the nearest class is tried.
        best = (d for d in descents if self.point is not None and d.moves(cells)[0] >= d.target)
        return next(best, descents[0]), cells

    def _begin(self, pair: _Pair, radius: float) -> None:
        """Start a search within a radius, and note what its root says."""
        stub, duel = self._within(radius), pair.duel
        value, target = _asked(stub, duel)
        search = BestFirst(
            Question(
                stub,
                value,
                target,
                duel.tolerance,
                self.costs.additive,
                lambda cells: self.confirm(self._point(stub, cells)),
            ),
            radius,
            quick=bool(np.isfinite(self.limit)),
        )
        pair.search, pair.stub = search, stub
        self.n_nodes += search.n_nodes
        self._note(pair)

    def _note(self, pair: _Pair) -> None:
        search, stub = pair.search, pair.stub
        assert search is not None and stub is not None
        if search.found is not None and search.found.cost < self.upper:
            self.take(search.found.cost, self._point(stub, search.found.cells))
        pair.lower = max(pair.lower, search.lower)
        if search.done:
            pair.n_empty += search.found is None
            pair.search = pair.stub = None

    def _advance(self, pair: _Pair, max_nodes: int) -> None:
        """Continue the search of a class, or start one within a radius that suits its bound."""
        search = pair.search
        target = self._next_radius(pair)
        far = search is not None and search.radius > target * (1 + 1e-12)
        if search is None or (far and (search.found is None or search.found.cost > self.upper)):
            self._begin(pair, target)
            search = pair.search
            if search is None or search.radius > self._next_radius(pair) * (1 + 1e-12):
                return
        before = search.n_nodes
        first = bool(np.isfinite(self.limit))
        search.run(before + max_nodes - self.n_nodes, until_found=first)
        self.n_nodes += search.n_nodes - before
        self._note(pair)

    def _next_radius(self, pair: _Pair) -> float:
        """Return how far to look, given that nothing is nearer than the bound of a class."""
        lower = pair.lower
        if np.isfinite(self.limit):
            return min(self.upper, self.limit)
        # A row that stands at a threshold has a bound of next to nothing: steps become longer.
        growth = _GROWTH ** (self.costs.power * 2 ** max(0, min(pair.n_empty - 1, _LONGEST)))
        radius = np.ceil(lower - 1e-9) + 1 if self.costs.whole else lower * growth
        if lower == 0 or radius * growth >= min(self.upper, self._farthest()):
            return self.upper
        return float(radius)

    def _farthest(self) -> float:
        """Return a cost that no point exceeds."""
        costs = np.where(np.isfinite(self.cost), self.cost, 0.0)
        most = np.maximum.reduceat(costs, self.boxes.cell_start[:-1])
        return float(most.sum() if self.costs.additive else most.max())

    def _point(self, stub: Stub, cells: np.ndarray) -> FloatArray:
        point = self.clean.copy()
        point[stub.column] = stub.point[stub.start[:-1] + cells]
        return point


def _asked(stub: Stub, duel: Duel) -> tuple[FloatArray, float]:
    """Return the values of the leaves of a stub, and what they must add up to."""
    return duel.value[stub.leaf], duel.target - float(duel.value[stub.settled].sum())

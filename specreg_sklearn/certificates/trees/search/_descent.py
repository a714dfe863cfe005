"""A near point whose score reaches the target, found by moves of single columns.

One pass over the leaves says what every move of one column to any of its cells does to the score:
it takes the trees whose leaf asks for nothing else to that leaf. So the best move, out of
thousands, is known at the price of one evaluation. Searches start from what this finds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.trees.search._compiled import leaf_loops
from specreg_sklearn.certificates.trees.search._stub import Stub

_MOST_MOVES = 200
_DETOURS = 6
_RADII = 24
_HALVINGS = 6
# Gains are divided by costs at first, and by their roots then.
_ROOTED = (False, True)


class Reached(NamedTuple):
    """A point whose score reaches the target: its cost, and its cells in the stub."""

    cost: float
    cells: IntArray


class Descent:
    """Moves of single columns over a stub.

    Parameters
    ----------
    stub : Stub
        Leaves within a radius. Points beyond it are never visited.
    value : ndarray of shape (n_leaves,), float64
        What each adds to the score.
    target : float
        The score that is needed.
    radius : float
        The radius of the stub.
    additive : bool
        Whether costs of columns add up; else the largest one counts.
    """

    def __init__(
        self, stub: Stub, value: FloatArray, target: float, radius: float, *, additive: bool
    ) -> None:
        self.stub, self.value, self.target = stub, value, target
        self.radius, self.additive = radius, additive
        self.shift = stub.start[stub.entry_column]
        self.column = np.repeat(np.arange(len(stub.column)), np.diff(stub.start))
        self._loops = leaf_loops()

    def nearest(self) -> Reached | None:
        """Return the best point that is found, or None."""
        if not len(self.stub.leaf):
            return None
        if not self.additive:
            reached = self._smallest_box()
            return None if reached is None else self._shrunk(reached.cells)
        found = [self._polished(cells) for cells in map(self._ascent, _ROOTED) if cells is not None]
        best = min(found, key=lambda reached: reached.cost, default=None)
        return None if best is None else self._detours(best)

    def first(self) -> Reached | None:
        """Return the first point that is found within the radius, or None."""
        if not len(self.stub.leaf):
            return None
        if not self.additive:
            return self._smallest_box()
        climbs = (self._ascent(rooted) for rooted in _ROOTED)
        cells = next((cells for cells in climbs if cells is not None), None)
        return None if cells is None else Reached(self.cost(cells), cells)

    def improve(self, cells: IntArray) -> Reached:
        """Return the best point found from one that reaches the target."""
        return self._polished(cells) if self.additive else self._shrunk(cells)

    def climb(self, cells: IntArray, radius: float, weight: FloatArray) -> Reached | None:
        """Return the best point found from any one, by gains times `weight`, (n_cells,)."""
        if not self.additive:
            reached, score = self._climb(cells, radius, weight)
            return self._shrunk(reached) if score >= self.target else None
        climbed = self._ascent(False, cells, radius, weight)
        return None if climbed is None else self._polished(climbed)

    def cost(self, cells: IntArray) -> float:
        """Return the cost of a point."""
        costs = self.stub.cost[self.stub.start[:-1] + cells]
        return float(costs.sum() if self.additive else costs.max(initial=0.0))

    def moves(self, cells: IntArray) -> tuple[float, FloatArray]:
        """Return the score of a point, and that after each move of one column to a cell."""
        stub = self.stub
        if self._loops is not None:
            score, after = self._loops.moves(
                cells, self.value, stub.tree, len(stub.tree_start), stub.entry_start,
                stub.entry_column, stub.first, stub.last, stub.start,
            )  # fmt: skip
            return float(score), after
        here = cells[stub.entry_column]
        outside = (here < stub.first) | (here > stub.last)
        n_outside = np.add.reduceat(outside, stub.entry_start, dtype=np.int64)
        now = np.zeros(len(stub.tree_start))
        inside = n_outside == 0
        now[stub.tree[inside]] = self.value[inside]
        entry = np.flatnonzero(outside & (n_outside[stub.entry_leaf] == 1))
        leaf = stub.entry_leaf[entry]
        gain = self.value[leaf] - now[stub.tree[leaf]]
        n_cells = len(stub.cost)
        edges = np.bincount(self.shift[entry] + stub.first[entry], gain, n_cells + 1)
        edges -= np.bincount(self.shift[entry] + stub.last[entry] + 1, gain, n_cells + 1)
        # One after the other, as loops add.
        score = float(np.cumsum(now)[-1])
        return score, np.asarray(score + np.cumsum(edges)[:-1], dtype=np.float64)

    def _ascent(
        self,
        rooted: bool,
        cells: IntArray | None = None,
        radius: float | None = None,
        weight: FloatArray | None = None,
    ) -> IntArray | None:
        """Climb to the target, from the row or elsewhere, by what gains most for a cost."""
        stub, cells = self.stub, (self.stub.home if cells is None else cells).copy()
        radius = self.radius if radius is None else radius
        weight = np.ones(len(stub.cost)) if weight is None else weight
        if self._loops is not None:
            reached = self._loops.ascent(
                cells, self.column, stub.cost, self.value, stub.tree, len(stub.tree_start),
                stub.entry_start, stub.entry_column, stub.first, stub.last, stub.start,
                self.target, radius, rooted, weight, _MOST_MOVES,
            )  # fmt: skip
            return cells if reached else None
        for _ in range(_MOST_MOVES):
            score, after = self.moves(cells)
            if score >= self.target:
                return cells
            own = stub.cost[stub.start[:-1] + cells]
            extra = stub.cost - own[self.column]
            gain = np.minimum(after, self.target) - score
            allowed = (gain > 1e-12 * (1 + abs(score))) & (np.cumsum(own)[-1] + extra < radius)
            if not allowed.any():
                return None
            price = np.maximum(extra, 1e-12 * (1e-300 + stub.cost.max()))
            price = np.sqrt(price) if rooted else price
            # Costs may be next to nothing: thresholds at 0 are passed by 5e-324.
            with np.errstate(over="ignore"):
                rate = np.where(allowed, weight * gain / price, -np.inf)
            self._move(cells, int(np.argmax(rate)))
        return None

    def _move(self, cells: IntArray, cell: int) -> None:
        j = self.column[cell]
        cells[j] = cell - self.stub.start[j]

    def _polished(self, cells: IntArray) -> Reached:
        """Take single columns back towards home for as long as the score allows."""
        stub, cells = self.stub, cells.copy()
        for _ in range(_MOST_MOVES):
            _, after = self.moves(cells)
            own = stub.cost[stub.start[:-1] + cells][self.column]
            saved = np.where(after >= self.target + self._slack, own - stub.cost, 0.0)
            best = int(np.argmax(saved))
            if not saved[best] > 0:
                break
            self._move(cells, best)
        return Reached(self.cost(cells), cells)

    @property
    def _slack(self) -> float:
        """Room for the rounding of running sums; whole votes have half of one to spare."""
        return 1e-12 * (1 + abs(self.target))

    def _detours(self, best: Reached) -> Reached:
        """Try moves outwards that may let other columns go home."""
        stub = self.stub
        for _ in range(_DETOURS):
            score, after = self.moves(best.cells)
            own = stub.cost[stub.start[:-1] + best.cells][self.column]
            extra = stub.cost - own
            gain = after - score
            fits = (gain > 0) & (extra > 0) & (extra < best.cost)
            tried = np.flatnonzero(fits)
            order = np.argsort(-(gain[tried] / extra[tried]), kind="stable")
            for cell in tried[order[:_DETOURS]]:
                cells = best.cells.copy()
                self._move(cells, int(cell))
                reached = self._polished(cells)
                if reached.cost < best.cost * (1 - 1e-9):
                    best = reached
                    break
            else:
                break
        return best

    def _smallest_box(self) -> Reached | None:
        """Climb within boxes that grow until the target is reached."""
        finite = self.stub.cost[self.stub.cost > 0]
        if not len(finite):
            return None
        levels = np.quantile(finite, np.linspace(0, 1, _RADII), method="lower")
        cells = self.stub.home.copy()
        for level in levels:
            cells, score = self._climb(cells, float(level))
            if score >= self.target:
                return Reached(self.cost(cells), cells)
        return None

    def _climb(
        self, cells: IntArray, level: float, weight: float | FloatArray = 1.0
    ) -> tuple[IntArray, float]:
        """Raise the score by moves to cells of cost `level` at most."""
        cells = cells.copy()
        allowed = self.stub.cost <= level
        for _ in range(_MOST_MOVES):
            score, after = self.moves(cells)
            if score >= self.target:
                break
            gain = np.where(allowed, weight * (after - score), -np.inf)
            best = int(np.argmax(gain))
            if not after[best] > score + 1e-12 * (1 + abs(score)):
                break
            self._move(cells, best)
        return cells, score

    def _shrunk(self, cells: IntArray) -> Reached:
        """Bisect for the smallest box in which a climb from the shrunken point succeeds."""
        best = Reached(self.cost(cells), cells)
        lowest = 0.0
        for _ in range(4 * _HALVINGS):
            own = self.stub.cost[self.stub.start[:-1] + best.cells]
            costs = np.unique(self.stub.cost)
            between = costs[(costs > lowest) & (costs < best.cost)]
            if not len(between) or best.cost - lowest < 1e-3 * best.cost:
                break
            level = float(between[len(between) // 2])
            start = np.where(own <= level, best.cells, self._clipped(best.cells, level))
            reached, score = self._climb(start, level)
            if score >= self.target:
                best = Reached(self.cost(reached), reached)
            else:
                lowest = level
        return best

    def _clipped(self, cells: IntArray, level: float) -> IntArray:
        """Return a point whose columns are taken back to cells of cost `level` at most."""
        stub = self.stub
        within = np.concatenate([[0], np.cumsum(stub.cost <= level)])
        left = np.arange(len(stub.cost))
        first = np.minimum.reduceat(
            np.where(stub.cost <= level, left, len(stub.cost)), stub.start[:-1]
        )
        count = within[stub.start[1:]] - within[stub.start[:-1]]
        return np.clip(cells, first - stub.start[:-1], first - stub.start[:-1] + count - 1)

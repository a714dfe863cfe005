"""Distances where columns change a lead together: a quadratic form that is not diagonal."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.moves import (
    NODES_PER_BOX,
    CheapestMoves,
    Relaxed,
    branch_and_bound,
    nearest_in_l2,
    row_products,
    steps_around,
)
from specreg_sklearn.certificates.quadratic._boundary_moves import Boundary
from specreg_sklearn.certificates.quadratic._columns_alone import ColumnsAlone
from specreg_sklearn.certificates.quadratic._fewest_together import greedy_moves, least_count
from specreg_sklearn.certificates.quadratic._multipliers import Form, best_bound
from specreg_sklearn.certificates.quadratic._score_pair import ScorePair

# How many boxes of independent columns take as long as one here, for so many columns.
_BOXES, _FEW_COLUMNS = 25, 16
# A bound as near as this to the shortest known move is as good as multipliers give.
_NEAR = 2e-7
# Cuts are at least so far from the ends, relative to the interval.
_EDGE = 0.2


class ColumnsTogether:
    """Bounds of moves to where another class is as good, for any quadratic form.

    Parameters
    ----------
    pair : ScorePair
        The lead over that class.
    box : tuple of two ndarray of shape (n_rows, n_moves)
        Ends of the moves.
    """

    def __init__(self, pair: ScorePair, box: tuple[FloatArray, FloatArray]) -> None:
        self.pair, (self.low, self.high) = pair, box
        self.eigenvalues, self.vectors = np.linalg.eigh(pair.H)
        # A column by itself is one that does not depend on the others.
        self.alone = ColumnsAlone(pair, box)
        # Moves that were found before.
        self.known = np.full(self.low.shape, np.nan)

    @property
    def nodes_per_box(self) -> int:
        """How many nodes of a search for trees take as long as one of its boxes."""
        return NODES_PER_BOX * _BOXES * max(1, self.pair.H.shape[0] // _FEW_COLUMNS)

    def cheapest(
        self,
        some: IntArray,
        c: FloatArray,
        enough: FloatArray,
        *,
        cap: FloatArray,
        most_nodes: IntArray,
    ) -> CheapestMoves:
        """Return bounds of the moves of some rows; see :meth:`ColumnsAlone.cheapest`.

        Prices are at least lengths, and whole numbers are numbers: bounds hold for them, too.
        """
        lower, straight = self._at_once(some, c)
        n_nodes, cost = np.zeros(len(c), dtype=np.int64), np.full(len(c), np.inf)
        move = np.zeros(straight.shape)
        asked = self.pair.rows.asked
        for i, row in enumerate(some.tolist()):
            if lower[i] > asked:
                continue
            boundary = self._boundary(row, float(c[i]))
            single = np.eye(len(boundary.g))
            boundary.offer(np.vstack([straight[i], self.known[row], single, -single]))
            boundary.improve()
            least = min(float(cap[i]), boundary.length)
            # A row with a move as short as that is not asked for its distance.
            is_asked = np.isinf(asked) or least > asked
            least = min(least, self.pair.rows.enough)
            if is_asked and most_nodes[i] > 0 and lower[i] < least * (1 - _NEAR):
                likely = np.where(np.isfinite(straight[i]), straight[i], boundary.g)
                search = _Search(boundary, least, likely)
                found = search.run(int(most_nodes[i]))
                lower[i], n_nodes[i] = max(lower[i], found.lower[0]), found.n_nodes[0]
            self.known[row] = boundary.move
            # The same move, drawn out as far as roundings reach.
            beyond = self._boundary(row, float(enough[i]))
            beyond.offer(boundary.move[None])
            cost[i], move[i] = beyond.length, beyond.move
            if self.pair.rows.grain is not None:
                cost[i], move[i] = self._in_whole_steps(row, beyond)
        if self.pair.rows.dearer is not None:
            prices = np.where(move > 0, *self.pair.rows.dearer)
            cost = np.maximum(cost, self.pair.rows.norm.length(move * prices))
        return CheapestMoves(lower, cost, move, n_nodes)

    def _boundary(self, row: int, c: float) -> Boundary:
        pair, order = self.pair, self.pair.rows.norm.order
        low, high = self.low[row], self.high[row]
        return Boundary(max(c, 1e-300), pair.g[row], pair.H, low, high, order)

    def _in_whole_steps(self, row: int, boundary: Boundary) -> tuple[float, FloatArray]:
        """Return a move by whole steps near the shortest one, or of few columns; often none."""
        grain, t = self.alone.grain[row], boundary.move
        low, high = self.alone.low[row], self.alone.high[row]
        ends = steps_around(t, grain)
        nearest = np.where(np.abs(ends[0] - t) < np.abs(ends[1] - t), *ends)
        outwards = np.where(t > 0, ends[1], ends[0])
        few = greedy_moves(
            np.array([boundary.c]), boundary.g[None], boundary.H, low[None], high[None], grain[None]
        )
        moves = np.clip([nearest, outwards, few[0]], low, high)
        with np.errstate(invalid="ignore", over="ignore"):
            left = boundary.c + moves @ boundary.g + ((moves @ boundary.H) * moves).sum(axis=1)
        lengths = np.where(left <= 0, boundary.norm.length(moves), np.inf)
        best = int(lengths.argmin())
        return float(lengths[best]), moves[best]

    def _at_once(self, some: IntArray, c: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return bounds that take no search, and the shortest moves in L2, without a box."""
        g, H = self.pair.g[some], self.pair.H
        order, n_moves = self.pair.rows.norm.order, H.shape[0]
        turned = row_products(g, self.vectors)
        squared, steps = nearest_in_l2(c, turned, self.eigenvalues)
        lower, move = np.sqrt(squared), row_products(steps, self.vectors.T)
        if order == np.inf:
            worst = max(0.0, -float(self.eigenvalues.min(initial=0.0))) * n_moves
            straight = _first_root(c, np.abs(g).sum(axis=1), worst)
            lower = np.maximum(lower / np.sqrt(n_moves), straight)
        if order == 1:
            falling = np.abs(H)
            np.fill_diagonal(falling, np.maximum(-np.diag(H), 0.0))
            worst = float(falling.max(initial=0.0))
            straight = _first_root(c, np.abs(g).max(axis=1, initial=0.0), worst)
            lower = np.maximum(lower, straight)
        return lower, move

    def fewest(self, c: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return how many columns have to move at least, and moves of few; NaN without any.

        One column is tried exactly; bounds of more count how columns help each other at most.
        """
        alone = self.alone
        count, move = alone.fewest(c)
        gained, low, high = alone.gained(c), alone.low, alone.high
        many = np.flatnonzero(count > 1)
        g, H = self.pair.g[many], self.pair.H
        room = np.maximum(-low[many], high[many])
        count[many] = least_count(c[many], gained[many], H, room)
        move[many] = greedy_moves(c[many], g, H, low[many], high[many], alone.grain[many])
        return count, move


class _Search:
    """Branch and bound for the moves of one row up to a length, by multipliers in each box."""

    def __init__(self, boundary: Boundary, cap: float, likely: FloatArray) -> None:
        self.boundary, self.cap = boundary, cap
        self.low, self.high = np.maximum(boundary.low, -cap), np.minimum(boundary.high, cap)
        self.used = np.flatnonzero(self.high > self.low)
        # In units of the cap, and of the lead.
        self.g = boundary.g[self.used] * (cap / boundary.c)
        self.H = boundary.H[np.ix_(self.used, self.used)] * (cap / boundary.c * cap)
        self.likely = likely[self.used]

    def run(self, most_nodes: int) -> CheapestMoves:
        """Return bounds; whatever is longer than the cap is left out."""
        low, high = self.low[self.used][None], self.high[self.used][None]
        cap, most = np.array([self.cap]), np.array([most_nodes])
        found = branch_and_bound(self._bounds, low, high, cap=cap, most_nodes=most, at_once=1)
        inside = (self.boundary.low >= -self.cap) & (self.boundary.high <= self.cap)
        return found if inside.all() else found._replace(lower=np.minimum(found.lower, cap))

    def _bounds(self, owner: IntArray, low: FloatArray, high: FloatArray) -> Relaxed:
        n, cap = len(owner), self.cap
        bound, cost, cut = np.zeros(n), np.full(n, np.inf), np.zeros(n)
        column = np.full(n, -1)
        for b in range(n):
            form = Form(
                self.g, self.H, low[b] / cap, high[b] / cap, self.boundary.order, self.likely
            )
            found = best_bound(form)
            bound[b] = np.sqrt(found.squared) * cap
            if bound[b] >= min(cap, self.boundary.length) * (1 - _NEAR):
                continue
            proposed = np.zeros(len(self.low))
            proposed[self.used] = found.move * cap
            self.boundary.sharpen(proposed)
            self.boundary.improve()
            cost[b] = self.boundary.length
            if bound[b] >= min(cap, cost[b]) * (1 - _NEAR):
                continue
            width = high[b] - low[b]
            j = int(np.where(width > 1e-6 * cap, found.spread, -1.0).argmax())
            column[b] = j
            edge = _EDGE * width[j]
            cut[b] = np.clip(found.move[j] * cap, low[b][j] + edge, high[b][j] - edge)
        return Relaxed(bound, cost, np.zeros(low.shape), column, cut, cut)


def _first_root(c: FloatArray, rate: FloatArray, curvature: float) -> FloatArray:
    """Return where ``c - rate r - curvature r^2`` falls to zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        root = 2 * c / (rate + np.sqrt(rate * rate + 4 * curvature * c))
    return np.where(c > 0, np.where(np.isnan(root), np.inf, root), 0.0) * (1 - 1e-12)

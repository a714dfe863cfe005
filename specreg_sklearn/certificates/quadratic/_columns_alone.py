"""Distances where what each column adds to a lead does not depend on the other columns."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.moves import (
    CheapestMoves,
    Relaxed,
    branch_and_bound,
    fewest_columns,
    largest_cube,
    price_of_box,
    whole_room,
)
from specreg_sklearn.certificates.quadratic._score_pair import ScorePair
from specreg_sklearn.certificates.quadratic._separable import Separable, relaxed

# A column without an end may move so far.
_FAR = 1e150


class ColumnsAlone:
    """The cheapest moves to where another class is as good, for a diagonal form.

    Parameters
    ----------
    pair : ScorePair
        The lead over that class.
    box : tuple of two ndarray of shape (n_rows, n_moves)
        Ends of the moves.
    """

    def __init__(self, pair: ScorePair, box: tuple[FloatArray, FloatArray]) -> None:
        self.pair, rows = pair, pair.rows
        self.grain = np.zeros(box[0].shape) if rows.grain is None else rows.grain
        self.low, self.high = -whole_room(-box[0], self.grain), whole_room(box[1], self.grain)
        self.price = np.ones((2, box[0].shape[1])) if rows.dearer is None else rows.dearer
        self.order = rows.norm.order

    @property
    def nodes_per_box(self) -> int:
        """How many nodes of a search for trees take as long as one of its boxes."""
        return price_of_box(self.low.shape[1])

    def cheapest(
        self,
        some: IntArray,
        c: FloatArray,
        enough: FloatArray,
        *,
        cap: FloatArray,
        most_nodes: IntArray,
    ) -> CheapestMoves:
        """Return the cheapest moves of some rows.

        Parameters
        ----------
        some : ndarray of int
            The rows.
        c, enough : ndarray of shape (n,)
            Their leads, less roundings, and more.
        cap : ndarray of shape (n,)
            Prices above which nothing has to be proved.
        most_nodes : ndarray of shape (n,), int
            How many boxes are looked at for each.
        """
        problem, low, high = self._problem(some, c, enough), self.low[some], self.high[some]
        g, h, grain = problem.g, problem.h, problem.grain
        whole = grain if self.pair.rows.grain is not None else None
        if self.order == np.inf:
            inner, cube = largest_cube(c, g, h, low, high, price=self.price, grain=whole)
            cost = (np.abs(cube) * np.where(cube > 0, *self.price)).max(axis=1, initial=0.0)
            cost = np.where(np.isfinite(inner), cost, np.inf)
            return CheapestMoves(inner, cost, cube, np.zeros(len(c), dtype=np.int64))
        # Any move that suffices says how far others have to be looked for: of one column, or all.
        with np.errstate(over="ignore", invalid="ignore"):
            cost, move, _ = problem.mended(np.zeros(low.shape), low, high, c)
        many = np.flatnonzero(np.isinf(cost))
        some_whole = None if whole is None else whole[many]
        inner, cube = largest_cube(
            c[many], g[many], h, low[many], high[many], price=self.price, grain=some_whole
        )
        known = np.isfinite(inner)
        move[many[known]] = cube[known]
        cost[many[known]] = problem.take(many[known]).cost(cube[known]).sum(axis=1)
        cost = problem.length(cost)
        cap = np.minimum(cap, cost * (1 + 1e-9))
        low = np.maximum(low, -whole_room(cap[:, None] / self.price[1], grain))
        high = np.minimum(high, whole_room(cap[:, None] / self.price[0], grain))

        def bounds(owner: IntArray, low: FloatArray, high: FloatArray) -> Relaxed:
            return relaxed(problem.take(owner), low, high)

        found = branch_and_bound(bounds, low, high, cap=cap, most_nodes=most_nodes)
        nearer = cost < found.cost
        # Whatever lies outside the box costs more than the cap; without one there is nothing.
        outside = (low > self.low[some]).any(axis=1) | (high < self.high[some]).any(axis=1)
        return CheapestMoves(
            np.where(outside, np.minimum(found.lower, cap), found.lower),
            np.minimum(found.cost, cost),
            np.where(nearer[:, None], move, found.move),
            found.n_nodes,
        )

    def fewest(self, c: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return how many columns have to move, and moves that do."""
        problem, low, high, far = self._farthest(c)
        with np.errstate(over="ignore", invalid="ignore"):
            gained = -problem.change(far)
            count, wanted = fewest_columns(gained, c)
            # All columns that are needed but the last one go as far as they pay.
            move = np.where(wanted == gained, far, 0.0)
            _, mended, _ = problem.mended(move, low, high, c)
        mended[np.isinf(count)] = np.nan
        return count, mended

    def gained(self, c: FloatArray) -> FloatArray:
        """Return what each column takes of the lead at most, by itself."""
        problem, _, _, far = self._farthest(c)
        with np.errstate(over="ignore"):
            return -problem.change(far)

    def _farthest(self, c: FloatArray) -> tuple[Separable, FloatArray, FloatArray, FloatArray]:
        low, high = np.maximum(self.low, -_FAR), np.minimum(self.high, _FAR)
        problem = self._problem(np.arange(len(c)), c, c)
        with np.errstate(over="ignore", invalid="ignore"):
            return problem, low, high, problem.farthest_down(low, high)

    def _problem(self, some: IntArray, c: FloatArray, enough: FloatArray) -> Separable:
        return Separable(
            c=c,
            enough=enough,
            g=self.pair.g[some],
            h=np.diag(self.pair.H).copy(),
            price=self.price,
            grain=self.grain[some],
            order=2 if self.order == 2 else 1,
        )

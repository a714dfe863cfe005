"""Distances of rows of one class: the nearest place where another class has a larger score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.moves import CheapestMoves, LocalProof, ModelRows
from specreg_sklearn.certificates.quadratic._columns_alone import ColumnsAlone
from specreg_sklearn.certificates.quadratic._columns_together import ColumnsTogether
from specreg_sklearn.certificates.quadratic._score_pair import ScorePair
from specreg_sklearn.space import L2

# Nobody looks farther than this.
_FARTHEST = 1e12
# By so much, relative to it, a move may be longer than the shortest that is known.
_BEYOND = 1e-9
# How often a radius is made smaller, and how much, until roundings within it leave some lead.
_SHRINKS, _SHRINK = 60, 0.25


def proof_of_class(
    rows: ModelRows,
    pairs: list[ScorePair],
    box: tuple[FloatArray, FloatArray],
    max_nodes: int,
) -> LocalProof:
    """Return what is proved of rows of one class.

    Parameters
    ----------
    rows : ModelRows
        Rows of one class.
    pairs : list of ScorePair
        Its leads over all others.
    box : tuple of two ndarray of shape (n_rows, n_moves)
        Ends of the moves.
    max_nodes : int
        How much is searched for a row, in nodes of a search for trees.
    """
    alone = all(pair.alone for pair in pairs)
    solvers = [(ColumnsAlone if alone else ColumnsTogether)(pair, box) for pair in pairs]
    if rows.norm.order == 0:
        return _fewest(rows, solvers, box)
    n, price = len(rows), solvers[0].nodes_per_box
    radius, move = np.full(n, np.inf), np.full(box[0].shape, np.nan)
    n_nodes = np.zeros(n, dtype=np.int64)

    def search(k: int, c: FloatArray, some: IntArray, most: IntArray | int) -> CheapestMoves:
        """Search for moves to where class k is as good."""
        lead = pairs[k].c[some]
        found = solvers[k].cheapest(
            some,
            c[some],
            # As far beyond the lead as roundings reach, to be sure of what `predict` says there.
            lead + (lead - c[some]),
            cap=np.minimum(radius[some], _FARTHEST),
            most_nodes=most - n_nodes[some],
        )
        # A move beyond roundings is better than one that is shorter by as much.
        nearer = (found.cost < radius[some] * (1 + _BEYOND)) & np.isfinite(found.cost) & (lead > 0)
        move[some[nearer]] = found.move[nearer]
        radius[some[nearer]] = np.minimum(radius[some[nearer]], found.cost[nearer])
        n_nodes[some] += found.n_nodes
        return found

    # First moves that suffice, to know how much roundings count within their length.
    first = [search(k, np.maximum(pair.c, 0.0), np.arange(n), 0) for k, pair in enumerate(pairs)]
    nearest = np.argmin([found.lower for found in first], axis=0)
    most_nodes = n_nodes + max(1, max_nodes // price)
    within = np.minimum(np.fmin(radius * (1 + 1e-9), _corner(rows, box)), rows.enough)
    whole, gaps = _with_roundings(pairs, within)
    # The class that seems nearest first: what it leaves is seldom worth a search for the others.
    for nearest_first in (True, False):
        for k in range(len(pairs)):
            mine = (nearest == k) == nearest_first
            some = np.flatnonzero(mine & (whole > 0))
            found = search(k, gaps[k], some, most_nodes[some])
            whole[some] = np.minimum(whole[some], found.lower)
    return LocalProof(whole * (1 - 1e-12), move, n_nodes * price)


def _with_roundings(
    pairs: list[ScorePair], radius: FloatArray
) -> tuple[FloatArray, list[FloatArray]]:
    """Return distances within which roundings leave some of all leads, and what they leave."""
    radius, share = np.minimum(radius, _FARTHEST), np.zeros(len(radius))
    for _ in range(_SHRINKS):
        gaps = [pair.c - pair.slack(radius) for pair in pairs]
        lost = np.any([~(gap > share * pair.c) for pair, gap in zip(pairs, gaps, strict=True)], 0)
        if not lost.any():
            break
        radius, share = np.where(lost, _SHRINK * radius, radius), np.where(lost, 0.5, share)
    return np.where(lost, 0.0, radius), gaps


def _fewest(
    rows: ModelRows,
    solvers: Sequence[ColumnsAlone | ColumnsTogether],
    box: tuple[FloatArray, FloatArray],
) -> LocalProof:
    """Return how many columns have to move, and moves of them."""
    n, corner = len(rows), L2.length(np.maximum(np.abs(box[0]), np.abs(box[1])))
    lower, fewest = np.full(n, np.inf), np.full(n, np.inf)
    move = np.full(box[0].shape, np.nan)
    for solver in solvers:
        left = solver.pair.c - solver.pair.slack(corner)
        count, _ = solver.fewest(np.maximum(left, 0.0))
        # One column moves in any case.
        lower = np.minimum(lower, np.where(left > 0, count, 1.0))
        lead = np.maximum(solver.pair.c, 0.0)
        _, step = solver.fewest(lead + np.clip(lead - left, 0.0, _BEYOND * lead))
        count = np.where(np.isnan(step).any(axis=1), np.inf, rows.norm.length(step))
        better = (count < fewest) & (solver.pair.c > 0)
        fewest[better], move[better] = count[better], step[better]
    return LocalProof(lower, move, np.zeros(n, dtype=np.int64))


def _corner(rows: ModelRows, box: tuple[FloatArray, FloatArray]) -> FloatArray:
    """Return how far the farthest corners of boxes are, at their prices, and a little more."""
    up, down = (1.0, 1.0) if rows.dearer is None else rows.dearer
    with np.errstate(invalid="ignore"):
        ends = np.maximum(np.abs(box[0]) * down, np.abs(box[1]) * up)
        return np.asarray(rows.norm.length(ends) * (1 + 1e-8))

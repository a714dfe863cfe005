"""The vote of the k nearest points, all of the same weight: distances by a search over voters."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.moves import LocalProof, ModelRows
from specreg_sklearn.certificates.neighbours._beating import Comparisons, Points
from specreg_sklearn.certificates.neighbours._cells import Cells
from specreg_sklearn.certificates.neighbours._joint_bounds import joint_bounds
from specreg_sklearn.certificates.neighbours._lost_votes import Voters
from specreg_sklearn.certificates.neighbours._vote_search import VoteSearch

# Roundings are counted within a radius: so many times the first guess, and ever more if nothing is
# found within it.
_WIDER, _WIDENINGS = 8.0, 4
_FARTHEST, _BEYOND = 1e9, 1 + 1e-6
# How many points of the own class the first guess looks at.
_OWN = 8


def majority_proof(
    points: Points,
    k: int,
    rows: ModelRows,
    own: IntArray,
    box: tuple[FloatArray, FloatArray],
    max_nodes: int,
) -> LocalProof:
    """Return the distances to where the k nearest points vote otherwise.

    Parameters
    ----------
    points : Points
        All points.
    k : int
        How many of them vote.
    rows : ModelRows
        The rows.
    own : ndarray of shape (n_rows,), int
        Their classes.
    box : tuple of two ndarray of shape (n_rows, n_moves)
        The moves that the space allows.
    max_nodes : int
        How much is searched for a row.
    """
    n, n_moves = len(rows), rows.slope.shape[1]
    lower, n_nodes = np.zeros(n), np.zeros(n, dtype=np.int64)
    move = np.full((n, n_moves), np.nan)
    everywhere = np.full(n_moves, -np.inf), np.full(n_moves, np.inf)
    for i in range(n):
        # Moves behind steps that mix cells have no box.
        low, high = (end[i] for end in box) if rows.exact else everywhere
        voters = Voters(points.label, int(own[i]), k)
        compare = Comparisons(points, rows, i)
        lower[i], step, n_nodes[i] = _row(compare, voters, low, high, max_nodes)
        if step is not None:
            move[i] = step
    return LocalProof(lower, move, n_nodes)


def _row(
    compare: Comparisons, voters: Voters, low: FloatArray, high: FloatArray, max_nodes: int
) -> tuple[float, FloatArray | None, int]:
    if not voters.lost_votes:
        return np.inf, None, 0
    # No move is longer than to the farthest corner.
    corner = compare.rows.norm.length(np.maximum(-low, high)[None])[0]
    farthest = min(float(corner) * _BEYOND, _FARTHEST, compare.rows.enough)
    radius = min(_WIDER * _first_guess(compare, voters, low, high), farthest)
    lower, step, n_nodes = 0.0, None, 0
    for _ in range(_WIDENINGS):
        cells = Cells(compare, low, high, radius)
        found = VoteSearch(cells, voters, radius, max_nodes - n_nodes).run()
        lower, step, n_nodes = max(lower, found.lower), found.move, n_nodes + cells.n_nodes
        if lower < radius * (1 - 1e-9) or n_nodes >= max_nodes or radius >= farthest:
            break
        radius = min(max(_WIDER * radius, _way_to_points(compare)), farthest)
    return lower, step, n_nodes


def _first_guess(compare: Comparisons, voters: Voters, low: FloatArray, high: FloatArray) -> float:
    """Return a length of the order of the distance."""
    mine = voters.mine[np.argsort(compare.power[voters.mine], kind="stable")]
    n_own = max(vote.n_own for vote in voters.lost_votes)
    n_others = min(vote.n_others for vote in voters.lost_votes)
    mine = mine[: n_own + _OWN]
    guess = 0.0
    if len(mine) > n_own:
        cells = Cells(compare, low, high, 0.0)
        each = joint_bounds(cells, cells.everywhere(), voters.others, mine)
        each = np.sort(each, axis=1)[:, len(mine) - 1 - n_own]
        guess = float(np.sort(each)[n_others - 1])
    return guess if guess > 0 else _way_to_points(compare)


def _way_to_points(compare: Comparisons) -> float:
    """Return the length of a move that is long enough to meet any point, if it can."""
    return float(compare.distance.max()) / max(compare.rows.stretch, 1e-300)

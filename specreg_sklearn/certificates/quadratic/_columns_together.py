"""Distances where columns change a lead together: a quadratic form that is not diagonal."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.moves import CheapestMoves, nearest_in_l2
from specreg_sklearn.certificates.quadratic._score_pair import ScorePair


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
        self.pair, self.low, self.high = pair, box[0], box[1]
        self.eigenvalues, self.vectors = np.linalg.eigh(pair.H)

    def cheapest(
        self,
        some: IntArray,
        c: FloatArray,
        enough: FloatArray,
        *,
        cap: FloatArray,
        most_nodes: IntArray,
    ) -> CheapestMoves:
        """Return bounds of the moves of some rows; see :meth:`ColumnsAlone.cheapest`."""
        g, H = self.pair.g[some], self.pair.H
        norm, n_moves = self.pair.rows.norm, H.shape[0]
        turned = np.einsum("ij,jk->ik", g, self.vectors)
        squared, steps = nearest_in_l2(c, turned, self.eigenvalues)
        lower, move = np.sqrt(squared), np.einsum("ij,kj->ik", steps, self.vectors)
        if norm.order == np.inf:
            worst = max(0.0, -float(self.eigenvalues.min(initial=0.0))) * n_moves
            straight = _first_root(c, np.abs(g).sum(axis=1), worst)
            lower = np.maximum(lower / np.sqrt(n_moves), straight)
        if norm.order == 1:
            falling = np.abs(H)
            np.fill_diagonal(falling, np.maximum(-np.diag(H), 0.0))
            worst = float(falling.max(initial=0.0))
            straight = _first_root(c, np.abs(g).max(axis=1, initial=0.0), worst)
            lower = np.maximum(lower, straight)
        missing = np.isnan(move).any(axis=1)
        cost = np.where(missing, np.inf, norm.length(np.nan_to_num(move)))
        return CheapestMoves(lower, cost, move, np.zeros(len(c), dtype=np.int64))

    def fewest(self, c: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return how many columns have to move: one in any case."""
        return np.ones(len(c)), np.full(self.low.shape, np.nan)


def _first_root(c: FloatArray, rate: FloatArray, curvature: float) -> FloatArray:
    """Return where ``c - rate r - curvature r^2`` falls to zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        root = 2 * c / (rate + np.sqrt(rate * rate + 4 * curvature * c))
    return np.where(c > 0, np.where(np.isnan(root), np.inf, root), 0.0) * (1 - 1e-12)

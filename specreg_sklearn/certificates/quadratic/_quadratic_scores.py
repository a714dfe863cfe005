"""Classes compared by quadratic scores: Gaussian naive Bayes and quadratic discriminants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.moves import LocalProof, ModelRows
from specreg_sklearn.certificates.quadratic._proof_of_class import proof_of_class
from specreg_sklearn.certificates.quadratic._score_pair import ScorePair

# Numbers held at once, in each of a few arrays.
_BLOCK = 2**17


@dataclass(frozen=True, eq=False)
class QuadraticScores:
    """Scores ``constant - |(x - mean) @ root|^2 / 2``, one for each class.

    Parameters
    ----------
    mean : list of ndarray of shape (n_inputs,)
        Centres of the classes.
    root : list of ndarray of shape (n_inputs, n_directions)
        Square roots of their precision matrices.
    constant : ndarray of shape (n_classes,)
        Scores at the centres.
    constant_size : ndarray of shape (n_classes,)
        Sums of the sizes of the terms that these are made of.
    diagonal : bool
        Whether all roots are diagonal.
    unit : float
        Unit roundoff of the fitted numbers: products are computed in the finer type.
    """

    mean: list[FloatArray]
    root: list[FloatArray]
    constant: FloatArray
    constant_size: FloatArray
    diagonal: bool
    unit: float

    def proof(
        self,
        rows: ModelRows,
        own: IntArray,
        box: tuple[FloatArray, FloatArray],
        max_nodes: int,
    ) -> LocalProof:
        """Return the distances to where another class has a larger score.

        Parameters
        ----------
        rows : ModelRows
            The rows.
        own : ndarray of shape (n_rows,), int
            Their classes.
        box : tuple of two ndarray of shape (n_rows, n_moves)
            The moves that the space allows.
        max_nodes : int
            How much is searched for a row, in nodes of a search for trees.
        """
        rows = rows.with_unit(min(rows.unit, self.unit))
        n, n_moves = len(rows), rows.slope.shape[1]
        lower, move = np.full(n, np.inf), np.full((n, n_moves), np.nan)
        n_nodes = np.zeros(n, dtype=np.int64)
        if not rows.exact:
            box = np.full((n, n_moves), -np.inf), np.full((n, n_moves), np.inf)
        size = max(1, _BLOCK // max(n_moves, 1))
        for k in np.unique(own).tolist():
            some = np.flatnonzero(own == k)
            others = [other for other in range(len(self.mean)) if other != k]
            for begin in range(0, len(some) if others else 0, size):
                part = some[begin : begin + size]
                mine = rows.take(part)
                pairs = [ScorePair(self, mine, k, other) for other in others]
                found = proof_of_class(mine, pairs, (box[0][part], box[1][part]), max_nodes)
                lower[part], move[part], n_nodes[part] = found
        return LocalProof(lower, move, n_nodes)

    def difference(
        self, rows: ModelRows, j: int, k: int, radius: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the least and the greatest score of class j less that of class k.

        Parameters
        ----------
        rows : ModelRows
            The rows.
        j, k : int
            Two classes.
        radius : ndarray of shape (n_rows,)
            How far each row moves at most.
        """
        return ScorePair(self, rows, j, k).ends(radius)

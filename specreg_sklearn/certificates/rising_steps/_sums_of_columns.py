"""Linear scores behind rising steps: sums of functions of single columns.

What a column can do for another class is known at growing distances. A row whose moves cost least
together takes one of these distances in every column, so that Lagrange's dual, in which every
column chooses by itself, bounds the distance from below: moves that are not all made by one column
are charged for all of them.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.linear import Lead, LinearProver
from specreg_sklearn.certificates.moves import model_rows
from specreg_sklearn.space import CleanRows, as_norm

# Halvings of the multiplier's logarithm, which lies within so many powers of e.
_HALVINGS, _WIDTH = 60, 80.0
_SAFETY = 1 - 1e-9


class SumsOfColumns:
    """Distances to other classes, where scores are sums of functions of the columns.

    Parameters
    ----------
    prover : LinearProver
        Of the model behind the steps.
    places : ndarray of shape (n_outputs,), int
        Of which movable column each output is a rising function.
    norm : {1, 2, inf}
        The norm of moves.
    """

    def __init__(self, prover: LinearProver, places: IntArray, norm: float) -> None:
        self.prover, self.norm = prover, norm
        self._of_column = np.eye(int(places.max()) + 1)[places]

    def covered(
        self, row: CleanRows, label: object, far: FloatArray, distances: FloatArray, reach: float
    ) -> tuple[float, FloatArray]:
        """Return how far a row keeps its class, and a move (n_columns,) that may end it.

        It keeps it at least up to that or up to the last of the distances, whichever is less. The
        move is in units of the space, 0 in all columns if none is known.

        Parameters
        ----------
        row : CleanRows
            One row behind the steps, where each output has the unit of its scale.
        label : object
            Its label.
        far : ndarray of shape (n_distances, 2, n_outputs)
            How far outputs move at most, upwards and downwards, for moves up to these distances.
        distances : ndarray of shape (n_distances,)
            In units of the space, rising.
        reach : float
            The length of the longest move behind the steps, in units of the scales.
        """
        read = model_rows(
            self.prover.estimator, row, 2, row.table.n_columns, sparse_rows=self.prover.sparse_rows
        )
        scores = self.prover.scores
        read = read.with_unit(min(read.unit, scores.unit))
        (own,) = np.flatnonzero(self.prover.classes == label)
        nearest = np.inf if read.exact else 0.0
        move, shortest = np.zeros(self._of_column.shape[1]), np.inf
        for other in range(len(scores.bias)):
            if other == own:
                continue
            lead = Lead(scores, read, int(own), other)
            if reach > lead.farthest[0]:
                return 0.0, move
            steps = far / row.scale
            up = np.maximum(lead.slope, 0.0) * steps[:, 0]
            down = np.maximum(-lead.slope, 0.0) * steps[:, 1]
            up, down = up @ self._of_column, down @ self._of_column
            left = float(lead.left(np.array([reach]))[0])
            least, chosen = self._least(np.maximum(up, down), distances, left)
            nearest = min(nearest, least)
            if chosen is None:
                continue
            every = np.arange(len(chosen))
            size = np.where(chosen > 0, distances[chosen], 0.0)
            length = float(as_norm(self.norm).length(size[None])[0])
            if length < shortest:
                shortest = length
                move = np.where(up[chosen, every] >= down[chosen, every], size, -size)
        return nearest * _SAFETY, move

    def _least(
        self, gain: FloatArray, distances: FloatArray, left: float
    ) -> tuple[float, IntArray | None]:
        """Return a bound of the least length of moves that gain so much together, and such a move.

        `gain`, of shape (n_distances, n_columns), is what each column gains up to a distance. The
        move is given by the place of a distance for each column, of which the first is none at all.
        """
        # What is gained up to a distance costs more than the one before.
        cost = np.append(0.0, distances[:-1])
        total = gain.sum(axis=1)
        if left <= 0:
            return 0.0, None
        if total[-1] < left:
            return np.inf, None
        if self.norm == np.inf:
            k = int(np.searchsorted(total, left))
            return float(cost[k]), np.full(gain.shape[1], k)
        cost = cost**self.norm
        low, high = -_WIDTH, _WIDTH
        best, cheapest, move = 0.0, np.inf, None
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            price = np.exp(middle)
            net = cost[:, None] - price * gain
            chosen = net.argmin(axis=0)
            best = max(best, price * left + float(net.min(axis=0).sum()))
            bought = float(np.take_along_axis(gain, chosen[None], axis=0).sum())
            low, high = (middle, high) if bought < left else (low, middle)
            if bought >= left and cost[chosen].sum() < cheapest:
                cheapest, move = float(cost[chosen].sum()), chosen
        return float(best ** (1 / self.norm)), move

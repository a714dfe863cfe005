"""Both ends of rows while a model is searched: what is proved, what is found, what is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from specreg_sklearn._typing import BoolArray, Classifier, FloatArray, IntArray
from specreg_sklearn.certificates.distances import (
    DistanceBounds,
    confirmed_witnesses,
    ends_meet,
)
from specreg_sklearn.certificates.gradients._room import farthest_corners, room_of
from specreg_sklearn.certificates.gradients._row_margins import RowMargins
from specreg_sklearn.certificates.gradients._witnesses import nearer_witnesses
from specreg_sklearn.certificates.pipelines import CertifiedModel
from specreg_sklearn.space import CleanRows

# How near two ends are, relative to the lower one, if there is nothing to narrow.
_NARROW = 0.01


def has_room(low: FloatArray, high: FloatArray) -> BoolArray:
    """Return between which radii a search may find more than it takes to narrow them."""
    return np.asarray(high > (1 + _NARROW) * low)


class RowSearch:
    """Rows, with the bounds of their distances as they are known so far.

    Parameters
    ----------
    estimator : estimator
        The classifier.
    model : CertifiedModel
        What is read off it.
    rows : CleanRows
        The rows.
    norm : {1, 2, inf}
        The norm of distances.
    known : ndarray of shape (n_rows, n_movable) or None
        Movable cells of rows with another label, as far as some are known.
    within : float or None
        Only whether distances are above this number is asked; None asks for the distances.

    Attributes
    ----------
    lower, upper : ndarray of shape (n_rows,)
        The bounds.
    witness : ndarray of shape (n_rows, n_movable)
        The rows with the upper distances.
    n_nodes : ndarray of shape (n_rows,), int
        How much was looked at.
    """

    def __init__(
        self,
        estimator: Classifier,
        model: CertifiedModel,
        rows: CleanRows,
        norm: float,
        known: FloatArray | None,
        within: float | None,
    ) -> None:
        self.rows, self.norm, self.room = rows, norm, room_of(rows)
        self.predict = estimator.predict
        self.seen = model.seen(rows, norm=norm)
        self.lower = model.radii_from(self.seen, norm=norm)
        self.witness, self.upper = confirmed_witnesses(
            self.predict, rows, self.seen.predicted, known, norm
        )
        self.n_nodes = np.zeros(len(rows), dtype=np.int64)
        self._asked = within
        self.within = np.inf if within is None else within

    def open_rows(self) -> IntArray:
        """Return the rows of which more should be known.

        Where arithmetic ends, or a known row is as near, there is nothing to search.
        """
        lower = self.lower
        is_open = (lower > 0) & (lower <= self.within)
        is_open &= has_room(lower, np.minimum(self.upper, self.seen.farthest))
        if self._asked is not None:
            is_open &= self.upper > self.within
        return np.flatnonzero(is_open)

    def look_for_rows(
        self,
        margins: Callable[[IntArray], RowMargins],
        starts: Sequence[FloatArray] | None = None,
    ) -> None:
        """Look for nearer rows by gradients, where rows are open.

        Parameters
        ----------
        margins : callable
            From positions of rows to their margins.
        starts : sequence of ndarray of shape (n_starts, n_movable), or None, default=None
            Moves of *each* row to begin with.
        """
        some = self.open_rows()
        if not len(some):
            return
        self.witness[some], self.upper[some] = nearer_witnesses(
            self.predict,
            self.rows.take(some),
            self.seen.predicted[some],
            margins(some),
            self.witness[some],
            self.upper[some],
            self.norm,
            self.seen.own.unit,
            None if starts is None else [starts[i] for i in some.tolist()],
        )
        self.n_nodes[some] += 1

    def raise_lower(self, some: IntArray, lower: FloatArray) -> None:
        """Take over what was proved of some rows, where it is more."""
        self.lower[some] = np.maximum(self.lower[some], lower)

    def bounds(self) -> DistanceBounds:
        """Return what is known."""
        # No row of the space is farther away than the farthest corner of its box.
        beyond = self.lower > farthest_corners(self.room, len(self.rows), self.norm)
        lower = np.where(beyond, np.inf, self.lower)
        return DistanceBounds(
            lower, self.upper, self.witness, ends_meet(lower, self.upper), self.n_nodes
        )

"""By how much the class of some rows leads the others, and what moves and roundings take away."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.moves import ModelRows
from specreg_sklearn.certificates.pipelines import LinearScores
from specreg_sklearn.space import L2

NOT_FINITE = (
    "The scores of some rows are NaN or infinite in float64: no radius can be proved. Scale the "
    "columns, or look for infinite weights."
)
_FLOAT64_UNIT = 2.0**-53
# Below the first float32 loses all digits, be it at once; sums of the other's size come near the
# end of its range, beyond which they are infinite or NaN.
_FLOAT32_TINY, _FLOAT32_TOO_LARGE = 2.0**-126, 2.0**100


class Lead:
    """The lead of one class over another.

    Parameters
    ----------
    scores : LinearScores
        All scores.
    rows : ModelRows
        Rows of the class `own`.
    own, other : int
        The classes.

    Attributes
    ----------
    gap : ndarray of shape (n_rows,)
        The lead, in scores.
    slope : ndarray of shape (n_moves,)
        What the other class gains by a move of length 1, or of price 1 where moves have prices.
    rate : float
        How much of the lead a move of length 1 can take away at most; 0 in L0.
    first : ndarray of shape (n_rows,)
        How far it is to where both are equal, without bounds and roundings; 0 in L0.
    still : ndarray of shape (n_rows,)
        What roundings may add to the difference of both scores where a row stands.
    per_unit : float
        What comes to that per unit of a move.
    farthest : ndarray of shape (n_rows,)
        Moves up to this length stay in the range of the model's arithmetic.
    """

    def __init__(self, scores: LinearScores, rows: ModelRows, own: int, other: int) -> None:
        self.blur = scores.blur
        weight, bias = scores.weight[[own, other]], scores.bias[[own, other]]
        # Of each score by itself, as the model computes them.
        with np.errstate(over="ignore", invalid="ignore"):
            both = rows.values @ weight.T + bias
        self.gap: FloatArray = both[:, 0] - both[:, 1]
        if not np.isfinite(self.gap).all():
            raise ValueError(NOT_FINITE)
        self.slope = rows.slopes(weight[1] - weight[0])
        if rows.dearer is not None:
            # It pays to move a column one way only.
            self.slope = self.slope / np.where(self.slope > 0, *rows.dearer)
        in_l0 = rows.norm.order == 0
        self.rate = 0.0 if in_l0 else float(rows.norm.dual.length(self.slope[None])[0])
        with np.errstate(divide="ignore", invalid="ignore"):
            far = np.zeros(len(rows)) if in_l0 else np.inf
            self.first = np.where(self.gap > 0, self.gap / self.rate if self.rate else far, 0.0)
        # No move is longer than its price. In L0, lengths for roundings are those in L2.
        lengths = rows.in_norm(L2.order) if in_l0 else rows
        self._roundings(weight, bias, lengths)

    def _roundings(self, weight: FloatArray, bias: FloatArray, rows: ModelRows) -> None:
        """Find `still`, `per_unit` and `farthest`."""
        steepest = np.linalg.norm(weight, axis=1)
        terms = np.abs(rows.values) @ np.abs(weight).T + np.abs(bias)
        terms += rows.error[:, None] * steepest
        speed = (rows.stretch + rows.growth) * steepest
        n_terms = weight.shape[1]
        # Our own float64, and the sums of the model.
        rounded = 4 * (n_terms + 8) * _FLOAT64_UNIT + 1.001 * (n_terms + 4) * rows.unit
        self.still = rounded * terms.sum(axis=1) + rows.error * steepest.sum()
        self.per_unit = float(rounded * speed.sum() + rows.growth * steepest.sum())
        self.farthest = np.full(len(rows), np.inf)
        if rows.unit > _FLOAT64_UNIT:
            self.still += 2 * (n_terms + 2) * _FLOAT32_TINY
            with np.errstate(divide="ignore", invalid="ignore"):
                room = (_FLOAT32_TOO_LARGE - terms) / speed
            farthest = np.where(terms < _FLOAT32_TOO_LARGE, room, 0.0)
            self.farthest = np.nan_to_num(farthest, nan=np.inf, posinf=np.inf).min(axis=1)

    def left(self, radius: FloatArray) -> FloatArray:
        """Return what moves up to a length have to gain at least, whatever the roundings."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.gap - self.still - self.per_unit * radius - self.blur)

    def near(self) -> FloatArray:
        """Return a distance within which the lead lasts, where scores cancel.

        They lose all digits on the way to the boundary: what is left of the lead then shrinks by
        the slope and by the roundings, at every distance.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            left = np.maximum(self.gap - self.still - self.blur, 0.0)
            near = left / (self.rate + self.per_unit) * (1 - 1e-12)
        return np.nan_to_num(near, nan=0.0, posinf=np.inf)

"""The log loss of rows whose logits are raised by what the worst move can do."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.estimators.robust_logistic._class_pairs import ClassPairs
from specreg_sklearn.estimators.robust_logistic._sorted_rows import SortedRows


class RaisedLoss(ABC):
    """Weighted mean of ``log sum_j exp(z_j - z_y + reach_yj)`` over sorted rows.

    `scores` (n_scores, n_samples) are the logits z, or for two classes the second logit minus the
    first. `reach` (n_pairs,) is how far the worst move widens the gap of a pair of classes: for
    two classes this is exact, for more every pair gets its own worst move.

    :meth:`move_to` sets the point that the other attributes and methods belong to.

    Attributes
    ----------
    value : float
        The loss.
    slope : ndarray of shape (n_scores, n_samples)
        Gradient in the scores.
    reach_slope : ndarray of shape (n_pairs,)
        Gradient in the reach; never negative.
    """

    value: float
    slope: FloatArray
    reach_slope: FloatArray

    def __init__(self, rows: SortedRows, pairs: ClassPairs, *, moves: bool) -> None:
        self._rows, self._pairs, self._moves = rows, pairs, moves

    @abstractmethod
    def evaluate(self, scores: FloatArray, reach: FloatArray) -> float:
        """Return the loss at a point, and stay where we are."""

    @abstractmethod
    def move_to(self, scores: FloatArray, reach: FloatArray) -> None:
        """Set the point."""

    @abstractmethod
    def bend(
        self, scores: FloatArray, reach: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the Hessian times a direction, whose `scores` are overwritten.

        The parts are those by the scores, by the reach, and by the intercepts: the sums of the
        first over rows.
        """

    @abstractmethod
    def curvature(self) -> tuple[FloatArray, FloatArray]:
        """Return the Hessian in the intercepts, and how much every row bends."""


class TwoClassLoss(RaisedLoss):
    """One score: ``log(1 + exp(reach -+ score))``."""

    def __init__(self, rows: SortedRows, pairs: ClassPairs, *, moves: bool) -> None:
        super().__init__(rows, pairs, moves=moves)
        self._sign = np.ones(rows.n_samples)
        self._first = int(rows.starts[1])
        self._sign[: self._first] = -1

    def _exponent(self, scores: FloatArray, reach: FloatArray) -> FloatArray:
        return reach[0] - self._sign * scores[0]

    def evaluate(self, scores: FloatArray, reach: FloatArray) -> float:
        """Return the loss at a point; see :meth:`RaisedLoss.evaluate`."""
        exponent = self._exponent(scores, reach)
        return float(self._rows.weights @ _softplus(exponent, np.exp(-np.abs(exponent))))

    def move_to(self, scores: FloatArray, reach: FloatArray) -> None:
        """Set the point; see :meth:`RaisedLoss.move_to`."""
        exponent, weights = self._exponent(scores, reach), self._rows.weights
        small = np.exp(-np.abs(exponent))
        self.value = float(weights @ _softplus(exponent, small))
        rest = 1 / (1 + small)
        wrong = weights * np.where(exponent > 0, rest, small * rest)
        self.slope = -(self._sign * wrong)[None]
        self.reach_slope = np.array([wrong.sum()])
        self._curvature = weights * small * rest * rest

    def bend(
        self, scores: FloatArray, reach: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the Hessian times a direction; see :meth:`RaisedLoss.bend`."""
        first, second = scores[0, : self._first], scores[0, self._first :]
        first += reach[0]
        second -= reach[0]
        scores[0] *= self._curvature
        of_first, of_second = first.sum(), second.sum()
        return scores, np.array([of_first - of_second]), np.array([of_first + of_second])

    def curvature(self) -> tuple[FloatArray, FloatArray]:
        """Return what bends; see :meth:`RaisedLoss.curvature`."""
        return np.array([[self._curvature.sum()]]), self._curvature


class ManyClassLoss(RaisedLoss):
    """One score per class."""

    def __init__(self, rows: SortedRows, pairs: ClassPairs, *, moves: bool) -> None:
        super().__init__(rows, pairs, moves=moves)
        counts = np.diff([*rows.starts, rows.n_samples])
        self._codes = np.repeat(np.arange(len(counts)), counts)
        self._order = np.arange(rows.n_samples)
        self._slices = rows.slices
        self._buffer = np.empty((len(counts), rows.n_samples))

    def _raise(self, scores: FloatArray, reach: FloatArray) -> None:
        if not self._moves:
            return
        table = self._pairs.symmetric(reach)
        for column, rows in zip(table.T, self._slices, strict=True):
            scores[:, rows] += column[:, None]

    def _class_sums(self, scores: FloatArray) -> FloatArray:
        """Return sums over the rows of each class, of shape (n_scores, n_classes)."""
        return np.add.reduceat(scores, self._rows.starts, axis=1)

    def _shares(self, scores: FloatArray, reach: FloatArray) -> tuple[float, FloatArray]:
        share = scores.copy()
        own = scores[self._codes, self._order]
        self._raise(share, reach)
        top = share.max(axis=0)
        share -= top
        np.exp(share, out=share)
        total = share.sum(axis=0)
        value = self._rows.weights @ (np.log(total) + top - own)
        return float(value), np.divide(share, total, out=share)

    def evaluate(self, scores: FloatArray, reach: FloatArray) -> float:
        """Return the loss at a point; see :meth:`RaisedLoss.evaluate`."""
        return self._shares(scores, reach)[0]

    def move_to(self, scores: FloatArray, reach: FloatArray) -> None:
        """Set the point; see :meth:`RaisedLoss.move_to`."""
        self.value, self._share = self._shares(scores, reach)
        self._weighted = self._share * self._rows.weights
        masses = self._class_sums(self._weighted)
        self.reach_slope = self._pairs.both_ways(masses)
        self.slope = self._weighted.copy()
        self.slope[self._codes, self._order] -= self._rows.weights

    def bend(
        self, scores: FloatArray, reach: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the Hessian times a direction; see :meth:`RaisedLoss.bend`."""
        self._raise(scores, reach)
        bent = np.multiply(self._weighted, scores, out=self._buffer)
        np.multiply(self._share, bent.sum(axis=0), out=scores)
        bent -= scores
        if not self._moves:
            return bent, reach, bent.sum(axis=1)
        sums = self._class_sums(bent)
        return bent, self._pairs.both_ways(sums), sums.sum(axis=1)

    def curvature(self) -> tuple[FloatArray, FloatArray]:
        """Return what bends; see :meth:`RaisedLoss.curvature`."""
        mixed = self._weighted @ self._share.T
        hessian = np.diag(self._weighted.sum(axis=1)) - (mixed + mixed.T) / 2
        together = np.einsum("kn,kn->n", self._weighted, self._share)
        return hessian, np.maximum(self._rows.weights - together, 0)


def _softplus(exponent: FloatArray, small: FloatArray) -> FloatArray:
    """Return log(1 + exp(exponent)), given ``exp(-abs(exponent))``."""
    return np.maximum(exponent, 0) + np.log1p(small)

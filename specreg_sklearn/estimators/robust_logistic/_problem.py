"""The convex problem of the probe: objective, gradient, curvature, and a bound of its minimum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.estimators.robust_logistic._class_pairs import ClassPairs
from specreg_sklearn.estimators.robust_logistic._dual_norm import DualNorm, NoMoves
from specreg_sklearn.estimators.robust_logistic._dual_norms import DUAL_NORMS
from specreg_sklearn.estimators.robust_logistic._losses import (
    ManyClassLoss,
    RaisedLoss,
    TwoClassLoss,
)
from specreg_sklearn.estimators.robust_logistic._preconditioners import (
    Inverse,
    column_inverse,
    shared_inverse,
)
from specreg_sklearn.estimators.robust_logistic._sorted_rows import SortedRows, sorted_rows

_MOST_INTERCEPT_STEPS = 50
# What sums of a size may be off by, as a part of it.
_ROUNDING = 16 * np.finfo(np.float64).eps


class Problem:
    """``sum of weights * log sum_j exp(z_j - z_y + epsilon |w_j - w_y|) + alpha * sum of w ** 2``.

    For two classes the coefficients are those of the second class against the first, one row of
    them; else there is one row for each class. :meth:`move_to` sets the point that the other
    attributes and methods belong to; the dual norm has rounded kinks there.

    Attributes
    ----------
    value : float
        The rounded objective.
    slope, intercept_slope : ndarray of shape (n_scores, n_features) and (n_scores,)
        Its gradient.
    """

    value: float
    slope: FloatArray
    intercept_slope: FloatArray

    def __init__(
        self, rows: SortedRows, *, epsilon: float, norm: float, alpha: float, fit_intercept: bool
    ) -> None:
        self.rows, self.epsilon, self.norm, self.alpha = rows, float(epsilon), norm, float(alpha)
        self.fit_intercept = fit_intercept
        n_classes = len(rows.starts)
        self.pairs = ClassPairs(n_classes)
        self.shape = (self.pairs.n_scores, rows.n_features)
        loss: type[RaisedLoss] = TwoClassLoss if n_classes == 2 else ManyClassLoss
        self.loss = loss(rows, self.pairs, moves=self.epsilon > 0)
        # One width for all columns would break raw ones; a norm without parts has only one.
        unit = 1 / rows.spread
        if norm != math.inf:
            unit = np.full(1, 1 / np.sqrt(np.mean(rows.spread**2)))
        dual = DUAL_NORMS[norm] if self.epsilon > 0 else NoMoves
        self.dual: DualNorm = dual(self.pairs, unit)

    def on_part_of_the_rows(self, n_samples: int) -> Problem:
        """Return the problem on a subset of the rows, whose solution is near."""
        return Problem(
            self.rows.subset(n_samples),
            epsilon=self.epsilon,
            norm=self.norm,
            alpha=self.alpha,
            fit_intercept=self.fit_intercept,
        )

    def first_intercept(self) -> FloatArray:
        """Return the intercepts that are best where no feature is looked at."""
        logs = np.log([self.rows.weights[rows].sum() for rows in self.rows.slices])
        if not self.fit_intercept:
            return np.zeros(self.shape[0])
        return logs[1:] - logs[:1] if len(logs) == 2 else logs - logs.mean()

    def in_user_units(
        self, coef: FloatArray, intercept: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return coefficients and intercepts for rows as the user has them."""
        if self.rows.basis is not None:
            coef = coef @ self.rows.basis
        if not self.fit_intercept:
            return coef, intercept
        intercept = intercept - coef @ self.rows.centre
        # Only differences of intercepts matter: let them sum to zero, as scikit-learn's do.
        return coef, intercept if len(coef) == 1 else intercept - intercept.mean()

    def from_user_units(
        self, coef: FloatArray, intercept: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Invert :meth:`in_user_units`."""
        coef, intercept = coef.astype(np.float64), intercept.astype(np.float64)
        if self.fit_intercept:
            intercept = intercept + coef @ self.rows.centre
        return coef if self.rows.basis is None else coef @ self.rows.basis.T, intercept

    def scores(self, coef: FloatArray, intercept: FloatArray) -> FloatArray:
        """Return scores of shape (n_scores, n_samples)."""
        return self.rows.times(coef) + intercept[:, None]

    def evaluate(self, coef: FloatArray, scores: FloatArray, width: float) -> float:
        """Return the rounded objective at a point, and stay where we are."""
        reach = self.epsilon * self.dual.evaluate(coef, width)
        return self.loss.evaluate(scores, reach) + self.alpha * _square(coef)

    def move_to(self, coef: FloatArray, scores: FloatArray, width: float) -> None:
        """Set the point, and the width of the kinks."""
        self._coef, self._scores = coef, scores
        self.dual.move_to(coef, width)
        loss = self.loss
        loss.move_to(scores, self.epsilon * self.dual.value)
        self._masses = self.epsilon * loss.reach_slope
        self._data_slope = self.rows.gather(loss.slope)
        self._free_slope = self._data_slope + self.dual.slope(self._masses)
        self.slope = self._free_slope + 2 * self.alpha * coef
        self.intercept_slope = loss.slope.sum(axis=1) if self.fit_intercept else _none(self.shape)
        self.value = loss.value + self.alpha * _square(coef)

    def lower_bound(self) -> float:
        """Return a number that no coefficients can go below, if the intercepts are the best ones.

        The shares p of the classes and the gradient u of the rounded norm are feasible points of
        the dual problem: ``logsumexp(v) >= p v + H(p)`` and ``|w| >= u w``, which leaves a
        quadratic in the coefficients. Where the intercepts are not the best ones, this bounds what
        the coefficients alone can reach, to first order in the intercepts.
        """
        if self.alpha == 0:
            return -math.inf
        # The entropy of the shares, without another pass over the rows.
        linear = float(np.vdot(self._data_slope, self._coef))
        entropy = self.loss.value - linear - float(self._masses @ self.dual.value)
        bound = entropy - _square(self._free_slope) / (4 * self.alpha)
        summed = self.value + float((np.abs(self._coef) @ self.rows.spread).sum())
        return bound - _ROUNDING * summed

    def true_value(self, *, exact: bool = True) -> float:
        """Return the objective with the kinks as they are, or estimate it to first order."""
        if exact:
            loss = self.loss.evaluate(self._scores, self.epsilon * self.dual.exact)
            return loss + self.alpha * _square(self._coef)
        return self.value + float(self._masses @ (self.dual.exact - self.dual.value))

    def slack(self) -> float:
        """Return what the rounding of the kinks still costs."""
        return float(self._masses @ self.dual.missing)

    def best_intercepts(self, intercept: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the best intercepts for the coefficients of this point, and their scores.

        The point moves with them, the slopes in the coefficients do not.
        """
        scores, reach = self._scores, self.epsilon * self.dual.value
        if not self.fit_intercept:
            return intercept, scores
        loss, before = self.loss, math.inf
        for _ in range(_MOST_INTERCEPT_STEPS):
            slope = loss.slope.sum(axis=1)
            size = float(np.abs(slope).max())
            if not size < 0.5 * before or size == 0:
                break
            before = size
            step = -_inverse(loss.curvature()[0]) @ slope
            intercept, scores = intercept + step, scores + step[:, None]
            loss.move_to(scores, reach)
        return intercept, scores

    def prepare(self) -> tuple[Inverse, FloatArray]:
        """Set what :meth:`bend` needs; return approximate inverses of the curvature.

        The first is for slopes in the coefficients, the second is a matrix for those in the
        intercepts.
        """
        self.dual.weigh(self._masses)
        between, bends = self.loss.curvature()
        squares = self.rows.mean_squares(bends) if bends.any() else self.rows.spread**2
        # The sums of the rows of `between` vanish, and without a penalty nothing else holds them.
        least = max(2 * self.alpha, 1e-12 * float(np.trace(between)) * float(squares.max()))
        ridge = self.pairs.laplacian(self.dual.diagonal())
        if ridge.ndim == 2:  # so does a Laplacian's mean, up to rounding
            least = max(least, 1e-12 * float(np.trace(ridge)))
        ridge = ridge + least * np.eye(self.shape[0])
        invert = shared_inverse if ridge.ndim == 2 else column_inverse
        return invert(between, squares, ridge), _inverse(between)

    def bend(
        self, coef: FloatArray, intercept: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the curvature times a direction: in coefficients and intercepts, and its scores.

        Two products with the rows, as many as a gradient takes.
        """
        along = self.rows.times(coef)
        if self.fit_intercept:
            along += intercept[:, None]
        reach = self.epsilon * self.dual.direction(coef)
        bent, masses, sums = self.loss.bend(along.copy(), reach)
        of_coef = self.rows.gather(bent) + 2 * self.alpha * coef
        of_coef += self.dual.bend(coef, self.epsilon * masses)
        return of_coef, sums if self.fit_intercept else _none(self.shape), along


def probe_problem(
    X: Any,
    codes: IntArray,
    weights: FloatArray,
    *,
    epsilon: float,
    norm: float,
    alpha: float,
    fit_intercept: bool,
) -> Problem:
    """Return the problem for rows in any order; see :class:`Problem`."""
    turns = epsilon == 0 or norm == 2  # what no rotation changes
    rows = sorted_rows(X, codes, weights, centred=fit_intercept, rotated=turns)
    return Problem(rows, epsilon=epsilon, norm=norm, alpha=alpha, fit_intercept=fit_intercept)


def _inverse(between: FloatArray) -> FloatArray:
    """Invert a curvature in the intercepts, which all of them together do not feel."""
    return np.asarray(np.linalg.pinv(between, rcond=1e-12, hermitian=True), dtype=np.float64)


def _square(coef: FloatArray) -> float:
    return float(np.vdot(coef, coef))


def _none(shape: tuple[int, int]) -> FloatArray:
    return np.zeros(shape[0])

"""What each column is worth: a linear guess at the model, learned from its answers.

The guess only orders what is asked; nothing else depends on it. It begins as a logistic regression
of what the model says about the rows of data, which costs no query. From then on each row learns
its own from its answers, as a Bayesian probit regression with independent weights (Graepel,
Candela, Borchert and Herbrich, "Web-scale Bayesian click-through rate prediction for sponsored
search advertising", ICML 2010): weights that were never needed to explain an answer stay uncertain.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr
from sklearn.linear_model import LogisticRegression

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.questions import SearchTask, stream
from specreg_sklearn.tables import rank_within

_RIDGE = 1.0
# With more columns the regression costs more than it brings.
_MOST_COLUMNS = 1000
# In units of what a column of a first minimal move is worth on average: variances of weights at
# first, at least and at most, of the constant, and of an answer; and by how much that move fools.
_WEIGHT_VARIANCE, _MOST_VARIANCE, _CONSTANT_VARIANCE, _NOISE = 0.1, 1.0, 0.3, 0.1
_MARGIN = 0.5
# Answers that lie so many deviations on the expected side teach nothing; none counts as more
# surprising than the second number.
_SURE, _MOST_RATIO = 2.5, 6.0
_PAIR_DRAW = 2**51


class Gains:
    """The guesses of all rows: how far each column upwards and downwards fools the model.

    Attributes
    ----------
    weights : ndarray of shape (n, 2 * d)
        What a typical step is worth, upwards in the first d columns, downwards in the others.
    typical : ndarray of shape (2 * d,)
        How many units a typical step has: the mean difference of two rows of data that differ. 1
        for flags.
    """

    def __init__(self, task: SearchTask, unit: FloatArray) -> None:
        n, d = task.x.shape
        self.weights = np.zeros((n, 2 * d))
        self.typical = np.ones(2 * d)
        self._variance = np.full((n, 2 * d), _WEIGHT_VARIANCE)
        self._constant, self._constant_variance = np.zeros(n), np.full(n, _CONSTANT_VARIANCE)
        self._anchored = np.zeros(n, dtype=bool)
        if task.pool is None or len(task.pool.x) < 2:
            return
        X, codes = task.pool.x, task.pool.codes
        order = stream(task.seed, _PAIR_DRAW).permutation(len(X))
        gap = np.abs(X[order] - X[np.roll(order, 1)]) / unit
        differ = np.count_nonzero(gap, axis=0)
        typical = np.where(differ > 0, gap.sum(axis=0) / np.maximum(differ, 1), 1.0)
        self.typical = np.tile(typical, 2)
        for code in np.unique(task.oracle.labels).tolist():
            slopes, variances = regressed(X, (codes == code) == task.oracle.targeted)
            worth, rows = slopes * unit * typical, task.oracle.labels == code
            self.weights[rows] = np.concatenate([worth, -worth])
            self._variance[rows] = np.tile(variances * (unit * typical) ** 2, 2)

    def of(self, M: FloatArray, owner: IntArray) -> FloatArray:
        """Return what each column of moves (m, d) is worth."""
        d = M.shape[1]
        per_unit = self.weights[owner] / self.typical
        return np.asarray(np.where(M > 0, per_unit[:, :d], per_unit[:, d:]) * np.abs(M))

    def drawn(self, rows: IntArray, luck: FloatArray) -> FloatArray:
        """Return weights, (r, k, 2 * d), that are off by `luck`, (k, 2 * d), in deviations."""
        return np.asarray(
            self.weights[rows][:, None] + luck * np.sqrt(self._variance[rows])[:, None]
        )

    def anchor(self, M: FloatArray, owner: IntArray) -> None:
        """Measure weights by moves that just fool the model, one for each row."""
        new = ~self._anchored[owner]
        M, owner = M[new], owner[new]
        worth = self.of(M, owner).sum(axis=1)
        mean = worth / np.maximum(np.count_nonzero(M, axis=1), 1)
        mean = np.where(mean > 0, mean, np.inf)
        self.weights[owner] /= mean[:, None]
        variance = np.minimum(self._variance[owner] / mean[:, None] ** 2, _MOST_VARIANCE)
        self._variance[owner] = np.maximum(variance, _WEIGHT_VARIANCE)
        self._constant[owner] = _MARGIN - worth / mean
        self._anchored[owner] = True

    def learn(self, M: FloatArray, owner: IntArray, fooled: BoolArray) -> None:
        """Learn from answers; those of a row in their order."""
        some = np.flatnonzero(self._anchored[owner])
        M, owner = M[some], owner[some]
        sign = np.where(fooled[some], 1.0, -1.0)
        features = np.concatenate([np.maximum(M, 0), np.maximum(-M, 0)], axis=1) / self.typical
        # What was sure to come teaches nothing.
        doubt = sign * self._margin(features, owner) < _SURE * np.sqrt(
            self._spread(features, owner)
        )
        kept = np.flatnonzero(doubt)
        place = rank_within((owner[kept],))
        for k in range(int(place.max(initial=-1)) + 1):
            self._update(*(a[kept[place == k]] for a in (features, sign, owner)))

    def _margin(self, features: FloatArray, owner: IntArray) -> FloatArray:
        worth = np.einsum("ij,ij->i", self.weights[owner], features)
        return np.asarray(worth + self._constant[owner])

    def _spread(self, features: FloatArray, owner: IntArray) -> FloatArray:
        spread = np.einsum("ij,ij,ij->i", self._variance[owner], features, features)
        return np.asarray(spread + self._constant_variance[owner] + _NOISE)

    def _update(self, features: FloatArray, sign: FloatArray, owner: IntArray) -> None:
        """Learn one answer each of several rows."""
        total = self._spread(features, owner)
        spread = np.sqrt(total)
        ratio = np.clip(sign * self._margin(features, owner) / spread, -_MOST_RATIO, None)
        hazard = np.exp(-(ratio**2) / 2 - log_ndtr(ratio)) / np.sqrt(2 * np.pi)
        step = sign * hazard / spread
        shrink = hazard * (hazard + ratio) / total
        change = self._variance[owner] * features
        self.weights[owner] += step[:, None] * change
        self._variance[owner] -= shrink[:, None] * change**2
        self._constant[owner] += step * self._constant_variance[owner]
        self._constant_variance[owner] -= shrink * self._constant_variance[owner] ** 2


def regressed(X: FloatArray, wrong: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return slopes, per coordinate, of a regression of `wrong` on data, and their variances."""
    deviation = X.std(axis=0)
    varies = np.flatnonzero(deviation > 0)
    slopes, variances = np.zeros(X.shape[1]), np.full(X.shape[1], np.inf)
    if len(varies) > _MOST_COLUMNS or wrong.all() or not wrong.any():
        return slopes, variances
    A = (X[:, varies] - X[:, varies].mean(axis=0)) / deviation[varies]
    fit = LogisticRegression(C=1 / _RIDGE, solver="newton-cholesky", tol=1e-8).fit(A, wrong)
    likely = fit.predict_proba(A)[:, 1]
    curvature = A.T @ (A * (likely * (1 - likely))[:, None]) + _RIDGE * np.eye(len(varies))
    # Columns that say the same are worth the same, whatever the last digits are.
    slopes[varies] = np.round(fit.coef_[0], 6) / deviation[varies]
    variances[varies] = np.diag(np.linalg.inv(curvature)) / deviation[varies] ** 2
    return slopes, variances

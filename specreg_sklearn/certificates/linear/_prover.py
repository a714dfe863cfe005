"""Exact distances of classifiers with linear scores: the nearest of a few half-spaces."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.distances import register_distance_prover
from specreg_sklearn.certificates.moves import LocalProof, ModelRows, MoveProver, shortest_move
from specreg_sklearn.certificates.pipelines import LinearScores, linear_scores

_LARGEST = 1e12


class LinearProver(MoveProver):
    """Half-spaces where another class has a score as large as that of the row's class.

    Parameters
    ----------
    estimator : estimator
        The fitted classifier, alone, in a search, or at the end of a pipeline.

    Raises
    ------
    NoCertificateError
        If its scores are not linear.
    """

    name = "linear"

    def __init__(self, estimator: Any) -> None:
        super().__init__(estimator)
        scores = linear_scores(self.last)
        if len(scores.bias) == 1:
            # A score that is positive for the second class is one above a score of zero.
            weight = np.vstack([0 * scores.weight, scores.weight])
            scores = LinearScores(weight, np.append(0.0, scores.bias), scores.blur)
        self.scores = scores

    def local_proof(
        self, rows: ModelRows, own: IntArray, box: tuple[FloatArray, FloatArray], max_nodes: int
    ) -> LocalProof:
        """Return exact distances, inside the box of the space."""
        n, n_moves = len(rows), rows.slope.shape[1]
        lower, move = np.full(n, np.inf), np.full((n, n_moves), np.nan)
        for k in np.unique(own).tolist():
            some = np.flatnonzero(own == k)
            part = rows.take(some)
            low, high = (end[some] for end in box)
            length = np.full(len(some), np.inf)
            for other in range(len(self.scores.bias)):
                if other != k:
                    bound, step = self._pair(part, k, other, low, high)
                    lower[some] = np.minimum(lower[some], bound)
                    size = rows.norm.length(np.nan_to_num(step))
                    size[np.isnan(step).any(axis=1)] = np.inf
                    nearer = size < length
                    length[nearer] = size[nearer]
                    move[some[nearer]] = step[nearer]
        return LocalProof(lower, move, np.zeros(n, dtype=np.int64))

    def _pair(
        self, rows: ModelRows, own: int, other: int, low: FloatArray, high: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return bounds of the distances to where one class beats another, and moves there."""
        weight, bias, blur = self.scores
        direction = weight[other] - weight[own]
        # Of each score by itself, as the model computes them.
        both = rows.values @ weight[[own, other]].T + bias[[own, other]]
        gap = both[:, 0] - both[:, 1]
        G = rows.slopes(direction)
        rate = float(rows.norm.dual.length(G[None])[0])
        with np.errstate(divide="ignore", invalid="ignore"):
            first = np.where(gap > 0, gap / rate if rate else np.inf, 0.0)
        slack = self._slack(rows, own, other, np.minimum(first, _LARGEST)) + blur
        unbound = np.where(gap > slack, (gap - slack) / rate if rate else np.inf, 0.0)
        lower = unbound * (1 - 1e-12)
        straight = _towards(G, gap, rows.norm.order)
        move = np.where((gap > 0)[:, None], straight, np.nan)
        outside = ((move < low) | (move > high)).any(axis=1) & rows.exact & (gap > slack)
        for i in np.flatnonzero(outside).tolist():
            # Bounds of the space stand in the way: roundings are counted twice as far as needed.
            far = shortest_move(
                G[None], gap[i : i + 1], np.zeros(1), rows.norm, low=low[i], high=high[i]
            ).lower
            wide = min(2 * far, _LARGEST)
            again = self._slack(rows.take(slice(i, i + 1)), own, other, np.array([wide])) + blur
            found = shortest_move(
                G[None], gap[i : i + 1], again, rows.norm, low=low[i], high=high[i]
            )
            lower[i] = max(lower[i], min(found.lower, wide))
            move[i] = np.nan if found.move is None else found.move
        return lower, move

    def _slack(self, rows: ModelRows, own: int, other: int, radius: FloatArray) -> FloatArray:
        """Return what rounding may add to the difference of two scores within a radius."""
        weight, bias, _ = self.scores
        size = np.abs(weight[[own, other]])
        reach = rows.stretch * radius + rows.error + rows.growth * radius
        steepest = np.linalg.norm(weight[[own, other]], axis=1)
        terms = (
            np.abs(rows.values) @ size.T + np.abs(bias[[own, other]]) + reach[:, None] * steepest
        )
        rounded = 4 * (weight.shape[1] + 8) * rows.unit * terms.sum(axis=1)
        drift = (rows.error + rows.growth * radius) * steepest.sum()
        return np.asarray(rounded + drift)


def _towards(g: FloatArray, gap: FloatArray, order: float) -> FloatArray:
    """Return the shortest moves along which a linear function grows by the gaps."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if order == 2:
            return np.asarray(gap[:, None] * g / (g @ g))
        if order == np.inf:
            return np.asarray(gap[:, None] * np.sign(g) / np.abs(g).sum())
        j = int(np.abs(g).argmax())
        out = np.zeros((len(gap), len(g)))
        out[:, j] = gap / g[j]
        return out


@register_distance_prover(
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.linear_model._logistic.LogisticRegressionCV",
    "sklearn.linear_model._passive_aggressive.PassiveAggressiveClassifier",
    "sklearn.linear_model._perceptron.Perceptron",
    "sklearn.linear_model._ridge.RidgeClassifier",
    "sklearn.linear_model._ridge.RidgeClassifierCV",
    "sklearn.linear_model._stochastic_gradient.SGDClassifier",
    "sklearn.naive_bayes.ComplementNB",
    "sklearn.naive_bayes.MultinomialNB",
    "sklearn.semi_supervised._self_training.SelfTrainingClassifier",
    "sklearn.svm._classes.LinearSVC",
)
def prove_linear(estimator: Any, X: Any) -> LinearProver:
    """Return the proof of a classifier with linear scores."""
    return LinearProver(estimator)

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
            others = [other for other in range(len(self.scores.bias)) if other != k]
            gaps = [self._gap(part, k, other) for other in others]
            if not gaps:
                continue
            # Roundings count within what is claimed: no farther than the nearest class.
            radius = np.minimum(np.min([first for first, _, _ in gaps], axis=0), _LARGEST)
            for i, row in enumerate(some.tolist()):
                ends = (box[0][row], box[1][row]) if rows.exact else _open(n_moves)
                lower[row], step = self._row(part, i, k, others, gaps, float(radius[i]), ends)
                if step is not None:
                    move[row] = step
        return LocalProof(lower, move, np.zeros(n, dtype=np.int64))

    def _gap(
        self, rows: ModelRows, own: int, other: int
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return distances without box and rounding, leads of the own class, and their slopes."""
        weight, bias, _ = self.scores
        # Of each score by itself, as the model computes them.
        both = rows.values @ weight[[own, other]].T + bias[[own, other]]
        gap = both[:, 0] - both[:, 1]
        slope = rows.slopes(weight[other] - weight[own])
        rate = float(rows.norm.dual.length(slope[None])[0])
        with np.errstate(divide="ignore", invalid="ignore"):
            first = np.where(gap > 0, gap / rate if rate else np.inf, 0.0)
        return first, gap, slope

    def _row(
        self,
        rows: ModelRows,
        i: int,
        own: int,
        others: list[int],
        gaps: list[tuple[FloatArray, FloatArray, FloatArray]],
        radius: float,
        box: tuple[FloatArray, FloatArray],
    ) -> tuple[float, FloatArray | None]:
        """Return the distance of one row, and the shortest move."""
        one = rows.take(slice(i, i + 1))
        while True:
            lower, step, length = np.inf, None, np.inf
            for other, (first, gap, slope) in zip(others, gaps, strict=True):
                if first[i] >= length:
                    continue
                slack = self._slack(one, own, other, np.array([radius])) + self.scores.blur
                found = shortest_move(
                    slope[None], gap[i : i + 1], slack, rows.norm, low=box[0], high=box[1]
                )
                lower = min(lower, found.lower)
                if found.move is not None:
                    size = float(rows.norm.length(found.move[None])[0])
                    if size < length:
                        length, step = size, found.move
            if lower <= radius or radius >= _LARGEST or radius == 0:
                return min(lower, radius), step
            # Bounds of the space stand in the way: roundings are counted farther out.
            radius = min(8 * radius, _LARGEST)

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


def _open(n_moves: int) -> tuple[FloatArray, FloatArray]:
    """Return a box without ends: moves behind steps that mix cells have no box."""
    return np.full(n_moves, -np.inf), np.full(n_moves, np.inf)


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

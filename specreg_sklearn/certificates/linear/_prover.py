"""Exact distances of classifiers with linear scores: the nearest of a few half-spaces."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn._typing import Classifier, FloatArray, IntArray
from specreg_sklearn.certificates.distances import (
    DEFAULT_MAX_NODES,
    DistanceBounds,
    LipschitzProver,
    ends_meet,
    register_distance_prover,
)
from specreg_sklearn.certificates.linear._half_space import nearest_in_half_space
from specreg_sklearn.certificates.moves import LocalProof, ModelRows, MoveProver
from specreg_sklearn.certificates.pipelines import LinearScores, NoCertificateError, linear_scores
from specreg_sklearn.space import CleanRows

_LARGEST = 1e12
_NOT_FINITE = (
    "The scores of some rows are NaN or infinite in float64: no radius can be proved. Scale the "
    "columns, or look for infinite weights."
)
_FLOAT64_UNIT = 2.0**-53
# Below the first float32 loses all digits, be it at once; sums of the other's size come near the
# end of its range, beyond which they are infinite or NaN.
_FLOAT32_TINY, _FLOAT32_TOO_LARGE = 2.0**-126, 2.0**100
# Numbers held at once, in each of a few arrays.
_BLOCK = 2**19


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
    sparse_rows = True

    def __init__(self, estimator: Classifier) -> None:
        super().__init__(estimator)
        scores = linear_scores(self.last)
        if len(scores.bias) == 1:
            # A score that is positive for the second class is one above a score of zero.
            weight = np.vstack([0 * scores.weight, scores.weight])
            scores = LinearScores(weight, np.append(0.0, scores.bias), scores.blur, scores.unit)
        if not (np.isfinite(scores.weight).all() and np.isfinite(scores.bias).all()):
            raise ValueError(_NOT_FINITE)
        self.scores = scores

    def bounds(
        self,
        rows: CleanRows,
        /,
        *,
        norm: float,
        known: FloatArray | None = None,
        within: float | None = None,
        max_nodes: int = DEFAULT_MAX_NODES,
        n_jobs: int | None = None,
    ) -> DistanceBounds:
        """Return bounds and witnesses, as every :class:`DistanceProver` does."""
        found = super().bounds(rows, norm=norm, known=known, max_nodes=max_nodes, n_jobs=n_jobs)
        beyond = np.isfinite(found.lower) & np.isinf(found.upper)
        if not beyond.any():
            return found
        # Scores that moves hardly change: constants say where their roundings take over.
        try:
            far = LipschitzProver(self.estimator).bounds(rows, norm=norm).lower
        except NoCertificateError:  # they are known of whole steps only
            return found
        lower = np.where(beyond, np.maximum(found.lower, far), found.lower)
        return found._replace(lower=lower, closed=ends_meet(lower, found.upper))

    def local_proof(
        self, rows: ModelRows, own: IntArray, box: tuple[FloatArray, FloatArray], max_nodes: int
    ) -> LocalProof:
        """Return exact distances, inside the box of the space."""
        # A product is computed in the finer one of the types of its factors.
        rows = rows.with_unit(min(rows.unit, self.scores.unit))
        n, n_moves = len(rows), rows.slope.shape[1]
        lower, move = np.full(n, np.inf), np.full((n, n_moves), np.nan)
        for k in np.unique(own).tolist():
            some = np.flatnonzero(own == k)
            others = [other for other in range(len(self.scores.bias)) if other != k]
            for begin in range(0, len(some) if others else 0, max(1, _BLOCK // n_moves)):
                part = some[begin : begin + max(1, _BLOCK // n_moves)]
                ends = (box[0][part], box[1][part]) if rows.exact else None
                lower[part], move[part] = self._of_class(rows.take(part), k, others, ends)
        return LocalProof(lower, move, np.zeros(n, dtype=np.int64))

    def _of_class(
        self,
        rows: ModelRows,
        own: int,
        others: list[int],
        box: tuple[FloatArray, FloatArray] | None,
    ) -> tuple[FloatArray, FloatArray]:
        """Return lower bounds for rows of one class, and the shortest moves."""
        n, order = len(rows), rows.norm.order
        gaps = [self._gap(rows, own, other) for other in others]
        length, move = np.full(n, np.inf), np.full((n, rows.slope.shape[1]), np.nan)
        # First without roundings: the distance, within which they count.
        for first, gap, slope in gaps:
            nearer = np.flatnonzero(first < length)
            ends = None if box is None else (box[0][nearer], box[1][nearer])
            distance, step = nearest_in_half_space(slope, gap[nearer], order, ends)
            better = distance < length[nearer]
            length[nearer[better]], move[nearer[better]] = distance[better], step[better]
        radius = np.minimum(length * (1 + 1e-9), _LARGEST)
        if box is not None:
            # Nor farther than the farthest corner of the box.
            with np.errstate(invalid="ignore"):
                corner = rows.norm.length(np.maximum(np.abs(box[0]), np.abs(box[1])))
            # It has no length where the box is open.
            radius = np.fmin(radius, corner * (1 + 1e-8))
        lower = radius.copy()
        for other, (first, gap, slope) in zip(others, gaps, strict=True):
            still, per_unit, farthest = self._slack(rows, own, other)
            left = gap - still - per_unit * radius - self.scores.blur
            # Scores that cancel lose all digits on the way to the boundary: what is left of the
            # lead then shrinks by the slope and by the roundings, at every distance.
            rate = float(rows.norm.dual.length(slope[None])[0]) + per_unit
            with np.errstate(divide="ignore", invalid="ignore"):
                near = np.maximum(gap - still - self.scores.blur, 0.0) / rate * (1 - 1e-12)
            lower = np.minimum(lower, farthest)
            least = np.minimum(lower, np.nan_to_num(near, nan=0.0, posinf=np.inf))
            lower[~(left > 0)] = least[~(left > 0)]
            # A class that is much farther away than the nearest one stays so with roundings.
            some = np.flatnonzero((left > 0) & ((first < 2 * radius) | (left < 0.6 * gap)))
            ends = None if box is None else (box[0][some], box[1][some])
            distance, _ = nearest_in_half_space(slope, left[some], order, ends)
            lower[some] = np.minimum(lower[some], distance)
        return lower * (1 - 1e-12), move

    def _gap(
        self, rows: ModelRows, own: int, other: int
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return distances without box and rounding, leads of the own class, and their slopes."""
        weight, bias, _, _ = self.scores
        # Of each score by itself, as the model computes them.
        with np.errstate(over="ignore", invalid="ignore"):
            both = rows.values @ weight[[own, other]].T + bias[[own, other]]
        gap = both[:, 0] - both[:, 1]
        if not np.isfinite(gap).all():
            raise ValueError(_NOT_FINITE)
        slope = rows.slopes(weight[other] - weight[own])
        rate = float(rows.norm.dual.length(slope[None])[0])
        with np.errstate(divide="ignore", invalid="ignore"):
            first = np.where(gap > 0, gap / rate if rate else np.inf, 0.0)
        return first, gap, slope

    def _slack(self, rows: ModelRows, own: int, other: int) -> tuple[FloatArray, float, FloatArray]:
        """Return what rounding may add to the difference of two scores.

        That is an offset of each row, what comes to it per unit of a move, and up to where moves
        stay in the range of the arithmetic.
        """
        weight, bias, _, _ = self.scores
        size = np.abs(weight[[own, other]])
        steepest = np.linalg.norm(weight[[own, other]], axis=1)
        terms = np.abs(rows.values) @ size.T + np.abs(bias[[own, other]])
        terms += rows.error[:, None] * steepest
        speed = (rows.stretch + rows.growth) * steepest
        n_terms = weight.shape[1]
        # Our own float64, and the sums of the model.
        rounded = 4 * (n_terms + 8) * _FLOAT64_UNIT + 1.001 * (n_terms + 4) * rows.unit
        still = rounded * terms.sum(axis=1) + rows.error * steepest.sum()
        per_unit = float(rounded * speed.sum() + rows.growth * steepest.sum())
        farthest = np.full(len(rows), np.inf)
        if rows.unit > _FLOAT64_UNIT:
            still += 2 * (n_terms + 2) * _FLOAT32_TINY
            with np.errstate(divide="ignore", invalid="ignore"):
                room = (_FLOAT32_TOO_LARGE - terms) / speed
            farthest = np.where(terms < _FLOAT32_TOO_LARGE, room, 0.0)
            farthest = np.nan_to_num(farthest, nan=np.inf, posinf=np.inf).min(axis=1)
        return still, per_unit, farthest


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
def prove_linear(estimator: Classifier, X: Any) -> LinearProver:
    """Return the proof of a classifier with linear scores."""
    return LinearProver(estimator)

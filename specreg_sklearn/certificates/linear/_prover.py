"""Exact distances of classifiers with linear scores: the nearest of a few half-spaces."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn._typing import Classifier, FloatArray, IntArray
from specreg_sklearn.certificates.distances import (
    DEFAULT_MAX_NODES,
    DistanceBounds,
    DistanceProver,
    LipschitzProver,
    constants_prover,
    ends_meet,
    register_distance_prover,
)
from specreg_sklearn.certificates.linear._leads import NOT_FINITE, Lead
from specreg_sklearn.certificates.linear._proof_of_class import proof_of_class
from specreg_sklearn.certificates.moves import (
    NODES_PER_BOX,
    LocalProof,
    ModelRows,
    MoveProver,
)
from specreg_sklearn.certificates.pipelines import (
    LinearScores,
    NoCertificateError,
    StepsInFront,
    linear_scores,
    split_pipeline,
)
from specreg_sklearn.space import NORMS, CleanRows

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
    norms = tuple(NORMS)
    sparse_rows, priced = True, True
    # Where an attack is at hand, no box of whole steps is cut.
    quick_nodes = NODES_PER_BOX

    def __init__(self, estimator: Classifier) -> None:
        super().__init__(estimator)
        scores = linear_scores(self.last)
        if len(scores.bias) == 1:
            # A score that is positive for the second class is one above a score of zero.
            weight = np.vstack([0 * scores.weight, scores.weight])
            scores = LinearScores(weight, np.append(0.0, scores.bias), scores.blur, scores.unit)
        if not (np.isfinite(scores.weight).all() and np.isfinite(scores.bias).all()):
            raise ValueError(NOT_FINITE)
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
        if norm == 0 or not beyond.any():
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
        n_nodes = np.zeros(n, dtype=np.int64)
        if rows.dearer is not None:
            box = box[0] * rows.dearer[1], box[1] * rows.dearer[0]
        for k in np.unique(own).tolist():
            some = np.flatnonzero(own == k)
            others = [other for other in range(len(self.scores.bias)) if other != k]
            for begin in range(0, len(some) if others else 0, max(1, _BLOCK // n_moves)):
                part = some[begin : begin + max(1, _BLOCK // n_moves)]
                mine = rows.take(part)
                leads = [Lead(self.scores, mine, k, other) for other in others]
                ends = (box[0][part], box[1][part]) if rows.exact else None
                found = proof_of_class(mine, leads, ends, max_nodes)
                lower[part], move[part], n_nodes[part] = found
        if rows.dearer is not None:
            move = move / np.where(move > 0, *rows.dearer)
        return LocalProof(lower, move, n_nodes)


@register_distance_prover(
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.linear_model._logistic.LogisticRegressionCV",
    "sklearn.linear_model._passive_aggressive.PassiveAggressiveClassifier",
    "sklearn.linear_model._perceptron.Perceptron",
    "sklearn.linear_model._ridge.RidgeClassifier",
    "sklearn.linear_model._ridge.RidgeClassifierCV",
    "sklearn.linear_model._stochastic_gradient.SGDClassifier",
    "sklearn.naive_bayes.BernoulliNB",
    "sklearn.naive_bayes.ComplementNB",
    "sklearn.naive_bayes.MultinomialNB",
    "sklearn.semi_supervised._self_training.SelfTrainingClassifier",
    "sklearn.svm._classes.LinearSVC",
    "specreg_sklearn.estimators._probe.RobustLinearProbe",
)
def prove_linear(estimator: Classifier, X: Any) -> DistanceProver:
    """Return the proof of a classifier with linear scores.

    Behind an encoder it is the readout of a network, about which more is known than constants of
    its steps.
    """
    return _proof_of_network(estimator) or LinearProver(estimator)


def _proof_of_network(estimator: Classifier) -> DistanceProver | None:
    """Return the proof of the whole model where steps in front of it are not affine."""
    steps = split_pipeline(estimator)[0]
    if not steps:
        return None
    from specreg_sklearn.certificates.stages import Affine

    try:
        stages = StepsInFront(steps, [""] * len(steps)).stages
        if all(isinstance(stage, Affine) for stage in stages):
            return None
        return constants_prover(estimator)
    except NoCertificateError:
        return None

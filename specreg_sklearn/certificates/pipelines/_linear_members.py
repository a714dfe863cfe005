"""Classifiers whose scores are those of linear ones: other cuts, several of them, naive Bayes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier, OutputCodeClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.semi_supervised import SelfTrainingClassifier

from specreg_sklearn.certificates.pipelines._certified_estimator import (
    CLASSIFIER,
    NoCertificateError,
)
from specreg_sklearn.certificates.pipelines._decision_cut import decision_cut
from specreg_sklearn.certificates.pipelines._last_step import split_pipeline
from specreg_sklearn.certificates.pipelines._linear_scores import is_logistic, linear_scores
from specreg_sklearn.certificates.pipelines._registry import (
    classifier_stages,
    register_certified_step,
)
from specreg_sklearn.certificates.pipelines._transformers import linear, shift
from specreg_sklearn.certificates.stages import Affine, Elementwise, Stage, side_by_side

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


def _is_logistic(estimator: object) -> bool:
    """Return whether the probability of the second class is the sigmoid of the score."""
    last = split_pipeline(estimator)[1]
    return is_logistic(last) or type(last) is MLPClassifier


@register_certified_step(ComplementNB, MultinomialNB, role=CLASSIFIER)
def _linear_naive_bayes(step: MultinomialNB | ComplementNB) -> list[Stage]:
    scores = linear_scores(step)
    return [linear(scores.weight, scores.bias)]


@register_certified_step(BernoulliNB, role=CLASSIFIER)
def _bernoulli(step: BernoulliNB) -> list[Stage]:
    if step.binarize is not None:
        raise NoCertificateError(
            "BernoulliNB(binarize=...) has no Lipschitz constant: its scores jump. Its exact "
            "distances are those of an ensemble of trees, which certified_radius and "
            "adversarial_band take."
        )
    scores = linear_scores(step)
    return [linear(scores.weight, scores.bias)]


@register_certified_step(SelfTrainingClassifier, role=CLASSIFIER)
def _self_trained(step: SelfTrainingClassifier) -> list[Stage]:
    return classifier_stages(step.estimator_)


@register_certified_step(FixedThresholdClassifier, TunedThresholdClassifierCV, role=CLASSIFIER)
def _another_cut(step: FixedThresholdClassifier | TunedThresholdClassifierCV) -> list[Stage]:
    cut = decision_cut(step)
    inside = cut.estimator
    stages = classifier_stages(inside)
    if cut.method == "predict_proba":
        if not _is_logistic(inside):
            raise NoCertificateError(
                f"{type(step).__name__} over {type(inside).__name__} has no certificate: its "
                "probabilities are not the sigmoid of a score that can be bounded. Choose "
                'response_method="decision_function".'
            )
    threshold, blur = cut.in_scores()
    moved = shift([threshold])
    moved.after_rounding = blur
    return [*stages, moved]


def _member_scores(
    step: OneVsRestClassifier | OutputCodeClassifier,
) -> list[tuple[list[Stage], Any]]:
    """Return the stages of binary members, each with one score."""
    return [(_one_score(step, member), member) for member in step.estimators_]


def _one_score(
    step: OneVsRestClassifier | OutputCodeClassifier, member: BaseEstimator
) -> list[Stage]:
    # scikit-learn puts this in place of a model where all rows are on one side.
    if type(member).__name__ == "_ConstantPredictor":
        always = float(np.ravel(member.decision_function(np.zeros((1, step.n_features_in_))))[0])
        return [linear(np.zeros((1, step.n_features_in_)), np.array([always]))]
    stages = classifier_stages(member)
    width = next((s.n_outputs for s in reversed(stages) if s.n_outputs is not None), None)
    if width != 1:
        raise NoCertificateError(
            f"{type(step).__name__} over {type(member).__name__} has no certificate by stages: its "
            "members do not decide by one score each."
        )
    return stages


def _joined(members: list[tuple[list[Stage], Any]]) -> list[Stage]:
    """Return stages that give the scores of all members, side by side."""
    n_inputs = next(s.n_inputs for s in members[0][0] if s.n_inputs is not None)
    only = [stages[0] for stages, _ in members if len(stages) == 1]
    exact = [stage for stage in only if isinstance(stage, Affine) and not stage.uncertainty()]
    if len(exact) == len(members):
        # One matrix keeps the constants of pairs exact.
        bias = np.concatenate([np.broadcast_to(stage.bias, 1) for stage in exact])
        return [Affine(np.vstack([stage.dense() for stage in exact]), bias)]
    columns = np.arange(n_inputs)
    return list(side_by_side([(columns, stages) for stages, _ in members], n_inputs))


@register_certified_step(OneVsRestClassifier, role=CLASSIFIER)
def _one_against_the_rest(step: OneVsRestClassifier) -> list[Stage]:
    if step.multilabel_:
        raise NoCertificateError(
            "OneVsRestClassifier has no certificate: it was fitted on several labels per row."
        )
    members = _member_scores(step)
    if any(not hasattr(member, "decision_function") for _, member in members) and not all(
        _is_logistic(member) for _, member in members
    ):
        raise NoCertificateError(
            "OneVsRestClassifier has no certificate by stages: its members are compared by "
            "probabilities that are not the sigmoid of a score."
        )
    return _joined(members)


@register_certified_step(OutputCodeClassifier, role=CLASSIFIER)
def _nearest_code(step: OutputCodeClassifier) -> list[Stage]:
    stages: list[Stage] = []
    members = _member_scores(step)
    for inside, member in members:
        if not hasattr(member, "decision_function"):
            if not _is_logistic(member):
                raise NoCertificateError(
                    f"OutputCodeClassifier over {type(member).__name__} has no certificate by "
                    "stages: its probabilities are not the sigmoid of a score."
                )
            inside.append(Elementwise("sigmoid"))
    stages += _joined(members)
    book = np.asarray(step.code_book_, dtype=np.float64)
    # The nearest code is the one with the largest of these; squares of the bits are left out.
    last = linear(book, -0.5 * np.square(book).sum(axis=1))
    return [*stages, last]

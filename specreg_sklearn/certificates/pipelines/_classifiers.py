"""The scores that each classifier takes the largest of, as stages of a proof."""

from __future__ import annotations

from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.neural_network import MLPClassifier

from specreg_sklearn.certificates.pipelines._certified_estimator import (
    CLASSIFIER,
    NoCertificateError,
)
from specreg_sklearn.certificates.pipelines._linear_scores import COEFFICIENTS, linear_scores
from specreg_sklearn.certificates.pipelines._registry import register_certified_step
from specreg_sklearn.certificates.pipelines._transformers import linear
from specreg_sklearn.certificates.stages import Elementwise, Stage
from specreg_sklearn.spectral.bounds import UNIT_ROUNDOFF

# How far apart two scores may be so that their sigmoid or softmax still rounds to the same; a few
# elementary functions.
_PROBABILITY_ERROR = 16 * UNIT_ROUNDOFF
_MLP_ACTIVATIONS = {"logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}


@register_certified_step(*COEFFICIENTS, role=CLASSIFIER)
def _linear_scores(step: BaseEstimator) -> list[Stage]:
    scores = linear_scores(step)
    return [linear(scores.weight, scores.bias)]


@register_certified_step(MLPClassifier, role=CLASSIFIER)
def _mlp_scores(step: MLPClassifier) -> list[Stage]:
    if step.out_activation_ == "logistic" and step.n_outputs_ > 1:
        raise NoCertificateError(
            "MLPClassifier has no certificate: it was fitted on several labels per row."
        )
    stages: list[Stage] = []
    last = len(step.coefs_) - 1
    for depth, (weight, bias) in enumerate(zip(step.coefs_, step.intercepts_, strict=True)):
        stages.append(linear(weight.T, bias))
        if depth < last and step.activation != "identity":
            stages.append(Elementwise(_MLP_ACTIVATIONS[step.activation]))
    # predict compares probabilities, which are equal for scores that are almost so.
    stages[-1].after_rounding = _PROBABILITY_ERROR
    return stages


@register_certified_step(CalibratedClassifierCV, role=CLASSIFIER)
def _calibrated(step: CalibratedClassifierCV) -> list[Stage]:
    raise NoCertificateError(
        "CalibratedClassifierCV has no certificate: it averages probabilities of several models, "
        "and margins of probabilities prove nothing about distances. Certify the model inside."
    )

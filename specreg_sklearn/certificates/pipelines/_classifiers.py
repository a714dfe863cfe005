"""The scores that each classifier takes the largest of, as stages of a proof."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import (
    LogisticRegression,
    PassiveAggressiveClassifier,
    Perceptron,
    RidgeClassifier,
    RidgeClassifierCV,
    SGDClassifier,
)
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC

from specreg_sklearn.certificates.pipelines._certified_estimator import (
    CLASSIFIER,
    NoCertificateError,
)
from specreg_sklearn.certificates.pipelines._registry import register_certified_step
from specreg_sklearn.certificates.pipelines._transformers import linear
from specreg_sklearn.certificates.stages import Elementwise, Stage
from specreg_sklearn.spectral.bounds import UNIT_ROUNDOFF

# How far apart two scores may be so that their sigmoid or softmax still rounds to the same; a few
# elementary functions.
_PROBABILITY_ERROR = 16 * UNIT_ROUNDOFF
_MLP_ACTIVATIONS = {"logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}


@register_certified_step(LogisticRegression, LinearSVC, SGDClassifier, role=CLASSIFIER)
@register_certified_step(Perceptron, RidgeClassifier, RidgeClassifierCV, role=CLASSIFIER)
@register_certified_step(LinearDiscriminantAnalysis, PassiveAggressiveClassifier, role=CLASSIFIER)
def _linear_scores(step: BaseEstimator) -> list[Stage]:
    labels = getattr(step, "_label_binarizer", None)
    if labels is not None and labels.y_type_.startswith("multilabel"):
        raise NoCertificateError(
            f"{type(step).__name__} has no certificate: it was fitted on several labels per row."
        )
    coef = step.coef_
    if np.ndim(coef) == 1:  # RidgeClassifier drops the axis on a multi-column y of two classes
        coef = np.reshape(coef, (1, -1))
    # Without an intercept some models store one zero for all classes.
    return [linear(coef, np.broadcast_to(np.ravel(step.intercept_), len(coef)))]


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

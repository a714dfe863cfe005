"""Scores that are linear in what a classifier reads, as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn import linear_model
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    Perceptron,
    RidgeClassifier,
    RidgeClassifierCV,
    SGDClassifier,
)
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import LinearSVC

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.pipelines._certified_estimator import (
    CLASSIFIER,
    NoCertificateError,
)
from specreg_sklearn.certificates.pipelines._decision_cut import decision_cut

if TYPE_CHECKING:
    from sklearn.linear_model._base import LinearClassifierMixin

COEFFICIENTS = (
    LinearDiscriminantAnalysis,
    LinearSVC,
    LogisticRegression,
    LogisticRegressionCV,
    Perceptron,
    RidgeClassifier,
    RidgeClassifierCV,
    SGDClassifier,
    # Versions of scikit-learn from 1.10 on have no such class.
    *filter(None, [getattr(linear_model, "PassiveAggressiveClassifier", None)]),
)
"""Classifiers that hold their scores as ``coef_`` and ``intercept_``."""

_FLOAT64_UNIT = 2.0**-53
_LOGISTIC = (LogisticRegression, LogisticRegressionCV, LinearDiscriminantAnalysis)


class LinearScores(NamedTuple):
    """Scores ``X @ weight.T + bias``; a single one is positive for the second of two classes.

    Parameters
    ----------
    weight : ndarray of shape (n_scores, n_inputs), float64
        Slopes.
    bias : ndarray of shape (n_scores,), float64
        Scores at zero.
    blur : float
        How far apart scores may be that a link function rounds to the same.
    unit : float
        Unit roundoff of the fitted numbers: products of rows with them round no more coarsely.
    """

    weight: FloatArray
    bias: FloatArray
    blur: float = 0.0
    unit: float = _FLOAT64_UNIT


def linear_scores(step: object) -> LinearScores:
    """Return the scores of a fitted linear classifier.

    Raises
    ------
    NoCertificateError
        If it is none, or was fitted on several labels per row.
    """
    if isinstance(step, COEFFICIENTS):
        return _coefficients(step)
    if isinstance(step, MultinomialNB | ComplementNB):
        # With two classes or more ComplementNB leaves the prior out.
        prior = np.asarray(step.class_log_prior_, dtype=np.float64)
        weight = np.asarray(step.feature_log_prob_, dtype=np.float64)
        leaves_out = isinstance(step, ComplementNB) and len(step.classes_) > 1
        return LinearScores(weight, 0.0 * prior if leaves_out else prior)
    if isinstance(step, BernoulliNB) and step.binarize is None:
        without = np.log(1 - np.exp(step.feature_log_prob_))
        bias = np.asarray(step.class_log_prior_ + without.sum(axis=1))
        return LinearScores(np.asarray(step.feature_log_prob_ - without), bias)
    if isinstance(step, SelfTrainingClassifier):
        return linear_scores(step.estimator_)
    if isinstance(step, FixedThresholdClassifier | TunedThresholdClassifierCV):
        return _another_cut(step)
    if isinstance(step, OneVsRestClassifier) and not step.multilabel_:
        parts = [linear_scores(member) for member in step.estimators_]
        scored = all(hasattr(member, "decision_function") for member in step.estimators_)
        if scored and all(len(part.bias) == 1 for part in parts):
            weight = np.vstack([part.weight for part in parts])
            return LinearScores(
                weight,
                np.concatenate([part.bias for part in parts]),
                max(part.blur for part in parts),
                max(part.unit for part in parts),
            )
    stated = _stated(step)
    if stated is None:
        raise NoCertificateError(f"{type(step).__name__} has no linear scores.")
    return stated


def is_logistic(last: object) -> bool:
    """Return whether the share of the second of two classes is the sigmoid of a linear score."""
    # Older versions of scikit-learn took a softmax of the score and its negative.
    return type(last) in _LOGISTIC and getattr(last, "multi_class", None) != "multinomial"


def _coefficients(step: LinearClassifierMixin) -> LinearScores:
    labels = getattr(step, "_label_binarizer", None)
    if labels is not None and labels.y_type_.startswith("multilabel"):
        raise NoCertificateError(
            f"{type(step).__name__} has no certificate: it was fitted on several labels per row."
        )
    coef = step.coef_.toarray() if hasattr(step.coef_, "toarray") else np.asarray(step.coef_)
    # RidgeClassifier drops the axis on a multi-column y of two classes; without an intercept some
    # models store one zero for all classes.
    unit = 2.0**-24 if coef.dtype == np.float32 else _FLOAT64_UNIT
    coef = np.atleast_2d(coef).astype(np.float64)
    bias = np.broadcast_to(np.ravel(step.intercept_), len(coef)).astype(np.float64)
    return LinearScores(coef, bias, unit=unit)


def _stated(step: object) -> LinearScores | None:
    """Return the scores of a classifier that states them as one affine stage, in float64."""
    if not hasattr(step, "__certified_stages__"):
        return None
    # Stages are linear algebra on torch layers, which other models here never need.
    from specreg_sklearn.certificates.pipelines._fitted_precision import fitted_precision
    from specreg_sklearn.certificates.stages import Affine

    stages = step.__certified_stages__(CLASSIFIER)
    if len(stages) != 1 or not isinstance(stages[0], Affine):
        return None
    (scores,) = stages
    unsure = scores.uncertainty() or scores.bias_error.any()
    if unsure or fitted_precision(step, scores=True).unit > _FLOAT64_UNIT:
        # What casts rows to float32 rounds them, too.
        return None
    bias = np.broadcast_to(scores.bias, scores.n_outputs)
    return LinearScores(scores.dense(), bias.astype(np.float64))


def _another_cut(step: FixedThresholdClassifier | TunedThresholdClassifierCV) -> LinearScores:
    cut = decision_cut(step)
    inside = linear_scores(cut.estimator)
    if cut.method == "predict_proba" and not is_logistic(cut.estimator):
        raise NoCertificateError(
            f"{type(step).__name__} over {type(cut.estimator).__name__} has no linear scores: its "
            "shares are not the sigmoid of a score."
        )
    threshold, blur = cut.in_scores()
    return LinearScores(inside.weight, inside.bias - threshold, inside.blur + blur, inside.unit)

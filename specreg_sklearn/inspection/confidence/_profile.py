"""How sure a model is of its predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from specreg_sklearn.inspection.confidence._calibration import expected_calibration_error
from specreg_sklearn.inspection.confidence._probabilities import log_probabilities
from specreg_sklearn.inspection.model import Report
from specreg_sklearn.tables import LabelCoder, as_targets, ask


@dataclass(frozen=True, repr=False, eq=False)
class ConfidenceProfile(Report):
    """How sure a model is, row by row.

    Parameters
    ----------
    max_probability : ndarray of shape (n_samples,)
        Probability of the most likely class.
    entropy : ndarray of shape (n_samples,)
        Entropy of the probabilities, in nats: 0 to ``ln n_classes``.
    gap : ndarray of shape (n_samples,)
        Probability of the most likely class minus that of the second.
    correct : ndarray of shape (n_samples,), bool, or None
        Whether the prediction is right; None without labels.
    calibration_error : float or None
        :func:`expected_calibration_error`; None without labels.
    source : {"logits", "predict_proba"}
        "logits": the probabilities are the softmax of the logits. "predict_proba": they are what
        the estimator says, and are something else.
    """

    max_probability: np.ndarray
    entropy: np.ndarray
    gap: np.ndarray
    correct: np.ndarray | None
    calibration_error: float | None
    source: str


def confidence_profile(
    estimator: Any, X: Any, y: Any = None, *, n_bins: int = 15
) -> ConfidenceProfile:
    """Measure how sure a model is of its predictions, and whether that is justified.

    Parameters
    ----------
    estimator : classifier, pipeline or search
        Fitted, with `predict_proba` or with logits. Of a model that has logits only, such as
        ``LinearSVC``, their softmax stands for probabilities.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows.
    y : array-like of shape (n_samples,), default=None
        True labels; without them there is no calibration error.
    n_bins : int, default=15
        Bins of the calibration error.

    Returns
    -------
    ConfidenceProfile
        Arrays `max_probability`, `entropy`, `gap` and `correct` of shape (n_samples,), and the
        numbers `calibration_error` and `source`.

    Raises
    ------
    TypeError
        If the estimator has neither logits nor `predict_proba`; the message names it.
    ValueError
        If `X` or `y` does not fit the model or each other.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.

    Notes
    -----
    Confidence depends on the scale of the logits, which margins in input units do not: a model may
    be made less sure without becoming harder to fool.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.inspection import confidence_profile
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500).fit(X, y)
    >>> profile = confidence_profile(model, X, y)
    >>> bool(profile.max_probability[profile.correct].mean() > 0.85)
    True
    """
    log_p, _, source = log_probabilities(estimator, X)
    p = np.exp(log_p)
    ordered = np.sort(p, axis=1)
    most = ordered[:, -1]
    second = ordered[:, -2] if p.shape[1] > 1 else np.zeros(len(p))
    correct = error = None
    if y is not None:
        labels = as_targets(y, len(p))
        predicted = ask(estimator.predict, X, len(p))
        coder = LabelCoder(labels, predicted)
        correct = coder.encode(labels) == coder.encode(predicted)
        error = expected_calibration_error(np.minimum(most, 1.0), correct, n_bins=n_bins)
    entropy = -np.sum(p * np.where(p > 0, log_p, 0.0), axis=1)
    return ConfidenceProfile(most, entropy, most - second, correct, error, source)

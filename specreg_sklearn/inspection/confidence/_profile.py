"""How sure a model is of its predictions, and whether it is right when it is that sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import Classifier
from specreg_sklearn.inspection.confidence._probabilities import log_probabilities
from specreg_sklearn.inspection.model import Report, check_numbers
from specreg_sklearn.tables import as_targets, ask, check_positive_int, same_labels


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
    estimator: Classifier, X: Any, y: Any = None, *, n_bins: int = 15
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
        correct = same_labels(as_targets(y, len(p)), ask(estimator.predict, X, len(p)))
        error = expected_calibration_error(np.minimum(most, 1.0), correct, n_bins=n_bins)
    entropy = -np.sum(p * np.where(p > 0, log_p, 0.0), axis=1)
    return ConfidenceProfile(most, entropy, most - second, correct, error, source)


def expected_calibration_error(
    confidence: ArrayLike, correct: ArrayLike, *, n_bins: int = 15
) -> float:
    """Mean distance between confidence and accuracy, over bins of equal width.

    Parameters
    ----------
    confidence : array-like of shape (n_samples,)
        Probability that the model gives to its prediction, in [0, 1].
    correct : array-like of shape (n_samples,), bool
        Whether the prediction is right.
    n_bins : int, default=15
        Bins of the interval from 0 to 1. A row on the edge of two bins is in the lower one.

    Returns
    -------
    float
        The sum over bins of their share of rows times ``|mean confidence - accuracy|``.

    Raises
    ------
    ValueError
        If the lengths differ, or a confidence is not in [0, 1], or `correct` is not true or false.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017.

    Examples
    --------
    >>> from specreg_sklearn.inspection import expected_calibration_error
    >>> expected_calibration_error([0.5, 0.5, 0.5, 0.5], [True, True, False, False])
    0.0
    """
    sure = check_numbers(confidence, "confidence")
    hits = check_numbers(correct, "correct")
    if len(sure) != len(hits):
        raise ValueError(
            f"confidence has {len(sure)} entries and correct has {len(hits)}; one of each for "
            "every row is needed."
        )
    if sure.min() < 0 or sure.max() > 1 + 1e-9:
        raise ValueError(
            f"confidence lies between {sure.min():g} and {sure.max():g}; probabilities are needed."
        )
    if not np.isin(hits, (0.0, 1.0)).all():
        raise ValueError("correct holds other values than true and false.")
    n_bins = check_positive_int(n_bins, "n_bins")
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    places = np.searchsorted(edges[1:-1], sure, side="left")
    gaps = np.bincount(places, weights=sure - hits, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(sure))

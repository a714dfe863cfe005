"""Loss and error on training rows and on fresh ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import Classifier
from specreg_sklearn.inspection.confidence._probabilities import log_probabilities
from specreg_sklearn.inspection.model import Report, codes_of
from specreg_sklearn.tables import as_targets, ask, same_labels


@dataclass(frozen=True, repr=False, eq=False)
class GeneralizationGap(Report):
    """Loss and error on two sets of rows.

    Parameters
    ----------
    train_losses, test_losses : ndarray of shape (n_rows,)
        Cross-entropy of every row, in nats.
    train_error, test_error : float
        Share of misclassified rows.
    """

    train_losses: np.ndarray
    test_losses: np.ndarray
    train_error: float
    test_error: float

    @property
    def loss_gap(self) -> float:
        """Mean test loss minus mean training loss; signed."""
        return float(self.test_losses.mean() - self.train_losses.mean())

    @property
    def error_gap(self) -> float:
        """Test error minus training error; signed."""
        return self.test_error - self.train_error

    @property
    def train_loss_std(self) -> float:
        """Standard deviation of the training losses over rows."""
        return float(self.train_losses.std())

    @property
    def test_loss_std(self) -> float:
        """Standard deviation of the test losses over rows."""
        return float(self.test_losses.std())


def generalization_gap(
    estimator: Classifier,
    X_train: ArrayLike,
    y_train: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
) -> GeneralizationGap:
    """Compare loss and error on the training rows with those on fresh rows.

    Parameters
    ----------
    estimator : classifier, pipeline or search
        Fitted, with `predict_proba` or with logits, as in :func:`confidence_profile`.
    X_train, y_train : array-like of shapes (n_train, n_features) and (n_train,)
        Rows that the model was fitted on, or a DataFrame of them, and their labels.
    X_test, y_test : array-like of shapes (n_test, n_features) and (n_test,)
        Fresh rows and their labels.

    Returns
    -------
    GeneralizationGap
        With `train_losses`, `test_losses`, `train_error`, `test_error`, and the differences test
        minus training `loss_gap` and `error_gap`.

    Raises
    ------
    TypeError, ValueError, sklearn.exceptions.NotFittedError
        As :func:`confidence_profile`.

    Notes
    -----
    The gap of the loss and the gap of the error need not go together: a model that is less sure has
    a smaller gap of the loss at the same error.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.inspection import generalization_gap
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500).fit(X[::2], y[::2])
    >>> gap = generalization_gap(model, X[::2], y[::2], X[1::2], y[1::2])
    >>> round(gap.error_gap, 3)
    0.0
    """
    train_losses, train_error = _losses(estimator, X_train, y_train)
    test_losses, test_error = _losses(estimator, X_test, y_test)
    return GeneralizationGap(train_losses, test_losses, train_error, test_error)


def _losses(estimator: Classifier, X: Any, y: Any) -> tuple[np.ndarray, float]:
    log_p, classes, _ = log_probabilities(estimator, X)
    codes = codes_of(classes, y, len(log_p))
    right = same_labels(as_targets(y, len(log_p)), ask(estimator.predict, X, len(log_p)))
    return -log_p[np.arange(len(codes)), codes], float(np.mean(~right))

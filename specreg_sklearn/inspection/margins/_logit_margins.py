"""Margins of the logits: by how much the right class, or the predicted one, is ahead."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn._typing import Classifier
from specreg_sklearn.inspection.model import ModelView, rows_of, targets_of


def logit_margins(estimator: Classifier, X: Any, y: Any = None) -> np.ndarray:
    """Logit of one class minus the largest logit of the others.

    Parameters
    ----------
    estimator : classifier, pipeline or search
        Fitted, with logits: a network or a linear model at the end.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows.
    y : array-like of shape (n_samples,), default=None
        The class of each row: true labels give margins that are negative where the model is wrong.
        None takes the predicted class, and no margin is negative.

    Returns
    -------
    ndarray of shape (n_samples,), float64
        Margins in units of the logits. They grow with the scale of the weights, which changes no
        prediction: compare models by :func:`feature_margins` or :func:`instance_margins`.

    Raises
    ------
    TypeError
        If the estimator has no logits; the message names it.
    ValueError
        If `X` or `y` does not fit the model or each other.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    feature_margins : The distance of the features to the nearest boundary of the readout.
    instance_margins : The distance of the rows to another label.

    Notes
    -----
    A model of two classes with a single score s has the logits -s/2 and s/2, so that the margin of
    the prediction is ``abs(s)``.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.inspection import logit_margins
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = LogisticRegression(max_iter=5000).fit(X, y)
    >>> bool(((logit_margins(model, X, y) > 0) == (model.predict(X) == y)).all())
    True
    """
    view = ModelView(estimator)
    rows = rows_of(view, X)
    logits = view.evaluate(view.logits, rows)
    codes = logits.argmax(axis=1) if y is None else targets_of(view, rows, y)
    return margins_of(logits, codes)


def margins_of(logits: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the logit of each row's class minus the largest of the others."""
    every = np.arange(len(logits))
    others = logits.copy()
    others[every, codes] = -np.inf
    return np.asarray(logits[every, codes] - others.max(axis=1))

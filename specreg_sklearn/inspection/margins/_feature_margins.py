"""Distances in feature space: how far the features are from the readout's nearest boundary."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn._typing import Classifier
from specreg_sklearn.inspection.model import ModelView, rows_of
from specreg_sklearn.space import L2, Norm


def feature_margins(estimator: Classifier, X: Any, *, normalize: bool = False) -> np.ndarray:
    """Distance of every row's features to the nearest decision boundary of the readout.

    The readout is linear, so this distance is exact: the smallest of
    ``(s_y - s_j) / ||w_y - w_j||_2`` over the other classes j, where y is the predicted class. It
    does not change when readout weights and biases are all multiplied by a positive number.

    Parameters
    ----------
    estimator : classifier, pipeline or search
        Fitted, with a linear readout at the end: the features are what it reads. Of a linear model
        they are the rows themselves, behind scalers.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows.
    normalize : bool, default=False
        Divide by the spread of the features, the root mean square distance to their mean over `X`.
        Only then can margins of two encoders be compared, whose features may differ in scale.

    Returns
    -------
    ndarray of shape (n_samples,), float64
        Distances in units of the features, or of their spread. ``inf`` where all other classes have
        the same readout weights as the predicted one.

    Raises
    ------
    TypeError, ValueError, sklearn.exceptions.NotFittedError
        As :func:`logit_margins`, ``TypeError`` also if there is no linear readout, ``ValueError``
        with `normalize` if the features do not vary.

    See Also
    --------
    logit_margins : Margins that grow with the scale of the weights.
    instance_margins : The distance of the rows to another label.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.inspection import feature_margins
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = LogisticRegression(max_iter=5000).fit(X, y)
    >>> exact = np.abs(model.decision_function(X)) / np.linalg.norm(model.coef_)
    >>> bool(np.allclose(feature_margins(model, X), exact))
    True
    """
    view = ModelView(estimator)
    rows = rows_of(view, X)
    weight, bias = (part.numpy() for part in view.readout())
    features = view.evaluate(lambda x: view.features(x).flatten(1), rows)
    distances = readout_distances(features @ weight.T + bias, weight)
    if not normalize:
        return distances
    spread = float(np.sqrt(np.mean(np.sum((features - features.mean(axis=0)) ** 2, axis=1))))
    if spread == 0.0:
        raise ValueError(
            "normalize=True needs features that vary, but those of all rows of X are the same."
        )
    return distances / spread


def readout_distances(logits: np.ndarray, weight: np.ndarray, norm: Norm = L2) -> np.ndarray:
    """Return the distance to the nearest boundary of a linear readout."""
    codes = logits.argmax(axis=1)
    slopes = np.stack([norm.dual.length(weight - row) for row in weight])
    gaps = logits.max(axis=1)[:, None] - logits
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = gaps / slopes[codes]
    # A pair whose difference cannot change: a tie forever, or never.
    distances[(slopes[codes] == 0) & (gaps > 0)] = np.inf
    distances[(slopes[codes] == 0) & (gaps == 0)] = 0.0
    distances[np.arange(len(logits)), codes] = np.inf
    return np.asarray(distances.min(axis=1))

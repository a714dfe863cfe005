"""What a model predicts for rows: whether it can be asked, and its labels, checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_regressor

from specreg_sklearn.tables._labels import as_labels

Predict = Callable[[Any], Any]


def check_estimator(estimator: object) -> None:
    """Raise TypeError unless the estimator can be asked for class labels."""
    name = type(estimator).__name__
    if isinstance(estimator, type):
        raise TypeError(f"estimator={estimator.__name__} is a class; pass a fitted instance.")
    if not callable(getattr(estimator, "predict", None)):
        raise TypeError(f"estimator={name} has no method predict; a fitted classifier is needed.")
    if isinstance(estimator, BaseEstimator) and is_regressor(estimator):
        raise TypeError(f"estimator={name} is a regressor; a classifier is needed.")


def ask(predict: Predict, X: Any, n_rows: int) -> np.ndarray:
    """Return the labels a model predicts for X, one per row."""
    return checked(predict(X), n_rows)


def checked(labels: object, n_rows: int) -> np.ndarray:
    """Return predicted labels as an array of shape (n_rows,), after checking them."""
    labels = as_labels(labels, "the output of estimator.predict")
    if len(labels) != n_rows:
        raise ValueError(f"estimator.predict returned {len(labels)} labels for {n_rows} rows.")
    missing = _n_missing(labels)
    if missing:
        raise ValueError(
            f"estimator.predict returned NaN or None for {missing} of {n_rows} rows; a class label "
            "is needed for each."
        )
    return labels


def _n_missing(labels: np.ndarray) -> int:
    if labels.dtype.kind == "f":
        return int(np.isnan(labels).sum())
    if labels.dtype.kind != "O":
        return 0
    # pandas has a third way to say it.
    return sum(
        v is None or (isinstance(v, float) and v != v) or type(v).__name__ == "NAType"
        for v in labels.tolist()
    )

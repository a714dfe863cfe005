"""What a model predicts for rows: whether it can be asked, and its labels, checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_regressor

from specreg_sklearn.tables._labels import LabelCoder, as_labels

Predict = Callable[[Any], Any]

_REMEDY = "specreg_sklearn.as_classifier(model, classes=[...])"


def check_estimator(estimator: object) -> None:
    """Raise TypeError unless the estimator can be asked for class labels."""
    name = type(estimator).__name__
    if isinstance(estimator, type):
        raise TypeError(f"estimator={estimator.__name__} is a class; pass a fitted instance.")
    if not callable(getattr(estimator, "predict", None)):
        raise TypeError(_no_predict(estimator, name))
    if isinstance(estimator, BaseEstimator) and is_regressor(estimator):
        raise TypeError(f"estimator={name} is a regressor; a classifier is needed.")


def _no_predict(estimator: object, name: str) -> str:
    """Say what something without a method predict is, and how to make a classifier of it."""
    scores = [m for m in ("predict_proba", "decision_function") if hasattr(estimator, m)]
    if scores:
        return (
            f"estimator={name} has no method predict, but {scores[0]}. Say what its columns stand "
            f"for: {_REMEDY} makes a classifier of it."
        )
    if callable(estimator):
        called = getattr(estimator, "__name__", name)
        return (
            f"estimator={called} is a function, or an object that is called like one, without a "
            f"method predict. Say what it returns: {_REMEDY} makes a classifier of it."
        )
    return f"estimator={name} has no method predict; a fitted classifier is needed."


def ask(predict: Predict, X: Any, n_rows: int) -> np.ndarray:
    """Return the labels a model predicts for X, one per row."""
    return checked(predict(X), n_rows)


def checked(
    labels: object, n_rows: int, *, source: str = "estimator.predict", remedy: str = _REMEDY
) -> np.ndarray:
    """Return predicted labels as an array of shape (n_rows,), after checking them.

    `source` is what messages say returned them, and `remedy` what turns scores into labels.
    """
    try:
        array = as_labels(labels, f"the output of {source}")
    except ValueError as error:
        raise ValueError(
            f"{error} If it holds the scores of classes, one column each, {remedy} takes the label "
            "of the largest."
        ) from None
    if len(array) != n_rows:
        raise ValueError(f"{source} returned {len(array)} labels for {n_rows} rows.")
    if array.dtype.kind == "f":
        # NaN differs from everything, so that one comparison finds it too.
        broken = array != np.rint(array)
        if broken.any():
            _refuse_numbers(array, broken, np.asarray(labels).shape, source, remedy)
    missing = _n_missing(array)
    if missing:
        raise ValueError(_missing(missing, n_rows, source))
    return array


def _refuse_numbers(
    labels: np.ndarray, broken: np.ndarray, shape: tuple[int, ...], source: str, remedy: str
) -> None:
    """Raise for predictions that are not whole numbers: nobody's label, but a score."""
    missing = int(np.isnan(labels).sum())
    if missing:
        raise ValueError(_missing(missing, len(labels), source))
    shown = ", ".join(f"{v:.4g}" for v in labels[broken][:3].tolist())
    inside = bool(((labels >= 0) & (labels <= 1)).all())
    raise ValueError(
        f"{source} returned numbers like {shown} where class labels are expected ({len(labels)} "
        f"of dtype {labels.dtype}, shape {shape}, from {labels.min():.4g} to {labels.max():.4g}). "
        f"They look like {'probabilities' if inside else 'scores'} of one class, and no threshold "
        f"is guessed. {remedy} makes labels of them, with a threshold."
    )


def _missing(n_missing: int, n_rows: int, source: str) -> str:
    return (
        f"{source} returned NaN or None for {n_missing} of {n_rows} rows; a class label is needed "
        "for each."
    )


def _n_missing(labels: np.ndarray) -> int:
    if labels.dtype.kind != "O":
        return 0
    # pandas has a third way to say it.
    return sum(
        v is None or (isinstance(v, float) and v != v) or type(v).__name__ == "NAType"
        for v in labels.tolist()
    )


def check_wanted_labels(estimator: object, wanted: np.ndarray, *predicted: np.ndarray) -> None:
    """Raise ValueError if a targeted attack is to reach labels that the model does not know.

    It knows those of its ``classes_``, if it has them, and those that it predicts.
    """
    coder, whose = LabelCoder(*predicted), "what it predicts for X and pool"
    if hasattr(estimator, "classes_"):
        classes = as_labels(estimator.classes_, "estimator.classes_")
        coder, whose = LabelCoder(classes, *predicted), f"its classes_ and {whose}"
    strange = list(dict.fromkeys(wanted[coder.encode(wanted) < 0].tolist()))
    if strange:
        shown = ", ".join(map(repr, strange[:5]))
        raise ValueError(
            f"y holds labels to reach that {type(estimator).__name__} does not know: {shown}. "
            f"Known are {coder.known}, {whose}."
        )

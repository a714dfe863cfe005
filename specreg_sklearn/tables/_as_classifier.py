"""A classifier made of a function, or of a model that gives scores and no labels."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, is_classifier

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.tables._labels import LabelCoder, as_labels
from specreg_sklearn.tables._predictions import Predict, checked
from specreg_sklearn.tables._setting_checks import check_number

Reading: TypeAlias = Literal["auto", "predict_proba", "decision_function", "predict"]
METHODS = ("predict_proba", "decision_function", "predict")


class WrappedClassifier:
    """What :func:`as_classifier` returns: ``predict`` and ``classes_`` for a model or function.

    It holds its settings only, so it pickles if `model` does.
    """

    def __init__(
        self,
        model: object,
        classes: np.ndarray,
        threshold: float | None,
        method: Reading,
        source: Predict,
        name: str,
    ) -> None:
        self.model, self.classes_ = model, classes
        self.threshold, self.method = threshold, method
        self._source, self._name = source, name
        for known in ("feature_names_in_", "n_features_in_"):
            if hasattr(model, known):
                setattr(self, known, getattr(model, known))

    def predict(self, X: Any) -> np.ndarray:
        """Return the labels of rows, of shape (n_samples,)."""
        output = self._source(X)
        if self.method == "predict":
            return self._labels(output)
        array = np.asarray(output)
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if self.method == "auto" and array.ndim == 1:
            # Labels are whole numbers, text or flags, and probabilities are neither.
            array = as_labels(array, f"the output of {self._name}")
            if array.dtype.kind != "f" or len(self.classes_) > 2:
                return self._labels(array)
        return self.classes_[self._codes(np.asarray(array, dtype=np.float64))]

    def _labels(self, output: object) -> np.ndarray:
        """Return labels that the model gave itself, after checking them."""
        n_rows = len(np.asarray(output))
        remedy = "as_classifier with method='auto'"
        labels = checked(output, n_rows, source=self._name, remedy=remedy)
        unknown = LabelCoder(self.classes_).encode(labels) < 0
        if unknown.any():
            strange = labels[unknown].tolist()[0]
            raise ValueError(
                f"{self._name} returned the label {strange!r}, which is not among "
                f"classes={self.classes_.tolist()}."
            )
        return labels

    def _codes(self, scores: FloatArray) -> np.ndarray:
        """Return the class of each row: that above the threshold, or that of the largest score."""
        n_classes = len(self.classes_)
        if np.isnan(scores).any():
            n_bad = int(np.isnan(scores.reshape(len(scores), -1)).any(axis=1).sum())
            raise ValueError(f"{self._name} returned NaN for {n_bad} of {len(scores)} rows.")
        if scores.ndim == 2 and scores.shape[1] == n_classes:
            if self.threshold is None:
                return scores.argmax(axis=1)
            return (scores[:, 1] > self.threshold).astype(np.intp)
        if scores.ndim != 1 or n_classes != 2:
            raise ValueError(
                f"{self._name} returned an array of shape {scores.shape} for the {n_classes} "
                f"classes {self.classes_.tolist()}; accepted: a column of scores for each, or, for "
                "two classes, one number a row."
            )
        if self.threshold is None and self.method != "decision_function":
            outside = (scores < 0) | (scores > 1)
            if outside.any():
                raise ValueError(
                    f"{self._name} returned {scores[outside][0]:.4g}, which is no probability. If "
                    "it returns scores, say method='decision_function' or give their threshold; "
                    "if it returns labels, method='predict'."
                )
        default = 0.0 if self.method == "decision_function" else 0.5
        return (scores > (default if self.threshold is None else self.threshold)).astype(np.intp)

    def __repr__(self) -> str:
        shown = f"as_classifier({self._name}, classes={self.classes_.tolist()}"
        if self.threshold is not None:
            shown += f", threshold={self.threshold!r}"
        return f"{shown}, method={self.method!r})"


def as_classifier(
    model: object,
    *,
    classes: ArrayLike,
    threshold: float | None = None,
    method: Reading = "auto",
) -> WrappedClassifier:
    """Make a classifier of a function, or of a model that returns scores instead of labels.

    Attacks and scores ask for ``predict``, and for labels. Networks of other libraries often return
    probabilities from it, and functions have no methods. This says what their answers stand for.

    Parameters
    ----------
    model : callable or object
        A function of rows, or an object with one of the methods ``predict_proba``,
        ``decision_function`` and ``predict``.
    classes : array-like of shape (n_classes,)
        The label of every column of the scores. Where there is one score a row, it is that of the
        second of two classes.
    threshold : float or None, default=None
        For two classes: a row is of the second class if its score is above. None is 0.5 for
        probabilities and 0 for a ``decision_function``; where there are two columns, the larger one
        decides.
    method : {"auto", "predict_proba", "decision_function", "predict"}, default="auto"
        The method of `model` to call. Of a function it says what is returned: probabilities, scores
        of any size, or labels. "auto" takes the first of these methods that an object has (a
        classifier of scikit-learn gives its own labels, unless there is a `threshold`), and calls
        what has none. What a function or ``predict`` returns is then read by its kind: whole
        numbers, text and flags are labels, other numbers are probabilities, and several columns are
        scores of the classes.

    Returns
    -------
    classifier
        With a method ``predict`` and the attribute ``classes_``. It pickles if `model` does.

    Raises
    ------
    TypeError
        If `model` is a class, or can be neither called nor asked.
    ValueError
        If a parameter is not accepted. ``predict`` raises it where the answers are no labels, or no
        scores of so many classes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from specreg_sklearn import as_classifier
    >>> from specreg_sklearn.metrics import robust_accuracy_score
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> def probability_of_benign(rows):
    ...     return 1 / (1 + np.exp(rows[:, [0]] - 15))
    >>> model = as_classifier(probability_of_benign, classes=[0, 1])
    >>> model.predict(X[:3])
    array([0, 0, 0])
    >>> score = robust_accuracy_score(model, X, y, eps=0.3, max_samples=20)
    >>> bool(0 < score < 1)
    True
    """
    labels = as_labels(classes, "classes")
    if len(labels) < 2 or LabelCoder(labels).n_classes < len(labels):
        raise ValueError(f"classes={labels.tolist()} must hold two or more different labels.")
    if method != "auto" and method not in METHODS:
        raise ValueError(f"method={method!r} is not one of {['auto', *METHODS]}.")
    if threshold is not None:
        check_number("threshold", threshold, -np.inf, closed="neither", accepted="a finite number")
    called, method = _what_to_call(model, method, threshold)
    if threshold is not None and (len(labels) != 2 or method == "predict"):
        scores = "labels" if method == "predict" else f"scores of {len(labels)} classes"
        raise ValueError(
            f"threshold={threshold!r} is for the scores of two classes, but what is read here are "
            f"{scores}."
        )
    name = getattr(model, "__name__", type(model).__name__)
    if called == "__call__":
        return WrappedClassifier(model, labels, threshold, method, cast("Predict", model), name)
    _check_order(model, labels, called)
    source = getattr(model, called)
    return WrappedClassifier(model, labels, threshold, method, source, f"{name}.{called}")


def _what_to_call(model: object, method: Reading, threshold: float | None) -> tuple[str, Reading]:
    """Return the name of the method to call, and how to read what it returns."""
    name = type(model).__name__
    if isinstance(model, type):
        raise TypeError(f"model={model.__name__} is a class; pass a fitted instance.")
    found = [m for m in METHODS if callable(getattr(model, m, None))]
    if method in found:
        return method, method
    if method != "auto" and found:
        raise TypeError(f"model={name} has no method {method}, but {' and '.join(found)}.")
    if not found:
        if not callable(model):
            raise TypeError(
                f"model={name} is no function and has none of the methods {', '.join(METHODS)}."
            )
        return "__call__", method
    labelled = isinstance(model, BaseEstimator) and is_classifier(model)
    called = "predict" if labelled and threshold is None and "predict" in found else found[0]
    # What a predict returns shows when it is called, unless it is known to be labels.
    return called, cast("Reading", "auto" if called == "predict" and not labelled else called)


def _check_order(model: object, classes: np.ndarray, called: str) -> None:
    """Raise if columns are in another order than the labels that shall stand for them."""
    own = getattr(model, "classes_", None)
    if own is None or called == "predict":
        return
    own = as_labels(own, f"{type(model).__name__}.classes_")
    if own.tolist() != classes.tolist() and set(own.tolist()) == set(classes.tolist()):
        raise ValueError(
            f"classes={classes.tolist()} is in another order than "
            f"{type(model).__name__}.classes_={own.tolist()}, which its {called} follows."
        )

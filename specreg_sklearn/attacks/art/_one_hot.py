"""Predictions as ART wants them: numbers in, one row of class weights out."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from specreg_sklearn._typing import BoolArray, Classifier
from specreg_sklearn.tables import UNKNOWN, LabelCoder, Predict, ask


class OneHotPredictor:
    """What ART calls to get predictions: numbers in, one row of class weights out.

    A class rather than a function, so that it pickles. `classes` are in the order of the columns
    that are returned. `names` are the columns of the frames that the estimator takes, None for
    arrays; `whole` marks columns of whole numbers. `probabilities` is the estimator's
    ``predict_proba``, if they are to be returned.
    """

    def __init__(
        self,
        estimator: Classifier,
        classes: np.ndarray,
        *,
        names: list[Any] | None,
        whole: BoolArray | None,
        dtype: np.dtype,
        probabilities: Predict | None,
    ) -> None:
        self.estimator, self.classes_ = estimator, classes
        self.names, self.whole, self.dtype = names, whole, dtype
        self.probabilities = probabilities
        self._coder = LabelCoder(classes)
        self._column = np.argsort(self._coder.encode(classes))

    def rows(self, X: Any) -> Any:
        """Return rows as the estimator sees them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers, for example what an attack of ART returned.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_features)
            A frame if there are column names: of pandas if it is installed, else of polars.
        """
        X = np.array(X, dtype=self.dtype)
        if self.whole is not None:
            X[:, self.whole] = np.rint(X[:, self.whole])
        if self.names is None:
            return X
        whole = np.zeros(len(self.names), bool) if self.whole is None else self.whole
        cells = {}
        for j, name in enumerate(self.names):
            column = X[:, j]
            # An integer column cannot hold a missing value.
            exact = whole[j] and np.isfinite(column).all()
            cells[name] = column.astype(np.int64) if exact else column
        return _frame_library().DataFrame(cells)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Return class weights of shape (n_samples, n_classes), float32."""
        rows, every = self.rows(X), np.arange(len(X))
        labels = ask(self.estimator.predict, rows, len(X))
        codes = self._coder.encode(labels)
        if (codes == UNKNOWN).any():
            strange = labels[codes == UNKNOWN][0]
            raise ValueError(
                f"estimator.predict returned the label {strange!r}, which is not in its classes_."
            )
        predicted = self._column[codes]
        weights = np.zeros((len(X), len(self.classes_)), dtype=np.float32)
        if self.probabilities is None:
            weights[every, predicted] = 1
            return weights
        weights[:] = self.probabilities(rows)
        top = weights.argmax(axis=1)
        first, other = weights[every, top], weights[every, predicted]
        # Where both are equal, argmax would take the first.
        tied = (first == other) & (top != predicted)
        other[tied] = np.nextafter(other[tied], np.float32(-np.inf))
        weights[every, top], weights[every, predicted] = other, first
        return weights


def _frame_library() -> ModuleType:
    try:
        return import_module("pandas")
    except ImportError:
        return import_module("polars")

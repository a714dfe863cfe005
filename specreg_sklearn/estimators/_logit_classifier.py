"""What every classifier with one logit per class has in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin

from specreg_sklearn.tables import in_library_of


class LogitClassifierMixin(ClassifierMixin):
    """Labels, probabilities and decision values from the logits of a subclass."""

    classes_: NDArray[Any]

    @abstractmethod
    def _logits(self, X: Any) -> NDArray[np.floating]:
        """Return logits of shape (n_samples, n_classes) for rows that are not validated yet."""

    def decision_function(self, X: Any) -> NDArray[np.floating]:
        """Return the logits of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes the logit of ``classes_[1]`` minus that of ``classes_[0]``.
        """
        logits = self._logits(X)
        values = logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits
        return in_library_of(X, values)

    def predict_proba(self, X: Any) -> NDArray[np.floating]:
        """Return class probabilities: the softmax of the logits.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities in the order of `classes_`.
        """
        return in_library_of(X, softmax(self._logits(X), axis=1))

    def predict_log_proba(self, X: Any) -> NDArray[np.floating]:
        """Return the logarithms of the class probabilities, also of those that round to zero.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log-probabilities in the order of `classes_`.
        """
        return in_library_of(X, log_softmax(self._logits(X), axis=1))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the label of the largest logit of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels as given to `fit`.
        """
        codes = self._logits(X).argmax(axis=1)
        return in_library_of(X, self.classes_[codes])

    if TYPE_CHECKING:  # scikit-learn has it, and no types

        def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
            """Return the share of rows that are classified correctly."""

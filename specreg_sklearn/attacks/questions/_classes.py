"""Which column of a model's scores, or logits, belongs to which label."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from specreg_sklearn._typing import Classifier, IntArray
from specreg_sklearn.attacks.questions._oracle import Oracle
from specreg_sklearn.tables import UNKNOWN, as_labels


def classes_of(estimator: Classifier, source: str) -> np.ndarray:
    """Return the label that each column stands for, (n_classes,); `source` is what gives them.

    Raises NotFittedError, a ValueError, if the estimator is one of scikit-learn's kind and not
    fitted, and ValueError if it has no ``classes_``.
    """
    name = type(estimator).__name__
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        if isinstance(estimator, BaseEstimator):
            check_is_fitted(estimator)
        raise ValueError(
            f"estimator={name} has no attribute classes_, which says what the columns of "
            f"{source} stand for."
        )
    return as_labels(classes, f"{name}.classes_")


def columns_of_labels(oracle: Oracle, classes: np.ndarray) -> IntArray:
    """Return the column of each row's label, (n,); -1 where no column stands for it."""
    codes = oracle.coder.encode(classes).tolist()
    place = {code: j for j, code in enumerate(codes) if code != UNKNOWN}
    return np.array([place.get(code, -1) for code in oracle.labels.tolist()], dtype=np.int64)

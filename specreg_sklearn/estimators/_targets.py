"""Labels and weights on their way into a fit."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from specreg_sklearn._sklearn_compat import check_sample_weight


class TrainingRows(NamedTuple):
    """Rows that take part in a fit: those of positive weight.

    `codes` index into `classes`; `weights` hold sample weight times class weight.
    """

    X: np.ndarray
    codes: np.ndarray
    weights: np.ndarray
    classes: np.ndarray


def training_rows(
    X: np.ndarray,
    y: np.ndarray,
    sample_weight: Any = None,
    class_weight: dict[Any, float] | str | None = None,
) -> TrainingRows:
    """Encode labels, check weights, and drop rows that weigh nothing.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Validated rows.
    y : ndarray of shape (n_samples,)
        Labels of any kind.
    sample_weight : array-like of shape (n_samples,) or None
        Non-negative weights.
    class_weight : dict, "balanced" or None
        As in scikit-learn's classifiers. "balanced" counts rows by their weight.

    Returns
    -------
    TrainingRows
        The rows of positive weight.

    Raises
    ------
    ValueError
        If `y` is not a classification target, holds fewer than two classes, or if a weight is
        negative or all are zero.
    """
    check_classification_targets(y)
    weights = check_sample_weight(sample_weight, X)
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    counted = weights > 0
    if not counted.all():
        X, y, weights = X[counted], y[counted], weights[counted]
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"y has one class, {classes[0]!r}, among the rows of positive weight; "
            "a classifier needs at least two classes."
        )
    if class_weight is not None:
        weights = weights * _class_factors(class_weight, classes, codes, weights)[codes]
    return TrainingRows(X, codes, weights, classes)


def _class_factors(
    class_weight: dict[Any, float] | str,
    classes: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    if class_weight == "balanced":
        # As compute_class_weight, but a row of weight 2 counts as two rows.
        mass = np.bincount(codes, weights=weights)
        return mass.sum() / (len(classes) * mass)
    return compute_class_weight(class_weight, classes=classes, y=classes[codes])

"""Labels and weights on their way into a fit."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from specreg_sklearn._sklearn_compat import check_sample_weight
from specreg_sklearn.estimators._unlabelled import UNLABELLED, find_labelled


class TrainingRows(NamedTuple):
    """Rows that take part in a fit: those of positive weight.

    `codes` index into `classes`, and are -1 for unlabelled rows; `weights` hold sample weight times
    class weight, and `labelled_share` is the part of their sum that lies on labelled rows.
    """

    X: np.ndarray
    codes: np.ndarray
    weights: np.ndarray
    classes: np.ndarray
    labelled_share: float = 1.0


def training_rows(
    X: np.ndarray,
    y: np.ndarray,
    sample_weight: Any = None,
    class_weight: dict[Any, float] | str | None = None,
    objective: Any = None,
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
        As in scikit-learn's classifiers. "balanced" counts rows by their weight. Unlabelled rows
        have no class weight.
    objective : Objective or None
        Says whether the label -1 marks unlabelled rows. None: it is a class like any other.

    Returns
    -------
    TrainingRows
        The rows of positive weight.

    Raises
    ------
    ValueError
        If `y` is not a classification target, holds fewer than two classes or unlabelled rows
        that the objective cannot use, or if a weight is negative or all are zero.
    """
    weights = check_sample_weight(sample_weight, X)
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    counted = weights > 0
    if not counted.all():
        X, y, weights = X[counted], y[counted], weights[counted]
    labelled = np.ones(len(y), dtype=bool) if objective is None else find_labelled(y, objective)
    check_classification_targets(y[labelled])
    classes, known_codes = np.unique(y[labelled], return_inverse=True)
    if len(classes) < 2:
        hint = "" if labelled.all() else f" With objective={objective!r} -1 means unlabelled."
        raise ValueError(
            f"y has one class, {classes[0]!r}, among the rows of positive weight; "
            f"a classifier needs at least two classes.{hint}"
        )
    if class_weight is not None:
        factors = _class_factors(class_weight, classes, known_codes, weights[labelled])
        of_rows = np.ones(len(y))
        of_rows[labelled] = factors[known_codes]
        weights = weights * of_rows
    if labelled.all():
        return TrainingRows(X, known_codes, weights, classes)
    codes = np.full(len(y), UNLABELLED)
    codes[labelled] = known_codes
    return TrainingRows(X, codes, weights, classes, weights[labelled].sum() / weights.sum())


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

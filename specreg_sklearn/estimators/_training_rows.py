"""Labels and weights on their way into a fit.

The label -1 marks rows without a label for objectives that use them; else it is a class, or a
mistake.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from specreg_sklearn._sklearn_compat import check_sample_weight
from specreg_sklearn.objectives import Objective
from specreg_sklearn.tables import check_number, stacklevel_of_caller

UNLABELLED = -1
_LABELS_OF_A_SCALE = (-1, 0, 1)
# Sums of weights up to this power of two stay inside the range of float32.
_LARGEST_EXPONENT = 60

ClassWeight: TypeAlias = dict[Any, float] | Literal["balanced"] | None


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
    sample_weight: ArrayLike | None = None,
    class_weight: ClassWeight = None,
    objective: Objective | None = None,
    *,
    all_classes: np.ndarray | None = None,
) -> TrainingRows:
    """Encode labels, check weights, and drop rows that weigh nothing.

    `all_classes`, sorted, are those of a model that sees the rows in parts: then not all of them
    need to be there. Without, the classes are those of `y`.

    "balanced" counts rows by their weight; unlabelled rows have no class weight. The objective says
    whether the label -1 marks unlabelled rows; without one it is a class like any other. ValueError
    if `y` holds fewer than two classes or unlabelled rows that the objective cannot use.
    """
    weights = check_sample_weight(sample_weight, X)
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    X, y, weights = _counted(X, y, weights)
    weights = weights.astype(X.dtype)
    labelled = np.ones(len(y), dtype=bool) if objective is None else _find_labelled(y, objective)
    check_classification_targets(y[labelled])
    classes, known_codes = np.unique(y[labelled], return_inverse=True)
    if all_classes is not None:
        known_codes = _codes_among(all_classes, classes)[known_codes]
        classes = all_classes
    if len(classes) < 2:
        hint = "" if labelled.all() else f" With objective={objective!r} -1 means unlabelled."
        raise ValueError(
            f"y has one class, {classes[0]!r}, among the rows of positive weight; "
            f"a classifier needs at least two classes.{hint}"
        )
    codes = np.full(len(y), UNLABELLED)
    codes[labelled] = known_codes
    if class_weight is not None:
        factors = _class_factors(class_weight, classes, known_codes, weights[labelled])
        of_rows = np.ones(len(y))
        of_rows[labelled] = factors[known_codes]
        X, codes, weights = _counted(X, codes, weights * of_rows)
        labelled = codes >= 0
    if labelled.all():
        return TrainingRows(X, codes, weights, classes)
    return TrainingRows(X, codes, weights, classes, weights[labelled].sum() / weights.sum())


def _codes_among(all_classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the places of labels among sorted classes; ValueError for one that is not there."""
    unseen = np.setdiff1d(labels, all_classes)
    if len(unseen):
        raise ValueError(
            f"y holds labels that are not among the classes of the model: {unseen.tolist()}. The "
            f"classes are {all_classes.tolist()}; all of them must be known from the start."
        )
    return np.searchsorted(all_classes, labels)


def _counted(
    X: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leave out the rows whose weight is zero, or vanishes beside the largest one in their dtype.

    A batch of nothing but such rows would have no mean.
    """
    exponent = np.frexp(weights.max())[1]
    if abs(exponent) > _LARGEST_EXPONENT:  # a power of two changes no digit
        weights = np.ldexp(weights, -exponent)
    counted = weights >= np.finfo(X.dtype).tiny
    if not counted.all():
        X, labels, weights = X[counted], labels[counted], weights[counted]
    return X, labels, weights


def _class_factors(
    class_weight: dict[Any, float] | Literal["balanced"],
    classes: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    if isinstance(class_weight, str):  # "balanced"
        # As compute_class_weight, but a row of weight 2 counts as two rows.
        mass = np.bincount(codes, weights=weights, minlength=len(classes))
        seen = mass > 0
        return np.divide(mass.sum(), seen.sum() * mass, out=np.ones(len(mass)), where=seen)
    for label, factor in class_weight.items():
        check_number(
            f"class_weight[{label!r}]", factor, 0, accepted="a finite number of at least 0"
        )
    factors = compute_class_weight(class_weight, classes=classes, y=classes[codes])
    counted = classes[factors > 0]
    if len(counted) < 2:
        raise ValueError(
            f"class_weight={class_weight!r} leaves {len(counted)} class of positive weight among "
            f"the classes of y, {classes.tolist()}; a classifier needs at least two."
        )
    return factors


def _find_labelled(y: np.ndarray, objective: Objective) -> np.ndarray:
    """Return which rows have a label, as the objective reads them: bool, of shape (n_samples,).

    Where ``objective.uses_unlabelled``, the label -1 marks a row without a label. Elsewhere -1 is a
    class, unless the other labels show that it is not meant as one: that raises ValueError, or
    warns where the labels are -1, 0 and 1 and nothing tells.
    """
    if getattr(objective, "uses_unlabelled", False):
        if y.dtype.kind in "US" and (y.astype(str) == str(UNLABELLED)).any():
            raise ValueError(
                f"y holds the string '-1'. With objective={objective!r} unlabelled rows have the "
                "integer label -1; beside labels that are strings, give y the dtype object: "
                "np.array(['a', 'b', -1], dtype=object)."
            )
        labelled = ~_is_unlabelled(y)
        if not labelled.any():
            raise ValueError("y has no labelled row: every label is -1, which means unlabelled.")
        return labelled
    _refuse_unlabelled(y, objective)
    return np.ones(len(y), dtype=bool)


def _is_unlabelled(y: np.ndarray) -> np.ndarray:
    if y.dtype.kind == "O":
        # Elementwise: comparing an array that holds strings with a number may give one False.
        texts = str, bytes
        return np.array([not isinstance(y_i, texts) and bool(y_i == UNLABELLED) for y_i in y])
    if y.dtype.kind not in "if":
        return np.zeros(len(y), dtype=bool)
    return y == UNLABELLED


def _refuse_unlabelled(y: np.ndarray, objective: Objective) -> None:
    """Raise where -1 stands beside strings, or beside the codes 0, 1, 2, ..., of other classes."""
    unlabelled = _is_unlabelled(y)
    if not unlabelled.any():
        return
    others = y[~unlabelled]
    if any(isinstance(label, str) for label in others):
        beside = "labels that are strings"
    else:
        if y.dtype.kind == "O":
            return
        classes = np.unique(others)
        if tuple(classes) == _LABELS_OF_A_SCALE[1:]:
            warnings.warn(
                "y holds -1 beside 0 and 1. It is taken for a class of its own, since "
                f"objective={objective!r} uses no unlabelled rows. If it means 'unlabelled', use "
                "an objective such as 'vat', or leave these rows out.",
                UserWarning,
                stacklevel=stacklevel_of_caller(),
            )
        if len(classes) < 3 or not np.array_equal(classes, np.arange(len(classes))):
            return  # a class, as in {-1, 1}
        beside = f"the labels 0 to {len(classes) - 1}"
    raise ValueError(
        f"y holds the label -1 in {np.count_nonzero(unlabelled)} rows beside {beside}, which marks "
        f"unlabelled rows, and objective={objective!r} cannot use them. Take an objective that "
        "can, such as 'vat', or leave these rows out; if -1 is a class, give it another label."
    )

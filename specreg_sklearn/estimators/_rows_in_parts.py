"""Rows that reach an encoder beside the ones of `fit`: parts of them, and held-out ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import validate_data

from specreg_sklearn.estimators._input_shape import flat_rows
from specreg_sklearn.estimators._training_rows import TrainingRows, training_rows
from specreg_sklearn.objectives import Objective
from specreg_sklearn.tables import as_numpy

if TYPE_CHECKING:
    from specreg_sklearn.estimators._encoder import SpectrallyRegularizedEncoder


def classes_of_parts(
    encoder: SpectrallyRegularizedEncoder, classes: ArrayLike | None
) -> NDArray[Any]:
    """Return the sorted classes of a model that sees its rows in parts.

    ValueError if the first call does not name them, or a later one names others, and for a setting
    that needs all rows at once.
    """
    if isinstance(encoder.class_weight, str):
        raise ValueError(
            f"partial_fit cannot use class_weight={encoder.class_weight!r}: shares of classes are "
            "those of all rows, and it sees a part. Give the weights as a dict, or sample_weight."
        )
    if isinstance(encoder.alpha, str) and not hasattr(encoder, "alpha_"):
        raise ValueError(
            f"partial_fit cannot choose alpha={encoder.alpha!r} from a part of the rows. Give "
            "alpha a number, or call fit first, and its choice is kept."
        )
    known = getattr(encoder, "classes_", None)
    if classes is None:
        if known is None:
            raise ValueError(
                "classes is missing: the first call of partial_fit needs all labels that will ever "
                "occur, such as classes=np.unique(y_all)."
            )
        return known
    given = np.unique(classes)
    if known is not None and not np.array_equal(given, known):
        raise ValueError(
            f"classes={given.tolist()} are not those of the first call, {known.tolist()}; they "
            "cannot change. Leave classes out, or fit a new encoder."
        )
    if len(given) < 2:
        raise ValueError(f"classes={given.tolist()} must hold at least two labels.")
    return given


def held_out_rows(
    encoder: SpectrallyRegularizedEncoder,
    X_val: Any,
    y_val: Any,
    rows: TrainingRows,
    objective: Objective,
) -> TrainingRows | None:
    """Return the rows that the user has held out; None for no such rows.

    ValueError if one of `X_val` and `y_val` is missing, if early stopping is off, and if columns or
    labels are not those of the training rows.
    """
    if X_val is None and y_val is None:
        return None
    if X_val is None or y_val is None:
        missing = "X_val" if X_val is None else "y_val"
        raise ValueError(f"{missing} is missing: X_val and y_val go together.")
    if not encoder.early_stopping:
        raise ValueError(
            "X_val and y_val are for early stopping, which is off: set early_stopping=True, or "
            "leave them out."
        )
    try:
        X, _ = flat_rows(X_val)
        X, y = validate_data(encoder, X, as_numpy(y_val), reset=False, dtype=rows.X.dtype)
        found = training_rows(X, y, None, encoder.class_weight, objective, all_classes=rows.classes)
    except ValueError as error:
        raise ValueError(f"X_val and y_val do not fit X and y: {error}") from error
    labelled = found.codes >= 0  # others cannot be scored
    X, codes, weights = found.X[labelled], found.codes[labelled], found.weights[labelled]
    return TrainingRows(X, codes, weights, found.classes)

"""Rows, labels and units on their way into a diagnostic."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn.inspection.model._view import ModelView
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import (
    LabelCoder,
    as_table,
    as_targets,
    check_fitted_columns,
    columns_read,
    complete_rows,
    places_of,
)


def rows_of(view: ModelView, X: Any) -> np.ndarray:
    """Return the rows of `X` in float64, in the columns that the model was fitted on.

    Raises
    ------
    ValueError
        If `X` has other columns than the model, or holds NaN or infinity.
    TypeError
        If a column that the model reads does not hold numbers.
    """
    table = as_table(X)
    check_fitted_columns(view.estimator, table)
    place = places_of(view.estimator, view.n_inputs, table)
    stages = getattr(view.parts[0], "stages", None) or [None]
    return complete_rows(table, place, columns_read(stages[0], len(place)), purpose="diagnostics")


def codes_of(classes: np.ndarray, y: Any, n_rows: int) -> np.ndarray:
    """Return the position of every label in a model's ``classes_``.

    Raises
    ------
    ValueError
        If `y` has another length than `X`, or holds labels that the model does not know.
    """
    labels = as_targets(y, n_rows)
    coder = LabelCoder(labels, classes)
    place = {int(code): k for k, code in enumerate(coder.encode(classes))}
    codes = coder.encode(labels)
    unknown = sorted({str(label) for label, c in zip(labels, codes, strict=True) if c not in place})
    if unknown:
        raise ValueError(
            f"y holds labels that the model was not fitted on: {', '.join(unknown[:5])}. Its "
            f"classes are {classes.tolist()}."
        )
    return np.array([place[int(code)] for code in codes], dtype=np.int64)


def targets_of(view: ModelView, rows: np.ndarray, y: Any) -> np.ndarray:
    """Return class codes of the labels, or of the predictions where `y` is None."""
    if y is not None:
        return codes_of(view.classes, y, len(rows))
    return np.asarray(view.evaluate(view.logits, rows).argmax(axis=1))


def units_of(view: ModelView, X: Any, scale: Any) -> np.ndarray:
    """Return the unit of every column that the model reads; 0 for columns that cannot move.

    As elsewhere in this library, a column that does not vary has no unit by "std" or "range" and is
    taken not to move.
    """
    if isinstance(scale, str) and scale not in ("std", "range"):
        raise ValueError(
            f"scale={scale!r} is not one of 'std', 'range', None, a number or an array."
        )
    space = FeatureSpace.from_data(
        X, bounds="data" if isinstance(scale, str) else None, scale=scale
    )
    movable = np.zeros(len(space.scale), dtype=bool)
    movable[space.movable] = True
    units = np.where(movable, space.scale, 0.0)[
        places_of(view.estimator, view.n_inputs, as_table(X))
    ]
    if not units.any():
        raise ValueError("No column of X can move: none of those that the model reads varies.")
    return np.asarray(units)

"""Rows, labels and units on their way into a diagnostic."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn.attacks import FeatureSpace
from specreg_sklearn.attacks._checks import check_fitted_columns
from specreg_sklearn.attacks._labels import LabelCoder, as_targets
from specreg_sklearn.attacks._space_options import column_label
from specreg_sklearn.attacks._tables import CATEGORICAL, Table, as_table
from specreg_sklearn.inspection._views import ModelView


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
    place = _places(view, table)
    read = _is_read(view, len(place))
    rows = np.zeros((table.n_rows, len(place)))
    for j, column in enumerate(place.tolist()):
        if not read[j]:
            continue
        if table.kind(column) == CATEGORICAL and not _is_flag(table, column):
            raise TypeError(
                f"Column {column_label(column, table.names)} of X does not hold numbers; "
                "diagnostics are for numeric columns."
            )
        rows[:, j] = table.numbers(np.array([column]))[:, 0]
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=0))
    if bad.size:
        column = int(place[bad[0]])
        kind = "NaN" if np.isnan(rows[:, bad[0]]).any() else "infinity"
        raise ValueError(
            f"Input X contains {kind} in column {column_label(column, table.names)}; diagnostics "
            "need complete, finite rows."
        )
    return rows


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
    bounds = "data" if isinstance(scale, str) else None
    space = FeatureSpace.from_data(X, bounds=bounds, scale=scale)
    movable = np.zeros(len(space.scale), dtype=bool)
    movable[space.movable] = True
    units = np.where(movable, space.scale, 0.0)[_places(view, as_table(X))]
    if not units.any():
        raise ValueError("No column of X can move: none of those that the model reads varies.")
    return np.asarray(units)


def _places(view: ModelView, table: Table) -> np.ndarray:
    """Return the column of the table that each input column of the model is."""
    fitted = getattr(view.estimator, "feature_names_in_", None)
    if fitted is not None and table.names is not None:
        # A ColumnTransformer lets a frame have columns that it never saw.
        return np.array([table.names.index(name) for name in list(fitted)])
    if view.n_inputs is not None and table.n_columns != view.n_inputs:
        raise ValueError(
            f"X has {table.n_columns} features, but {type(view.estimator).__name__} is expecting "
            f"{view.n_inputs} features as input."
        )
    return np.arange(table.n_columns)


def _is_read(view: ModelView, n_columns: int) -> np.ndarray:
    """Return which columns the first step looks at; others may hold anything."""
    stages = getattr(view.parts[0], "stages", [])
    weight = getattr(stages[0], "weight", None) if stages else None
    if weight is not None and weight.ndim == 2:
        return np.asarray((weight != 0).any(axis=0))
    return np.ones(n_columns, dtype=bool)


def _is_flag(table: Table, column: int) -> bool:
    """Return whether a column is bool, under the name that its container has for that."""
    dtypes = getattr(table.data, "dtypes", None)
    dtype = table.data.dtype if dtypes is None else list(dtypes)[column]
    return "bool" in str(dtype).lower()

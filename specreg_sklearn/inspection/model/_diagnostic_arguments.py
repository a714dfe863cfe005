"""What a user passes to a diagnostic: rows, labels, units, sizes, names of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import Eps, FloatArray, Scale
from specreg_sklearn.inspection.model._view import ModelView
from specreg_sklearn.metrics.measurement import read_grid
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
    """Return the rows of `X` in float64, in the columns that the model was fitted on."""
    table = as_table(X)
    check_fitted_columns(view.estimator, table)
    place = places_of(view.estimator, view.n_inputs, table)
    stages = getattr(view.parts[0], "stages", None) or [None]
    return complete_rows(table, place, columns_read(stages[0], len(place)), purpose="diagnostics")


def codes_of(classes: np.ndarray, y: Any, n_rows: int) -> np.ndarray:
    """Return the position of every label in a model's ``classes_``; others raise."""
    labels = as_targets(y, n_rows)
    codes, unknown = places_in(classes, labels)
    if unknown:
        raise ValueError(
            f"y holds labels that the model was not fitted on: {', '.join(unknown[:5])}. Its "
            f"classes are {classes.tolist()}."
        )
    return codes


def places_in(classes: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return the position of every label among the classes, and the labels that are not there."""
    coder = LabelCoder(labels, classes)
    place = {int(code): k for k, code in enumerate(coder.encode(classes))}
    codes = coder.encode(labels)
    unknown = sorted({str(label) for label, c in zip(labels, codes, strict=True) if c not in place})
    return np.array([place.get(int(code), -1) for code in codes], dtype=np.int64), unknown


def targets_of(view: ModelView, rows: np.ndarray, y: Any) -> np.ndarray:
    """Return class codes of the labels, or of the predictions where `y` is None."""
    if y is not None:
        return codes_of(view.classes, y, len(rows))
    return np.asarray(view.evaluate(view.logits, rows).argmax(axis=1))


def units_of(view: ModelView, X: Any, scale: Scale) -> np.ndarray:
    """Return the unit of every column that the model reads; 0 for columns that cannot move.

    As elsewhere in this library, a column that does not vary has no unit by its spread and is taken
    not to change.
    """
    by_name = isinstance(scale, (str, Mapping))
    space = FeatureSpace.from_data(X, bounds="data" if by_name else None, scale=scale)
    movable = np.zeros(len(space.scale), dtype=bool)
    movable[space.movable] = True
    places = places_of(view.estimator, view.n_inputs, as_table(X))
    units = np.where(movable, space.scale, 0.0)[places]
    if not units.any():
        raise ValueError("No column of X can move: none of those that the model reads varies.")
    return np.asarray(units)


def check_positive(value: object, parameter: str) -> float:
    """Return a size that must be a positive, finite number."""
    if isinstance(value, (Real, np.number)) and not isinstance(value, (bool, np.bool_)):
        if 0 < float(value) < np.inf:
            return float(value)
    raise ValueError(f"{parameter}={value!r} is not accepted; give a positive, finite number.")


def check_positive_grid(values: Eps, parameter: str) -> tuple[FloatArray, bool]:
    """Return one or several positive sizes as an increasing array, and whether it was several."""
    return read_grid(
        values, parameter, partial(check_positive, parameter=parameter), "positive number"
    )


def as_numbers(
    values: ArrayLike, parameter: str, *, length: int | None = None, of: str = ""
) -> np.ndarray:
    """Return numbers as a 1-D float64 array, of the length of another one if that is given."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{parameter} must hold numbers.") from error
    if array.ndim != 1 or not len(array):
        raise ValueError(
            f"{parameter} has shape {array.shape}; a list of at least one number is needed."
        )
    if length is not None and len(array) != length:
        raise ValueError(f"{parameter} has {len(array)} entries, but {of} has {length}.")
    return array


def check_numbers(values: ArrayLike, parameter: str) -> np.ndarray:
    """Return margins or the like as a 1-D float64 array without NaN."""
    array = as_numbers(values, parameter)
    if np.isnan(array).any():
        raise ValueError(f"{parameter} holds NaN in {int(np.isnan(array).sum())} rows.")
    return array


def check_layer_names(
    layers: str | Sequence[str] | None, known: list[str], model: str
) -> list[str]:
    """Return the names of the layers asked for, all of them for None, in the model's order."""
    if layers is None:
        return known
    wanted = [layers] if isinstance(layers, str) else list(layers)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(f"layers={layers!r}: {model} has no layer {unknown[0]!r}, only {known}.")
    return [name for name in known if name in wanted]

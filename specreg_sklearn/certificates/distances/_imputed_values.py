"""What imputers put into gaps: a row with a gap is, to the model, the row with that number."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline

from specreg_sklearn._typing import FloatArray

# Any number will do for a column that nobody reads.
_NOBODY = 0.0


def imputed_values(steps: list[Any], n_columns: int) -> FloatArray:
    """Return the number that stands for a gap of each column, (n_columns,); NaN if none is known.

    It is known where the first step that sees a column is a `SimpleImputer` that leaves no mark, on
    every way that the column takes through the steps.
    """
    return _of_step(steps[0], n_columns) if steps else np.full(n_columns, np.nan)


def _of_step(step: Any, n: int) -> FloatArray:
    unknown = np.full(n, np.nan)
    if isinstance(step, FrozenEstimator):
        return _of_step(step.estimator, n)
    if type(step) is Pipeline:
        inner = [s for _, s in step.steps if s is not None and not isinstance(s, str)]
        return imputed_values(inner, n)
    if type(step) is SimpleImputer:
        return _of_imputer(step, n)
    if type(step) is FeatureUnion:
        parts = [(s, np.arange(n)) for _, s in step.transformer_list if s != "drop"]
    elif type(step) is ColumnTransformer and step.n_features_in_ == n:
        places = step._transformer_to_input_indices
        parts = [(s, np.asarray(places[name])) for name, s, _ in step.transformers_ if s != "drop"]
    else:
        return unknown
    values, seen = np.full(n, _NOBODY), np.zeros(n, dtype=bool)
    for inner, columns in parts:
        mine = unknown[columns] if isinstance(inner, str) else _of_step(inner, len(columns))
        # What two parts take for different numbers has no number.
        agreed = np.where(seen[columns] & (values[columns] != mine), np.nan, mine)
        values[columns], seen[columns] = agreed, True
    return values


def _of_imputer(step: SimpleImputer, n: int) -> FloatArray:
    missing = step.missing_values
    marks_with_nan = missing is None or missing != missing or type(missing).__name__ == "NAType"
    try:
        values = np.asarray(step.statistics_, dtype=np.float64)
    except (TypeError, ValueError):  # words
        return np.full(n, np.nan)
    if step.add_indicator or not marks_with_nan or values.shape != (n,):
        return np.full(n, np.nan)
    # Columns that were empty in fit are dropped, unless they are kept.
    return values if step.keep_empty_features else np.where(np.isnan(values), _NOBODY, values)

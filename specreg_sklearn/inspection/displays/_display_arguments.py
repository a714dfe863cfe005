"""What a user passes to a display: words, named estimators, scores, rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import Classifier
from specreg_sklearn.inspection.model import as_numbers, places_in
from specreg_sklearn.tables import as_labels


def check_dict(values: object, parameter: str, contents: str) -> None:
    """Raise ValueError unless something is a dict that is not empty."""
    if not isinstance(values, Mapping) or not values:
        raise ValueError(f"{parameter}={values!r} is not accepted; give a dict from {contents}.")


def one_of(value: object, accepted: Sequence[str], parameter: str) -> None:
    """Raise ValueError unless a word is known."""
    if not isinstance(value, str) or value not in accepted:
        raise ValueError(f"{parameter}={value!r} is not one of {list(accepted)}.")


def named_estimators(
    estimators: Mapping[str, Classifier] | Sequence[tuple[str, Classifier]],
) -> dict[str, Classifier]:
    """Return estimators by name, from a mapping or from pairs as a pipeline lists its steps."""
    if isinstance(estimators, Mapping):
        return dict(estimators)
    try:
        pairs = [(name, estimator) for name, estimator in estimators]
    except (TypeError, ValueError):
        pairs = []
    names = [name for name, _ in pairs]
    if not pairs or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"estimators={estimators!r} is not accepted; give a dict from name to fitted "
            "estimator, or a list of such pairs."
        )
    if len(set(names)) < len(names):
        raise ValueError(f"estimators holds the same name twice: {names}.")
    return dict(pairs)


def scores_and_codes(
    y_true: ArrayLike, y_score: ArrayLike, classes: ArrayLike | None, parameter: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores with one column per class, and the column of every true label."""
    truth = as_labels(y_true, "y_true")
    scores = np.asarray(y_score, dtype=np.float64)
    if scores.ndim not in (1, 2):
        raise ValueError(f"{parameter} has shape {scores.shape}; one row per label is needed.")
    if scores.ndim == 2 and scores.shape[1] == 1:
        scores = scores[:, 0]
    if len(scores) != len(truth):
        raise ValueError(f"y_true has {len(truth)} labels, but {parameter} has {len(scores)} rows.")
    if not np.isfinite(scores).all():
        raise ValueError(f"{parameter} holds NaN or infinity.")
    known = np.unique(truth) if classes is None else as_labels(classes, "classes")
    n_columns = 2 if scores.ndim == 1 else scores.shape[1]
    if len(known) != n_columns:
        source = "y_true holds" if classes is None else "classes holds"
        raise ValueError(
            f"{source} {len(known)} classes, but {parameter} has scores of {n_columns}. Give the "
            "label of every column as classes."
        )
    codes, unknown = places_in(known, truth)
    if unknown:
        raise ValueError(f"y_true holds labels that are not in classes: {', '.join(unknown[:5])}.")
    return scores, codes


def labels_of_rows(values: ArrayLike, parameter: str, n_rows: int) -> np.ndarray:
    array = as_labels(values, parameter)
    if len(array) != n_rows:
        raise ValueError(f"{parameter} has {len(array)} labels, but X has {n_rows} rows.")
    return array


def column_units(scale: ArrayLike | None, n_columns: int) -> np.ndarray:
    if scale is None:
        return np.ones(n_columns)
    units = as_numbers(scale, "scale", length=n_columns, of="X")
    if not ((units > 0) & np.isfinite(units)).all():
        raise ValueError("scale must hold positive, finite numbers.")
    return units


def checked_image_shape(shape: Sequence[int] | None, n_columns: int) -> tuple[int, ...] | None:
    if shape is None:
        return None
    sides = tuple(np.ravel(shape).tolist())
    good = len(sides) in (2, 3) and all(isinstance(v, int) and v > 0 for v in sides)
    if not good or int(np.prod(sides)) != n_columns or sides[:-2] not in ((), (1,), (3,)):
        raise ValueError(
            f"image_shape={shape!r} is not accepted; give (height, width) or (channels, height, "
            f"width) with 1 or 3 channels, whose product is the number of columns, {n_columns}."
        )
    return sides


def row_positions(rows: ArrayLike, n_rows: int) -> np.ndarray:
    places = np.asarray(rows)
    whole = places.ndim == 1 and len(places) > 0 and places.dtype.kind in "iu"
    if not whole or places.min() < 0 or places.max() >= n_rows:
        raise ValueError(f"rows={rows!r} is not accepted; give positions from 0 to {n_rows - 1}.")
    return places.astype(np.intp)

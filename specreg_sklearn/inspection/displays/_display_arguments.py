"""What a user passes to a display: words, named estimators, scores of the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import Classifier
from specreg_sklearn.inspection.model import places_in
from specreg_sklearn.tables import as_labels


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

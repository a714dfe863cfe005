"""Scores of the classes beside true labels, as a user passes them to a display."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn.tables import LabelCoder, as_labels


def scores_and_codes(
    y_true: Any, y_score: Any, classes: Any, parameter: str
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
    coder = LabelCoder(truth, known)
    place = {int(code): k for k, code in enumerate(coder.encode(known))}
    codes = coder.encode(truth)
    unknown = sorted({str(v) for v, code in zip(truth, codes, strict=True) if code not in place})
    if unknown:
        raise ValueError(f"y_true holds labels that are not in classes: {', '.join(unknown[:5])}.")
    return scores, np.array([place[int(code)] for code in codes])

"""What a model believes: log-probabilities of the classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import log_softmax
from sklearn.utils.validation import check_is_fitted

from specreg_sklearn.inspection.model import ModelView, rows_of

# How far a probability may be from the softmax of the logits and still be called that.
_SAME = 1e-4

LOGITS, PROBABILITIES = "logits", "predict_proba"


def log_probabilities(estimator: Any, X: Any) -> tuple[np.ndarray, np.ndarray, str]:
    """Return log-probabilities, the classes, and where the probabilities come from.

    Where `predict_proba` is the softmax of the logits, its logarithm is taken from the logits: a
    float32 probability rounds to 0 or 1 where a confident network still tells rows apart.

    Shapes are (n_samples, n_classes) and (n_classes,); the source is "logits" or "predict_proba".
    """
    has_own = callable(getattr(estimator, "predict_proba", None))
    if has_own and not isinstance(estimator, type):
        check_is_fitted(estimator)
    try:
        view = ModelView(estimator)
    except TypeError:
        if not has_own or isinstance(estimator, type):
            raise
        view = None
    if view is not None:
        from_logits = log_softmax(view.evaluate(view.logits, rows_of(view, X)), axis=1)
        if not has_own:
            return from_logits, view.classes, LOGITS
    own = estimator.predict_proba(X)
    if isinstance(own, list) or np.ndim(own) != 2:
        raise TypeError(
            f"{type(estimator).__name__} has no logits and no array of probabilities with one "
            "column per class: it was fitted on several labels per row."
        )
    own = np.asarray(own)
    if view is not None and np.abs(np.exp(from_logits) - own).max() <= _SAME:
        return from_logits, view.classes, LOGITS
    smallest = np.finfo(own.dtype if own.dtype.kind == "f" else np.float64).eps
    return (
        np.log(np.clip(own.astype(np.float64), smallest, 1.0)),
        np.asarray(estimator.classes_),
        PROBABILITIES,
    )

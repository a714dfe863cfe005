"""Where a classifier with a threshold of its own draws the line."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

from specreg_sklearn.certificates.pipelines._certified_estimator import NoCertificateError

# What two elementary functions may round by, relative to a probability.
_LINK_ERROR = 16 * 2.0**-53


class Cut(NamedTuple):
    """The line between two classes.

    Parameters
    ----------
    estimator : estimator
        The fitted binary classifier inside.
    method : {"predict_proba", "decision_function"}
        What is compared.
    threshold : float
        With what; at the threshold the label is the positive one.
    positive : int
        Position of the positive label in the classes.
    """

    estimator: Any
    method: str
    threshold: float
    positive: int

    def in_scores(self) -> tuple[float, float]:
        """Return the threshold of scores for ``classes_[1]``, and the blur of the link there.

        Probabilities are taken for the sigmoid of scores.

        Raises
        ------
        NoCertificateError
            If probabilities are compared with a number that is not between 0 and 1.
        """
        if self.method == "decision_function":
            return (self.threshold if self.positive == 1 else -self.threshold), 0.0
        share = self.threshold if self.positive == 1 else 1 - self.threshold
        if not 0 < share < 1:
            raise NoCertificateError(
                f"At the threshold {self.threshold!r} of probabilities a label hangs on how they "
                "round, so there is no certificate. Give a number between 0 and 1."
            )
        # The logit moves by the rounding of a probability over p (1 - p).
        return math.log(share / (1 - share)), _LINK_ERROR / (share * (1 - share))


def decision_cut(step: FixedThresholdClassifier | TunedThresholdClassifierCV) -> Cut:
    """Return where a fitted classifier with a threshold draws the line."""
    inside = getattr(step, "estimator_", step.estimator)
    method = step.response_method
    if method == "auto":
        method = "predict_proba" if hasattr(inside, "predict_proba") else "decision_function"
    if isinstance(step, TunedThresholdClassifierCV):
        threshold, label = step.best_threshold_, step._curve_scorer._get_pos_label()
    else:
        threshold, label = step.threshold, step.pos_label
        if threshold == "auto":
            threshold = 0.5 if method == "predict_proba" else 0.0
    classes = np.asarray(step.classes_)
    if len(classes) != 2:
        raise NoCertificateError(
            f"{type(step).__name__} has no certificate: it has {len(classes)} classes, and two are "
            "expected."
        )
    positive = 1 if label is None else int(np.flatnonzero(classes == label)[0])
    return Cut(inside, method, float(threshold), positive)

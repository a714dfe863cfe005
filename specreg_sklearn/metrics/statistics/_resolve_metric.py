"""From the name of a metric, or a function, to a score of labels."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from specreg_sklearn.metrics.statistics._label_metric import (
    Accuracy,
    ClassMetric,
    LabelMetric,
    OwnMetric,
)
from specreg_sklearn.tables import LabelCoder, as_labels

METRICS = ("accuracy", "balanced_accuracy", "recall", "precision", "f1")


def resolve_metric(
    metric: str | Callable[..., Any], truth: np.ndarray, known: np.ndarray, pos_label: object = None
) -> LabelMetric:
    """Return a metric for the labels at hand.

    Parameters
    ----------
    metric : str or callable
        One of `METRICS`, or a function ``(y_true, y_pred) -> float``.
    truth : ndarray of shape (n_rows,)
        True labels of the measured rows; means are taken over the classes among them.
    known : ndarray
        All labels that the data or the model knows.
    pos_label : object, default=None
        The class of recall, precision and f1. None takes 1 of two classes with this name, and the
        mean over all of more classes.

    Raises
    ------
    ValueError
        If the name is not known, or the class is not, or there are two classes and nobody says
        which.
    """
    check_metric(metric, pos_label)
    if not isinstance(metric, str):
        return OwnMetric(metric_name(metric), metric, takes_weights(metric))
    if metric == "accuracy":
        return Accuracy()
    present = _distinct(truth)
    if metric == "balanced_accuracy":
        return ClassMetric(metric, "recall", present)
    classes = _distinct(known)
    if pos_label is not None:
        places = LabelCoder(classes).encode(as_labels([pos_label], "pos_label"))
        if places[0] < 0:
            raise ValueError(
                f"pos_label={pos_label!r} is not a label that y or the estimator knows; these are "
                f"{_shown(classes)}."
            )
        return ClassMetric(metric, metric, as_labels([pos_label], "pos_label"))
    if len(classes) > 2:
        return ClassMetric(metric, metric, present)
    if len(classes) == 1:
        return ClassMetric(metric, metric, classes)
    if classes.dtype.kind not in "biuf" or not (classes == 1).any():
        raise ValueError(
            f"metric={metric!r} is that of one class where there are two, and neither is called 1: "
            f"{_shown(classes)}. Say which one by pos_label."
        )
    return ClassMetric(metric, metric, classes[classes == 1])


def check_metric(metric: object, pos_label: object = None) -> None:
    """Raise unless a metric is a name that is known, or a function."""
    if isinstance(metric, str):
        if metric not in METRICS:
            raise ValueError(
                f"metric={metric!r} is not known; accepted: {', '.join(map(repr, METRICS))}, or a "
                "function (y_true, y_pred) -> float."
            )
        if pos_label is not None and metric in ("accuracy", "balanced_accuracy"):
            raise ValueError(
                f"pos_label={pos_label!r} is given, but metric={metric!r} is about all classes. "
                "Leave it out, or take 'recall' for the accuracy on one class."
            )
    elif not callable(metric) or isinstance(metric, type):
        raise ValueError(
            f"metric={metric!r} is not accepted; give one of {', '.join(map(repr, METRICS))}, or a "
            "function (y_true, y_pred) -> float."
        )
    elif pos_label is not None:
        raise ValueError(
            f"pos_label={pos_label!r} is given, but metric={metric_name(metric)} is a function of "
            "its own. Bind it there, by functools.partial."
        )


def metric_name(metric: object) -> str:
    """Return how a metric is called."""
    return metric if isinstance(metric, str) else getattr(metric, "__name__", repr(metric))


def takes_weights(metric: str | Callable[..., Any]) -> bool:
    """Return whether a metric can weigh rows."""
    if isinstance(metric, str):
        return True
    try:
        return "sample_weight" in inspect.signature(metric).parameters
    except (TypeError, ValueError):  # built in, without a signature
        return False


def _distinct(labels: np.ndarray) -> np.ndarray:
    if labels.dtype.kind == "O":
        return as_labels(list(dict.fromkeys(labels.tolist())), "labels")
    return np.unique(labels)


def _shown(classes: np.ndarray) -> str:
    return ", ".join(map(repr, classes.tolist()[:10])) + (", ..." if len(classes) > 10 else "")

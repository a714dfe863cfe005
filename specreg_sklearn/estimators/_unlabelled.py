"""The label -1: rows without a label for objectives that use them, else a class or a mistake."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

UNLABELLED = -1
_MIXED_SCALE = (-1, 0, 1)


def find_labelled(y: np.ndarray, objective: Any) -> np.ndarray:
    """Return which rows have a label, as the objective reads them.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Labels of any kind.
    objective : Objective
        Where ``objective.uses_unlabelled``, the label -1 marks a row without a label. Elsewhere -1
        is a class, unless the other labels show that it is not meant as one.

    Returns
    -------
    ndarray of shape (n_samples,), bool
        All True where the objective uses labelled rows alone.

    Raises
    ------
    ValueError
        If there are unlabelled rows and the objective cannot use them, or all rows are unlabelled,
        or the label of unlabelled rows has become a string.

    Warns
    -----
    UserWarning
        If the labels are -1, 0 and 1 and nothing tells whether -1 is a class: it is taken for one.
    """
    if getattr(objective, "uses_unlabelled", False):
        _refuse_strings(y, objective)
        labelled = ~_is_unlabelled(y)
        if not labelled.any():
            raise ValueError("y has no labelled row: every label is -1, which means unlabelled.")
        return labelled
    _refuse_unlabelled(y, objective)
    return np.ones(len(y), dtype=bool)


def _is_unlabelled(y: np.ndarray) -> np.ndarray:
    if y.dtype.kind == "O":
        # Elementwise: comparing an array that holds strings with a number may give one False.
        return np.array([_is_minus_one(label) for label in y])
    if y.dtype.kind not in "if":
        return np.zeros(len(y), dtype=bool)
    return y == UNLABELLED


def _is_minus_one(label: Any) -> bool:
    return not isinstance(label, (str, bytes)) and bool(label == UNLABELLED)


def _refuse_strings(y: np.ndarray, objective: Any) -> None:
    if y.dtype.kind in "US" and (y.astype(str) == str(UNLABELLED)).any():
        raise ValueError(
            f"y holds the string '-1'. With objective={objective!r} unlabelled rows have the "
            "integer label -1; beside labels that are strings, give y the dtype object: "
            "np.array(['a', 'b', -1], dtype=object)."
        )


def _refuse_unlabelled(y: np.ndarray, objective: Any) -> None:
    """Raise where -1 stands beside strings, or beside the codes 0, 1, 2, ..., of other classes."""
    unlabelled = _is_unlabelled(y)
    if not unlabelled.any():
        return
    others = y[~unlabelled]
    if any(isinstance(label, str) for label in others):
        beside = "labels that are strings"
    else:
        if y.dtype.kind == "O":
            return
        classes = np.unique(others)
        if tuple(classes) == _MIXED_SCALE[1:]:
            warnings.warn(
                "y holds -1 beside 0 and 1. It is taken for a class of its own, since "
                f"objective={objective!r} uses no unlabelled rows. If it means 'unlabelled', use "
                "an objective such as 'vat', or leave these rows out.",
                UserWarning,
                stacklevel=6,
            )
        if len(classes) < 3 or not np.array_equal(classes, np.arange(len(classes))):
            return  # a class, as in {-1, 1}
        beside = f"the labels 0 to {len(classes) - 1}"
    raise ValueError(
        f"y holds the label -1 in {np.count_nonzero(unlabelled)} rows beside {beside}, which marks "
        f"unlabelled rows, and objective={objective!r} cannot use them. Take an objective that "
        "can, such as 'vat', or leave these rows out; if -1 is a class, give it another label."
    )

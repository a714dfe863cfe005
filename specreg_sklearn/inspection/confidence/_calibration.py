"""Whether confidence keeps what it promises."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn.inspection.model import check_numbers
from specreg_sklearn.tables import check_positive_int


def expected_calibration_error(confidence: Any, correct: Any, *, n_bins: int = 15) -> float:
    """Mean distance between confidence and accuracy, over bins of equal width.

    Parameters
    ----------
    confidence : array-like of shape (n_samples,)
        Probability that the model gives to its prediction, in [0, 1].
    correct : array-like of shape (n_samples,), bool
        Whether the prediction is right.
    n_bins : int, default=15
        Bins of the interval from 0 to 1. A row on the edge of two bins is in the lower one.

    Returns
    -------
    float
        The sum over bins of their share of rows times ``|mean confidence - accuracy|``.

    Raises
    ------
    ValueError
        If the lengths differ, or a confidence is not in [0, 1], or `correct` is not true or false.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017.

    Examples
    --------
    >>> from specreg_sklearn.inspection import expected_calibration_error
    >>> expected_calibration_error([0.5, 0.5, 0.5, 0.5], [True, True, False, False])
    0.0
    """
    sure = check_numbers(confidence, "confidence")
    hits = check_numbers(correct, "correct")
    if len(sure) != len(hits):
        raise ValueError(
            f"confidence has {len(sure)} entries and correct has {len(hits)}; one of each for "
            "every row is needed."
        )
    if sure.min() < 0 or sure.max() > 1 + 1e-9:
        raise ValueError(
            f"confidence lies between {sure.min():g} and {sure.max():g}; probabilities are needed."
        )
    if not np.isin(hits, (0.0, 1.0)).all():
        raise ValueError("correct holds other values than true and false.")
    n_bins = check_positive_int(n_bins, "n_bins")
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    places = np.searchsorted(edges[1:-1], sure, side="left")
    gaps = np.bincount(places, weights=sure - hits, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(sure))

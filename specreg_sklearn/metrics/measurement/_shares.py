"""From distances and radii of rows to the share of rows that withstand a size."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from specreg_sklearn._typing import BoolArray, Classifier, FloatArray
from specreg_sklearn.certificates.pipelines import CertifiedModel
from specreg_sklearn.metrics.measurement._measurement import Measurement
from specreg_sklearn.space import CONVEX_NORMS, check_norm
from specreg_sklearn.tables import same_labels, stacklevel_of_caller


def decided(distances: FloatArray, what: str, status: np.ndarray | None = None) -> BoolArray:
    """Return the mask of rows that count, and warn if they do not make a score.

    Rows on which the attack failed have distance inf. If every row that could be attacked is one of
    them, nothing is known about the model, and the mask is empty. Rows with the `status`
    "not_found" did not fail: they were searched to the end. Those with "certified" were proved.
    """
    known = np.isfinite(distances)
    if status is not None:
        known |= np.isin(status, ("not_found", "certified"))
    failed = int((~known).sum())
    attacked = int((distances > 0).sum())
    if failed and failed == attacked:
        warnings.warn(
            f"{what} is NaN: the attack found nothing on any of the {attacked} correctly "
            "classified rows, so robustness is undecided. Does the model predict one class only, "
            "or depend on immutable columns alone?",
            UserWarning,
            stacklevel=stacklevel_of_caller(),
        )
        return np.zeros(len(distances), dtype=bool)
    return known


def shares_beyond(
    distances: FloatArray, grid: FloatArray, what: str, status: np.ndarray | None = None
) -> FloatArray:
    """Return the share of decided rows that lie beyond each size of the grid."""
    known = decided(distances, what, status)
    shares = np.full(len(grid), np.nan)
    if known.any():
        shares = (distances[known][None, :] > grid[:, None]).mean(axis=1)
    # Without room to move every correct row is safe, the undecided ones included.
    shares[grid == 0] = np.mean(distances > 0 if status is None else status != "already_wrong")
    return shares


def radii_of_labels(
    estimator: Classifier, X: Any, y: Any, measurement: Measurement, caller: str
) -> tuple[FloatArray, BoolArray]:
    """Return the radii of the measured rows, and which of them are classified correctly."""
    norm = check_norm(measurement.norm, CONVEX_NORMS, caller)
    X_part, y_part = measurement.rows_of(X, y)
    model = CertifiedModel(estimator)
    radii, predicted = model.radii(X_part, measurement.space_of(X), norm=norm)
    return radii, same_labels(y_part, predicted)


def certified_shares(
    estimator: Classifier, X: Any, y: Any, grid: FloatArray, measurement: Measurement
) -> FloatArray:
    """Return the share of rows that are right and proved to stay so, for each size of the grid."""
    radii, right = radii_of_labels(estimator, X, y, measurement, "certified_accuracy_score")
    kept = np.where(grid[:, None] > 0, radii > grid[:, None], True) & right
    return np.asarray(kept.mean(axis=1))

"""From distances and radii of rows to the share of rows that withstand a size."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from specreg_sklearn._typing import BoolArray, Certify, Classifier, FloatArray
from specreg_sklearn.attacks import AttackResult
from specreg_sklearn.certificates.pipelines import CertifiedModel
from specreg_sklearn.metrics.measurement._measurement import Measurement, check_certify
from specreg_sklearn.metrics.measurement._proved_rows import proved_rows
from specreg_sklearn.space import CONVEX_NORMS, check_norm
from specreg_sklearn.tables import (
    ask,
    check_estimator,
    same_labels,
    stacklevel_of_caller,
    take_rows,
)


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


def robust_shares(
    estimator: Classifier,
    X: Any,
    y: Any,
    grid: FloatArray,
    measurement: Measurement,
    *,
    certify: Certify = "auto",
    verbose: int = 0,
) -> FloatArray:
    """Return the share of rows that withstand the attack, for each size of an increasing grid."""
    check_certify(certify)
    X_part, y_part = measurement.rows_of(X, y)
    attack = measurement.resolved_attack()
    sizes = grid[grid > 0]
    if not sizes.size:
        # Nothing can move: no attack is needed to know the answer.
        check_estimator(estimator)
        right = same_labels(y_part, ask(estimator.predict, X_part, len(y_part)))
        return np.full(grid.shape, right.mean())
    space = measurement.space_of(X)
    proved = proved_rows(
        certify, attack, estimator, X_part, y_part, eps=float(sizes[-1]), space=space, pool=X
    )
    distances = np.full(len(y_part), np.inf)
    status = np.full(len(y_part), "certified", dtype="<U14")
    rows = np.flatnonzero(~proved)
    if len(rows):
        n_jobs = measurement.n_jobs
        # A score of half the rows would be no score of all.
        run = partial(attack.run, estimator, pool=X, on_error="raise")
        run = partial(run, space=space, n_jobs=n_jobs, verbose=verbose)
        X_left = take_rows(X_part, rows) if proved.any() else X_part
        # The nearest rows, once found, answer for every size; a search within a size does not.
        sizes = sizes if attack._within_eps else sizes[:1]
        distances[rows], status[rows] = _attacked(run, X_left, y_part[rows], sizes)
    return shares_beyond(distances, grid, "robust_accuracy_score", status)


def _attacked(
    run: Callable[..., AttackResult], X: Any, y: np.ndarray, sizes: FloatArray
) -> tuple[FloatArray, np.ndarray]:
    """Return the distances and the status of all rows after an attack at each size.

    Rows that were found within one size are not attacked at the next.
    """
    result = run(X, y, eps=float(sizes[0]))
    distances, status = result.distances, result.status
    for eps in sizes[1:].tolist():
        rows = np.flatnonzero(distances > eps)
        if not len(rows):
            break
        result = run(take_rows(X, rows), y[rows], eps=eps)
        # What is known already stays known, even if this run does not find it again.
        news = rows[~np.isfinite(distances[rows]) | result.success]
        better = np.isin(rows, news)
        distances[news] = np.minimum(distances[news], result.distances[better])
        status[news] = result.status[better]
    return distances, status

"""From distances and radii of rows to the share of rows that withstand a size."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import BoolArray, Certify, Classifier, FloatArray
from specreg_sklearn.certificates.distances import lower_bounds
from specreg_sklearn.metrics.measurement._attacked_rows import AttackedRows, attacked_rows
from specreg_sklearn.metrics.measurement._measurement import Measurement
from specreg_sklearn.metrics.measurement._proofs import bound_rows, demanded_proof
from specreg_sklearn.space import NORMS, check_norm
from specreg_sklearn.tables import ask, same_labels, stacklevel_of_caller

_REASONS = {
    "start_failed": "the attack found no row to start from for {}",
    "unverified": "the model did not repeat its answer on what was found for {}",
}


def warn_of_undecided(
    distances: FloatArray, what: str, status: np.ndarray | None = None, *, counts: str
) -> None:
    """Warn if rows are undecided, with their number and what they count as.

    They have no distance, and nobody knows whether they could be moved. Rows with the `status`
    "not_found" are not among them: they were searched to the end. Those with "certified" were
    proved.
    """
    undecided = ~np.isfinite(distances)
    if status is not None:
        undecided &= ~np.isin(status, ("not_found", "certified", "beyond_eps"))
    n_undecided, n_right = int(undecided.sum()), int((distances != 0).sum())
    if not n_undecided:
        return
    why = Counter([] if status is None else status[undecided].tolist())
    reasons = [_REASONS.get(word, f"{word} for {{}}").format(n) for word, n in why.items()]
    hints = []
    if "start_failed" in why:
        hints.append(
            " Rows of other classes to start from, as pool=, or a larger budget may decide them."
        )
    if n_undecided == n_right:
        hints.append(
            " Not one was decided: does the model predict one class only, or depend on immutable "
            "columns alone?"
        )
    warnings.warn(
        f"{what}: {n_undecided} of {n_right} correctly classified rows are undecided"
        f"{' (' if reasons else ''}{', '.join(reasons)}{')' if reasons else ''}. They count as "
        f"{counts}, so this is an upper bound that may lie far above the truth.{''.join(hints)}",
        UserWarning,
        stacklevel=stacklevel_of_caller(),
    )


def shares_beyond(
    distances: FloatArray,
    grid: FloatArray,
    what: str,
    status: np.ndarray | None = None,
    weight: FloatArray | None = None,
) -> FloatArray:
    """Return the share of rows that lie beyond each size of the grid.

    It is an upper bound: undecided rows count as lying beyond every size, with a warning. A row
    counts `weight`; None is once.
    """
    warn_of_undecided(distances, what, status, counts="withstanding at every eps")
    beyond = (distances[None, :] > grid[:, None]) | ~np.isfinite(distances)
    # Without room to move every correct row is safe.
    beyond[grid == 0] = distances != 0 if status is None else status != "already_wrong"
    return weighted_shares(beyond, weight)


def weighted_shares(rows: BoolArray, weight: FloatArray | None) -> FloatArray:
    """Return what share of all rows some are, along the last axis."""
    w = np.ones(rows.shape[-1]) if weight is None else weight
    return np.asarray(rows @ w / w.sum())


def proved_beyond(
    radii: FloatArray, right: BoolArray, grid: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """Return the share of rows that are right and have a radius above each size of the grid."""
    kept = np.where(grid[:, None] > 0, radii > grid[:, None], True) & right
    return weighted_shares(kept, weight)


def radii_of_labels(
    estimator: Classifier,
    X: Any,
    y: Any,
    measurement: Measurement,
    caller: str,
    *,
    within: float | None = None,
) -> tuple[FloatArray, BoolArray]:
    """Return the radii of the measured rows, and which of them are classified correctly.

    `within` is the only size that they are compared with, if there is just one.
    """
    check_norm(measurement.norm, NORMS, caller)
    measurement.check()
    rows = measurement.rows_of(X, y)
    return _radii(estimator, X, rows, measurement, caller, within=within)


def _radii(
    estimator: Classifier,
    X: Any,
    chosen: tuple[Any, np.ndarray],
    measurement: Measurement,
    caller: str,
    *,
    within: float | None,
) -> tuple[FloatArray, BoolArray]:
    """Return the radii of chosen rows of `X` with these labels, and which are right."""
    norm = check_norm(measurement.norm, NORMS, caller)
    X_part, y_part = chosen
    prover = demanded_proof(estimator, X_part, norm, caller)
    rows = bound_rows(estimator, X_part, measurement.space_of(X))
    lower = lower_bounds(
        prover,
        rows,
        norm=norm,
        within=within,
        max_nodes=measurement.max_nodes,
        n_jobs=measurement.n_jobs,
    )
    return lower, same_labels(y_part, ask(estimator.predict, X_part, len(y_part)))


def certified_shares(
    estimator: Classifier,
    X: Any,
    y: Any,
    grid: FloatArray,
    measurement: Measurement,
    *,
    sample_weight: ArrayLike | None = None,
) -> FloatArray:
    """Return the share of rows that are right and proved to stay so, for each size of the grid."""
    within = float(grid[0]) if len(grid) == 1 else None
    caller = "certified_accuracy_score"
    check_norm(measurement.norm, NORMS, caller)
    measurement.check()
    sample = measurement.sample(X, y, sample_weight)
    rows = sample.X, sample.y
    radii, right = _radii(estimator, X, rows, measurement, caller, within=within)
    return proved_beyond(radii, right, grid, sample.weight)


def robust_shares(
    estimator: Classifier,
    X: Any,
    y: Any,
    grid: FloatArray,
    measurement: Measurement,
    *,
    certify: Certify = "auto",
    sample_weight: ArrayLike | None = None,
    verbose: int = 0,
) -> FloatArray:
    """Return the share of rows that withstand the attack, for each size of an increasing grid."""
    sample = measurement.sample(X, y, sample_weight)
    rows = attacked_rows(estimator, X, sample, grid, measurement, certify=certify, verbose=verbose)
    return shares_of_rows(rows, grid, "robust_accuracy_score")


def shares_of_rows(rows: AttackedRows, grid: FloatArray, what: str) -> FloatArray:
    """Return the share of attacked rows that withstand each size; a warning counts undecided."""
    found = rows.found
    return shares_beyond(found.distances, grid, what, found.status, rows.sample.weight)

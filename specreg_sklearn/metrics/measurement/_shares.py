"""From distances and radii of rows to the share of rows that withstand a size."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from specreg_sklearn._typing import BoolArray, Certify, Classifier, FloatArray
from specreg_sklearn.attacks import AttackResult
from specreg_sklearn.metrics.measurement._decided_rows import decided_by_proof
from specreg_sklearn.metrics.measurement._measurement import Measurement, check_certify
from specreg_sklearn.metrics.measurement._proofs import bound_rows, demanded_proof
from specreg_sklearn.space import NORMS, check_norm
from specreg_sklearn.tables import (
    as_table,
    ask,
    check_estimator,
    same_labels,
    stacklevel_of_caller,
    take_rows,
)

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
        undecided &= ~np.isin(status, ("not_found", "certified"))
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
    distances: FloatArray, grid: FloatArray, what: str, status: np.ndarray | None = None
) -> FloatArray:
    """Return the share of rows that lie beyond each size of the grid.

    It is an upper bound: undecided rows count as lying beyond every size, with a warning.
    """
    warn_of_undecided(distances, what, status, counts="withstanding at every eps")
    beyond = (distances[None, :] > grid[:, None]) | ~np.isfinite(distances)
    shares = np.asarray(beyond.mean(axis=1))
    # Without room to move every correct row is safe.
    shares[grid == 0] = np.mean(distances != 0 if status is None else status != "already_wrong")
    return shares


def proved_beyond(radii: FloatArray, right: BoolArray, grid: FloatArray) -> FloatArray:
    """Return the share of rows that are right and have a radius above each size of the grid."""
    kept = np.where(grid[:, None] > 0, radii > grid[:, None], True) & right
    return np.asarray(kept.mean(axis=1))


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
    norm = check_norm(measurement.norm, NORMS, caller)
    measurement.check()
    X_part, y_part = measurement.rows_of(X, y)
    prover = demanded_proof(estimator, X_part, norm, caller)
    rows = bound_rows(estimator, X_part, measurement.space_of(X))
    bounds = prover.bounds(
        rows,
        norm=norm,
        within=within,
        max_nodes=measurement.max_nodes,
        n_jobs=measurement.n_jobs,
    )
    return bounds.lower, same_labels(y_part, ask(estimator.predict, X_part, len(y_part)))


def certified_shares(
    estimator: Classifier, X: Any, y: Any, grid: FloatArray, measurement: Measurement
) -> FloatArray:
    """Return the share of rows that are right and proved to stay so, for each size of the grid."""
    within = float(grid[0]) if len(grid) == 1 else None
    caller = "certified_accuracy_score"
    radii, right = radii_of_labels(estimator, X, y, measurement, caller, within=within)
    return proved_beyond(radii, right, grid)


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
    attack, pool = measurement.resolved_attack(), measurement.pool_of(X)
    sizes = grid[grid > 0]
    if not sizes.size:
        # Nothing can move: no attack is needed to know the answer.
        check_estimator(estimator)
        right = same_labels(y_part, ask(estimator.predict, X_part, len(y_part)))
        return np.full(grid.shape, right.mean())
    space = measurement.space_of(X)
    distances, status, decided = decided_by_proof(
        estimator, X_part, y_part, sizes, measurement, space=space, certify=certify
    )
    if decided.any():
        # What an attack would complain about does not depend on how many rows it is left.
        attack._check_run(as_table(X_part).n_columns, float(sizes[-1]))
        attack._prepare()
    # Starts that the user gave belong to the rows one by one, so that none can be taken out.
    left = ~decided if isinstance(attack.starts, str) else np.ones_like(decided)
    rows = np.flatnonzero(left & (~decided).any())
    if len(rows):
        # A score of half the rows would be no score of all.
        run = partial(attack.run, estimator, pool=pool, on_error="raise")
        run = partial(run, space=space, n_jobs=measurement.n_jobs, verbose=verbose)
        X_left = X_part if len(rows) == len(y_part) else take_rows(X_part, rows)
        # The nearest rows, once found, answer for every size; a search within a size does not.
        sizes = sizes if attack._within_eps else sizes[:1]
        found, words = _attacked(run, X_left, y_part[rows], sizes)
        nearer = found < distances[rows]
        unknown = status[rows] == ""
        distances[rows] = np.minimum(distances[rows], found)
        status[rows] = np.where(nearer | unknown, words, status[rows])
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
        # What was undecided within one size is not decided by a search of another in vain.
        changed = result.success[better] | (status[news] != "unverified")
        status[news[changed]] = result.status[better][changed]
    return distances, status

"""Lower bounds proved again, by the same provers and with the same budget."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn._typing import Classifier
from specreg_sklearn.certificates.distances import DistanceProver, distance_prover
from specreg_sklearn.report.document import TOLERANCES, norm_from_json
from specreg_sklearn.report.verify._witnesses import Failures
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import as_table


def check_proofs(
    model: Classifier,
    X: Any,
    X_adv: Any,
    rows: list[dict[str, Any]],
    space: FeatureSpace,
    *,
    unproved: str,
    norm: int | str,
    max_nodes: int,
    n_jobs: int | None,
    place: str,
) -> Failures:
    """Return lower bounds that are larger than what can be proved; `X` holds the clean rows.

    Where a proof finds a row that is nearer than the one in the report, that is a failure, too; and
    so is a reason, `unproved`, why nothing can be proved where something can.
    """
    right = np.flatnonzero([row["predicted"] == row["label"] for row in rows])
    claimed = [i for i in right.tolist() if rows[i]["lower"] != 0]
    try:
        prover = distance_prover(model, X)
    except (TypeError, ValueError, ArithmeticError) as error:
        why = f"nothing can be proved: {str(error).splitlines()[0]}"
        return [(f"{place}.rows[{i}].lower", why) for i in claimed]
    if norm_from_json(norm) not in prover.norms:
        why = f"the proof {prover.name!r} knows no {norm!r} norm"
        return [(f"{place}.rows[{i}].lower", why) for i in claimed]
    failed: Failures = []
    if unproved:
        why = f"says that nothing is proved; the proof {prover.name!r} can"
        failed.append((f"{place}.unproved", why))
    if not len(right):
        return failed
    clean = space.bind(X).take(right)
    options: dict[str, Any] = {
        "norm": norm_from_json(norm),
        "max_nodes": max_nodes,
        "n_jobs": n_jobs,
    }
    try:
        found = prover.bounds(clean, **options)
    except (TypeError, ValueError, ArithmeticError) as error:
        why = f"nothing can be proved here: {str(error).splitlines()[0]}"
        return [(f"{place}.rows[{i}].lower", why) for i in claimed]
    lower = found.lower.copy()
    short = np.flatnonzero([_above(rows[i], lower[k]) for k, i in enumerate(right.tolist())])
    if len(short):
        # With a nearer row as a hint a search leaves out what lies farther, as it did before.
        known = _cells(X_adv, space, X)[right[short]]
        again = prover.bounds(clean.take(short), known=known, **options)
        lower[short] = np.maximum(lower[short], again.lower)
    return failed + _failures(rows, right, lower, found.upper, prover, place)


def _above(row: dict[str, Any], proved: float) -> bool:
    stated = np.inf if row["lower"] is None else row["lower"]
    return bool(stated > proved * (1 + TOLERANCES["proof"]))


def _cells(X_adv: Any, space: FeatureSpace, X: Any) -> np.ndarray:
    clean, owner = space.bind(X), np.arange(as_table(X).n_rows)
    return np.where(clean.missing, clean.raw, clean.read(as_table(X_adv), owner))


def _failures(
    rows: list[dict[str, Any]],
    right: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    prover: DistanceProver,
    place: str,
) -> Failures:
    failed: Failures = []
    for k, i in enumerate(right.tolist()):
        row, at = rows[i], f"{place}.rows[{i}]"
        if _above(row, lower[k]):
            failed.append((f"{at}.lower", f"is {row['lower']!r}; proved is {float(lower[k])!r}"))
        name = prover.name if row["lower"] != 0 else ""
        if row["proved_by"] != name:
            failed.append((f"{at}.proved_by", f"is {row['proved_by']!r}; found {name!r}"))
        stated = np.inf if row["upper"] is None else row["upper"]
        if stated > upper[k] * (1 + TOLERANCES["witness"]):
            why = f"is {row['upper']!r}; a row at {float(upper[k])!r} is known"
            failed.append((f"{at}.upper", why))
    return failed

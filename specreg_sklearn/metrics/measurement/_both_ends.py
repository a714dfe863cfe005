"""Both ends of the distance of each row: a proof from below, and the nearest row from above.

The proof goes first. Where it closes by itself, as it does for most rows of trees, no attack is
needed, and what it has found on the way is where an attack begins to be worth while. A row that the
attack finds nearer than the proof did lets the proof leave out what lies farther, so it is asked
again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from specreg_sklearn._typing import BoolArray, Certify, Classifier, FloatArray
from specreg_sklearn.attacks import AttackResult, BlackBoxAttack
from specreg_sklearn.attacks.frame import NearestOfAll
from specreg_sklearn.certificates.distances import DistanceBounds
from specreg_sklearn.metrics.measurement._attacked_rows import unmoved
from specreg_sklearn.metrics.measurement._confirmed_attack import confirmed_attack
from specreg_sklearn.metrics.measurement._measurement import Measurement, check_certify
from specreg_sklearn.metrics.measurement._proofs import (
    Proof,
    bound_rows,
    bounds_of_rows,
    nodes_for,
    wanted_proof,
)
from specreg_sklearn.space import CleanRows, FeatureSpace
from specreg_sklearn.tables import (
    as_table,
    as_targets,
    ask,
    check_estimator,
    same_labels,
    take_rows,
)


class BothEnds(NamedTuple):
    """Bounds of distances, and what they rest on.

    Parameters
    ----------
    bounds : DistanceBounds
        What is proved; `upper` and `witness` are those of the proof.
    found : AttackResult
        The nearest rows of proof and attack, asked about as one array.
    proof : Proof
        The prover, or why there is none.
    right : ndarray of shape (n_rows,), bool
        Rows that are classified correctly.
    """

    bounds: DistanceBounds
    found: AttackResult
    proof: Proof
    right: BoolArray


def both_ends(
    estimator: Classifier,
    X: Any,
    y: Any,
    measurement: Measurement,
    proof: Proof,
    *,
    attack: BlackBoxAttack | None,
    space: FeatureSpace,
    pool: Any,
    strict: bool = False,
    max_nodes: int | None = None,
    verbose: int = 0,
) -> BothEnds:
    """Bound the distances of all rows of `X` from both sides.

    Misclassified rows have the distance 0; `attack` None leaves the upper end to the proof. If
    it is `strict`, what a proof refuses is an error.
    """
    check_estimator(estimator)
    rows = bound_rows(estimator, X, space)
    labels = as_targets(y, len(rows))
    if attack is not None:
        # What an attack complains about does not depend on how many rows it is left.
        attack._check_run(rows.table.n_columns, None)
        attack._prepare()
    right = same_labels(labels, ask(estimator.predict, X, len(rows)))
    nearest = NearestOfAll(estimator, X, labels, space, norm=measurement.norm, targeted=False)
    options: dict[str, Any] = {
        "norm": measurement.norm,
        "strict": strict,
        "max_nodes": measurement.max_nodes if max_nodes is None else max_nodes,
        "n_jobs": measurement.n_jobs,
    }
    bounds, proof = bounds_of_rows(proof, rows, np.flatnonzero(right), **options)
    if proof.prover is not None:
        nearest.add_cells(proof.prover.name, bounds.witness)
    # A witness that `predict` does not confirm in this array shows nothing.
    shown = np.isinf(bounds.upper) | np.isfinite(nearest.distances)
    open_ = right & ~(bounds.closed & shown)
    if attack is not None and open_.any():
        # Starts of the user's own belong to the rows one by one, so that none can be taken out.
        some = np.flatnonzero(open_ if isinstance(attack.starts, str) else np.ones_like(open_))
        whole = len(some) == len(rows)
        result = confirmed_attack(
            attack,
            estimator,
            X if whole else take_rows(X, some),
            labels[some],
            prover=proof.prover,
            space=space,
            pool=pool,
            n_jobs=measurement.n_jobs,
            verbose=verbose,
            on_error="raise",
        )
        nearest.add(0, attack._name(), some, result)
        known = np.full(rows.raw.shape, np.nan)
        known[some] = _cells(rows.take(some), result.X_adv)
        nearer = np.zeros(len(rows), dtype=bool)
        nearer[some] = result.success & (result.distances < bounds.upper[some])
        # Only a search has use for what was found.
        again = np.flatnonzero(open_ & nearer & (bounds.n_nodes > 0))
        more, proof = bounds_of_rows(proof, rows, again, known=known, **options)
        bounds = _joined(bounds, more)
        if proof.prover is not None and len(again):
            nearest.add_cells(proof.prover.name, more.witness)
    wrong = np.flatnonzero(~right)
    if len(wrong):
        nearest.add(1, "", wrong, unmoved(take_rows(X, wrong), right[wrong]))
    found = nearest.result(None)
    found.status[bounds.closed & np.isinf(bounds.upper) & ~found.success] = "certified"
    return BothEnds(bounds, found, proof, right)


def nearest_rows_found(
    estimator: Classifier,
    X: Any,
    y: Any,
    measurement: Measurement,
    *,
    certify: Certify = "auto",
    verbose: int = 0,
) -> AttackResult:
    """Return the nearest adversarial rows that are known after proof and attack.

    Where a proof closes there is no attack, and no row is farther than an attack alone finds it.
    """
    check_certify(certify)
    measurement.check()
    attack = measurement.resolved_attack()
    X_part, y_part = measurement.rows_of(X, y)
    proof = wanted_proof(estimator, X_part, measurement.norm, certify)
    if proof.prover is None:
        return measurement.run_attack(estimator, X, y, verbose=verbose)
    ends = both_ends(
        estimator,
        X_part,
        y_part,
        measurement,
        proof,
        attack=attack,
        space=measurement.space_of(X),
        pool=measurement.pool_of(X),
        strict=certify != "auto",
        max_nodes=nodes_for(certify, measurement.max_nodes, proof.prover),
        verbose=verbose,
    )
    return ends.found


def _cells(rows: CleanRows, X_adv: Any) -> FloatArray:
    """Return the movable cells of adversarial rows."""
    cells = rows.read(as_table(X_adv), np.arange(len(rows)))
    return np.where(rows.missing, rows.raw, cells)


def _joined(one: DistanceBounds, other: DistanceBounds) -> DistanceBounds:
    """Return the better bounds of two proofs of the same rows."""
    nearer = other.upper < one.upper
    return DistanceBounds(
        np.maximum(one.lower, other.lower),
        np.minimum(one.upper, other.upper),
        np.where(nearer[:, None], other.witness, one.witness),
        one.closed | other.closed,
        one.n_nodes + other.n_nodes,
    )

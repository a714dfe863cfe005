"""The proof that goes with a model: found once, asked about some rows, or a reason why not."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from specreg_sklearn._typing import Certify, Classifier, FloatArray, IntArray
from specreg_sklearn.certificates.distances import (
    DistanceBounds,
    DistanceProver,
    distance_prover,
    quick_nodes,
)
from specreg_sklearn.space import CleanRows, FeatureSpace, check_norm, check_room
from specreg_sklearn.tables import Table, as_table, check_fitted_columns


class Proof(NamedTuple):
    """A prover, or the reason why there is none.

    Parameters
    ----------
    prover : DistanceProver or None
        What proves distances.
    reason : str
        Why nothing does; empty if something does.
    """

    prover: DistanceProver | None
    reason: str


def demanded_proof(estimator: Classifier, X: Any, norm: float, caller: str) -> DistanceProver:
    """Return the prover of a model in a norm, or raise."""
    prover = distance_prover(estimator, X)
    check_norm(norm, prover.norms, f"{caller} of {type(estimator).__name__}")
    return prover


def proof_of(estimator: Classifier, X: Any, norm: float, *, constants: bool = True) -> Proof:
    """Return what proves distances of a model in a norm, or the reason why nothing does.

    `constants` False leaves out Lipschitz constants, and all that goes with them.
    """
    try:
        prover = distance_prover(estimator, X, constants=constants)
    except (TypeError, ValueError, ArithmeticError) as error:
        return Proof(None, str(error))
    if norm not in prover.norms:
        return Proof(None, f"The proof {prover.name!r} does not know norm={norm!r}.")
    return Proof(prover, "")


def wanted_proof(estimator: Classifier, X: Any, norm: float, certify: Certify) -> Proof:
    """Return the proof that `certify` asks for.

    With "auto" what is not proved is no error.
    """
    if certify is False:
        return Proof(None, "certify=False")
    if certify == "auto":
        return proof_of(estimator, X, norm)
    return Proof(demanded_proof(estimator, X, norm, "certify=True"), "")


def nodes_for(certify: Certify, max_nodes: int, prover: DistanceProver) -> int:
    """Return how many nodes the search of a prover looks at for a row."""
    return min(max_nodes, quick_nodes(prover)) if certify == "auto" else max_nodes


def bound_rows(estimator: Classifier, X: Any, space: FeatureSpace) -> CleanRows:
    """Return rows bound to a space in which something can move, in the columns of the model."""
    table: Table = as_table(X)
    check_fitted_columns(estimator, table)
    rows = space.bind(X)
    check_room(space, table)
    return rows


def bounds_of_rows(
    proof: Proof,
    rows: CleanRows,
    some: IntArray,
    *,
    norm: float,
    strict: bool,
    max_nodes: int,
    n_jobs: int | None,
    known: FloatArray | None = None,
    within: float | None = None,
) -> tuple[DistanceBounds, Proof]:
    """Return bounds for all rows, and the proof as it is known now; only some rows are asked about.

    The others have the bounds 0 and inf. So have all where a proof refuses the space or the rows,
    unless it is `strict`, and the refusal an error.
    """
    n, d = rows.raw.shape
    nothing = DistanceBounds(
        np.zeros(n),
        np.full(n, np.inf),
        np.full((n, d), np.nan),
        np.zeros(n, bool),
        np.zeros(n, int),
    )
    if proof.prover is None or not len(some):
        return nothing, proof
    try:
        found = proof.prover.bounds(
            rows.take(some),
            norm=norm,
            known=None if known is None else known[some],
            within=within,
            max_nodes=max_nodes,
            n_jobs=n_jobs,
        )
    except (TypeError, ValueError, ArithmeticError) as error:
        if strict:
            raise
        return nothing, Proof(None, str(error))
    for whole, part in zip(nothing, found, strict=True):
        whole[some] = part
    return nothing, proof

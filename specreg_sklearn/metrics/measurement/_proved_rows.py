"""What a proof knows of rows at given sizes, before any attack."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from specreg_sklearn._typing import BoolArray, Certify, Classifier, FloatArray
from specreg_sklearn.metrics.measurement._measurement import Measurement
from specreg_sklearn.metrics.measurement._proofs import (
    Proof,
    bound_rows,
    bounds_of_rows,
    nodes_for,
    wanted_proof,
)
from specreg_sklearn.space import FeatureSpace


class ProvedRows(NamedTuple):
    """What a proof knows of rows at increasing sizes.

    Parameters
    ----------
    lower : ndarray of shape (n_rows,)
        Distances within which nothing changes; 0 where nothing is proved, or the model is wrong.
    witness : ndarray of shape (n_rows, n_movable) or None
        Movable cells of rows that are misclassified, which `predict` confirmed; NaN without one.
    proof : Proof
        The prover, or why there is none.
    """

    lower: FloatArray
    witness: FloatArray | None
    proof: Proof


def proved_rows(
    estimator: Classifier,
    X: Any,
    right: BoolArray,
    sizes: FloatArray,
    measurement: Measurement,
    *,
    space: FeatureSpace,
    certify: Certify,
) -> ProvedRows:
    """Return what a proof knows of rows of which some are classified right."""
    n, norm = len(right), measurement.norm
    proof = wanted_proof(estimator, X, norm, certify)
    if proof.prover is None:
        return ProvedRows(np.zeros(n), None, proof)
    rows = bound_rows(estimator, X, space)
    bounds, proof = bounds_of_rows(
        proof,
        rows,
        np.flatnonzero(right),
        norm=norm,
        within=float(sizes[0]) if len(sizes) == 1 else None,
        strict=certify != "auto",
        max_nodes=nodes_for(certify, measurement.max_nodes, proof.prover),
        n_jobs=measurement.n_jobs,
    )
    if proof.prover is None:
        return ProvedRows(np.zeros(n), None, proof)
    return ProvedRows(np.where(right, bounds.lower, 0.0), bounds.witness, proof)

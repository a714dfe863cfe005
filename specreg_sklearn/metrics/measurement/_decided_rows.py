"""Rows that a proof decides at given sizes, so that no attack need be run on them."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn._typing import BoolArray, Certify, Classifier, FloatArray
from specreg_sklearn.metrics.measurement._measurement import Measurement
from specreg_sklearn.metrics.measurement._proofs import (
    bound_rows,
    bounds_of_rows,
    nodes_for,
    wanted_proof,
)
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import ask, same_labels


def decided_by_proof(
    estimator: Classifier,
    X: Any,
    y: np.ndarray,
    sizes: FloatArray,
    measurement: Measurement,
    *,
    space: FeatureSpace,
    certify: Certify,
) -> tuple[FloatArray, np.ndarray, BoolArray]:
    """Return what a proof knows of rows at increasing sizes.

    A row is decided if it is wrong as it stands, proved to stay right within the largest size, or
    at each size either proved, or shown to fail by a row that `predict` confirms. No attack changes
    that: it finds nothing nearer than a proof allows, and one that fails to start leaves the row
    undecided, which counts as withstanding.

    Returns
    -------
    distances : ndarray of shape (n_rows,)
        0 where the model is wrong, the distance of the witness where there is one, else infinite.
    status : ndarray of shape (n_rows,), str
        "already_wrong", "found", "certified"; empty where the row is left to an attack.
    decided : ndarray of shape (n_rows,), bool
        Rows that need no attack.
    """
    n, norm = len(y), measurement.norm
    distances, status = np.full(n, np.inf), np.full(n, "", dtype="<U14")
    proof = wanted_proof(estimator, X, norm, certify)
    if proof.prover is None:
        return distances, status, np.zeros(n, dtype=bool)
    right = same_labels(y, ask(estimator.predict, X, n))
    rows = bound_rows(estimator, X, space)
    bounds, proof = bounds_of_rows(
        proof,
        rows,
        np.flatnonzero(right),
        norm=norm,
        within=float(sizes[0]) if len(sizes) == 1 else None,
        strict=certify != "auto",
        max_nodes=nodes_for(certify, measurement.max_nodes),
        n_jobs=measurement.n_jobs,
    )
    if proof.prover is None:
        return distances, status, np.zeros(n, dtype=bool)
    proved = right & (bounds.lower > sizes[-1])
    shown = right & np.isfinite(bounds.upper)
    distances[shown] = bounds.upper[shown]
    distances[~right] = 0.0
    status[shown], status[proved], status[~right] = "found", "certified", "already_wrong"
    at_each = (bounds.lower > sizes[:, None]) | (bounds.upper <= sizes[:, None])
    return distances, status, ~right | at_each.all(axis=0)

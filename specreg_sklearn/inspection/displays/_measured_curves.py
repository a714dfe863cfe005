"""The two curves of a robustness display, measured for several classifiers on the same sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn._typing import Certify, Classifier, Eps
from specreg_sklearn.metrics.measurement import (
    BothEnds,
    Measurement,
    both_ends,
    certified_shares,
    check_certify,
    proof_of,
    proved_beyond,
    radii_of_labels,
    read_eps,
    robust_shares,
    shares_beyond,
    wanted_proof,
)

# Points of a curve where the user names no sizes.
_N_EPS = 61

Curves = dict[str, np.ndarray | None]


def measured_curves(
    models: dict[str, Classifier],
    X: Any,
    y: Any,
    measurement: Measurement,
    *,
    eps: Eps | None,
    attacks: bool,
    certify: Certify,
    caller: str,
) -> tuple[np.ndarray, Curves, Curves]:
    """Return the sizes, and by name the share that withstood and the share that is proved.

    A curve that is not wanted, or that a model does not have, is None.
    """
    check_certify(certify)
    if not attacks and certify is False:
        raise ValueError("attack=None and certify=False: there is no curve to draw.")
    upper: Curves = dict.fromkeys(models)
    lower: Curves = dict.fromkeys(models)
    if eps is None and attacks:
        ends = {
            name: _both_ends(model, X, y, measurement, certify) for name, model in models.items()
        }
        grid = eps_grid([end.found.distances for end in ends.values()])
        for name, end in ends.items():
            what = f"{caller}, {name}"
            upper[name] = shares_beyond(end.found.distances, grid, what, end.found.status)
            if end.proof.prover is not None:
                lower[name] = proved_beyond(end.bounds.lower, end.right, grid)
        return grid, upper, lower
    if eps is not None:
        grid = read_eps(np.atleast_1d(eps))[0]
        if attacks:
            upper = {k: robust_shares(m, X, y, grid, measurement) for k, m in models.items()}
    else:
        proofs = [radii_of_labels(model, X, y, measurement, caller) for model in models.values()]
        grid = eps_grid([radii for radii, _ in proofs])
    if certify is False:
        return grid, upper, lower
    for name, model in models.items():
        try:
            lower[name] = certified_shares(model, X, y, grid, measurement)
        except (TypeError, ValueError, ArithmeticError):
            # No certificate; what else may be wrong, the attack has complained about.
            if certify is True or not attacks:
                raise
    return grid, upper, lower


def _both_ends(
    model: Classifier, X: Any, y: Any, measurement: Measurement, certify: Certify
) -> BothEnds:
    """Bound the distances of the measured rows; the proof is asked once for both curves."""
    X_part, y_part = measurement.rows_of(X, y)
    if certify == "auto":
        proof = proof_of(model, X_part, measurement.norm)
    else:
        proof = wanted_proof(model, X_part, measurement.norm, certify)
    return both_ends(
        model,
        X_part,
        y_part,
        measurement,
        proof,
        attack=measurement.resolved_attack(),
        space=measurement.space_of(X),
        pool=measurement.pool_of(X),
        strict=certify is True,
    )


def eps_grid(distances: list[np.ndarray]) -> np.ndarray:
    """Return sizes from 0 to the largest finite distance."""
    every = np.concatenate(distances)
    every = every[np.isfinite(every)]
    top = float(every.max(initial=0.0))
    return np.linspace(0.0, top if top > 0 else 1.0, _N_EPS)

"""The two curves of a robustness display, measured for several classifiers on the same sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn._typing import Classifier, Eps
from specreg_sklearn.attacks import BlackBoxAttack
from specreg_sklearn.metrics import (
    adversarial_distances,
    certified_accuracy_score,
    robust_accuracy_score,
)
from specreg_sklearn.metrics.measurement import (
    Measurement,
    check_certify,
    radii_of_labels,
    read_eps,
    shares_beyond,
)

# Points of a curve where the user names no sizes.
_N_EPS = 61

Curves = dict[str, np.ndarray | None]


def measured_curves(
    models: dict[str, Classifier],
    X: Any,
    y: Any,
    *,
    eps: Eps | None,
    attack: str | BlackBoxAttack | None,
    certify: bool | str,
    caller: str,
    n_jobs: int | None,
    **options: Any,
) -> tuple[np.ndarray, Curves, Curves]:
    """Return the sizes, and by name the share that withstood and the share that is proved.

    `options` are norm, space, max_samples and random_state, which both kinds of score take. A curve
    that is not wanted, or that a model does not have, is None.
    """
    check_certify(certify)
    if attack is None and certify is False:
        raise ValueError("attack=None and certify=False: there is no curve to draw.")
    attacked = {**options, "attack": attack, "n_jobs": n_jobs}
    upper: Curves = dict.fromkeys(models)
    if eps is not None:
        grid = read_eps(np.atleast_1d(eps))[0]
        if attack is not None:
            for name, model in models.items():
                upper[name] = np.asarray(robust_accuracy_score(model, X, y, eps=grid, **attacked))
    elif attack is not None:
        found = {
            name: adversarial_distances(model, X, y, **attacked) for name, model in models.items()
        }
        grid = eps_grid(list(found.values()))
        upper = {name: shares_beyond(distances, grid, caller) for name, distances in found.items()}
    else:
        grid = eps_grid(
            [
                radii_of_labels(model, X, y, Measurement(**options), caller)[0]
                for model in models.values()
            ]
        )
    lower: Curves = dict.fromkeys(models)
    for name, model in models.items():
        if certify is False:
            continue
        try:
            lower[name] = np.asarray(certified_accuracy_score(model, X, y, eps=grid, **options))
        except (TypeError, ValueError, ArithmeticError):
            # No certificate; what else may be wrong, the attack has complained about.
            if certify is True or attack is None:
                raise
    return grid, upper, lower


def eps_grid(distances: list[np.ndarray]) -> np.ndarray:
    """Return sizes from 0 to the largest finite distance."""
    every = np.concatenate(distances)
    every = every[np.isfinite(every)]
    top = float(every.max(initial=0.0))
    return np.linspace(0.0, top if top > 0 else 1.0, _N_EPS)

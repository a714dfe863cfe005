"""Adversarial distances between a proof and an attack, in one call."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import Classifier, MaxSamples, RandomState, Scale
from specreg_sklearn.attacks import BlackBoxAttack
from specreg_sklearn.certificates.distances import DEFAULT_MAX_NODES, ends_meet
from specreg_sklearn.metrics._band import AdversarialBand
from specreg_sklearn.metrics.measurement import BothEnds, Measurement, both_ends, proof_of
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import DEFAULT_MAX_SAMPLES, stacklevel_of_caller

_ROUNDING = 1e-9


def adversarial_band(
    estimator: Classifier,
    X: Any,
    y: Any,
    *,
    norm: float = 2,
    attack: str | BlackBoxAttack | None = "strongest",
    space: FeatureSpace | None = None,
    scale: Scale = "std",
    max_samples: MaxSamples = DEFAULT_MAX_SAMPLES,
    random_state: RandomState = 0,
    n_jobs: int | None = None,
    verbose: int = 0,
    pool: ArrayLike | None = None,
    max_nodes: int = DEFAULT_MAX_NODES,
) -> AdversarialBand:
    """Bound the adversarial distance of each row by a proof and by an attack.

    The proof is the best that is known for the model: an exact search for trees, and Lipschitz
    constants for what :func:`certified_radius` accepts otherwise. Where it finds the distance
    itself, with a row that shows it, no attack is run. On the other rows it is, and what it finds
    helps the search once more. A model without a proof has a band, too: from 0 to what the attack
    found, with the reason in ``unproved``.

    Parameters
    ----------
    estimator : object with a method predict
        A fitted classifier, pipeline or search.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows, in the columns that the estimator expects.
    y : array-like of shape (n_samples,)
        True labels.
    norm : {0, 1, 2, inf}, default=2
        The norm of ``(X_adv - X) / scale``; 0 counts the columns that change.
    attack : str, BlackBoxAttack or None, default="strongest"
        As in :func:`robust_accuracy_score`; "strongest" takes labels, scores and gradients, as far
        as the model has them. None runs no attack: upper ends come from the proof alone.
    space, scale
        As in :func:`robust_accuracy_score`: proof and attack share one space and its units.
    max_samples, random_state, n_jobs, verbose, pool
        As in :func:`robust_accuracy_score`, which measures the same rows where no class is rare:
        100 of them, with the shares of the classes kept, unless `max_samples` says otherwise.
    max_nodes : int, default=5000
        How many nodes the search of a proof looks at for a row. The more, the more rows are closed.

    Returns
    -------
    AdversarialBand
        Lower and upper bounds, the rows at the upper distance, and who proved and who found.

    Raises
    ------
    ValueError, TypeError
        If a parameter, or the pair of X and y, is not accepted.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.

    Warns
    -----
    UserWarning
        If the attack found no row to start from, or a row that refutes the proof, which a model
        that does not repeat its answers has.

    See Also
    --------
    certified_radius : The lower end alone.
    adversarial_distances : The upper end alone.
    robust_accuracy_score : The share of rows beyond a size.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from specreg_sklearn.metrics import adversarial_band
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(10, random_state=0).fit(X[::2], y[::2])
    >>> band = adversarial_band(forest, X[1::2], y[1::2], max_samples=20)
    >>> band
    AdversarialBand(n_rows=20, norm=2, already_wrong=..., exact=..., median=...)
    >>> bool(band.closed.all())
    True
    >>> wrong = forest.predict(band.X_adv) != y[1::2][band.places]
    >>> bool(wrong.all())
    True
    >>> low, high = band.robust_accuracy(0.5)
    >>> low == high
    True
    """
    measurement = Measurement(
        norm, attack or "auto", space, scale, max_samples, random_state, n_jobs, pool, max_nodes
    )
    measurement.check()
    chosen = measurement.resolved_attack()
    if attack is not None and chosen._within_eps:
        raise ValueError(
            f"attack={attack!r} looks for rows within a fixed eps and gives no distances; take "
            "'strongest' or 'auto'."
        )
    places = measurement.places_of(X, y)
    X_part, y_part = measurement.rows_of(X, y)
    ends = both_ends(
        estimator,
        X_part,
        y_part,
        measurement,
        proof_of(estimator, X_part, measurement.norm),
        attack=None if attack is None else chosen,
        space=measurement.space_of(X),
        pool=measurement.pool_of(X),
        verbose=verbose,
    )
    return _band(ends, places, measurement.norm)


def _band(ends: BothEnds, places: np.ndarray, norm: float) -> AdversarialBand:
    right, found = ends.right, ends.found
    upper = np.where(right, found.distances, 0.0)
    lower = np.where(right, ends.bounds.lower, 0.0)
    refuted = lower > upper * (1 + _ROUNDING)
    if refuted.any():
        warnings.warn(
            f"For {int(refuted.sum())} of {len(lower)} rows a row was found that is nearer than "
            "the proof allows; their lower bounds are lowered to it. Does the model give the same "
            "answer to the same row each time?",
            UserWarning,
            stacklevel=stacklevel_of_caller(),
        )
    lower = np.minimum(lower, upper)
    closed = ends_meet(lower, upper) & ~refuted
    name = "" if ends.proof.prover is None else ends.proof.prover.name
    return AdversarialBand(
        lower=lower,
        upper=upper,
        closed=closed,
        X_adv=found.X_adv,
        status=_status(right, lower, upper, closed),
        found_by=np.where(right, found.found_by, ""),
        proved_by=np.where(right & (lower > 0), name, ""),
        n_queries=found.n_queries,
        n_nodes=ends.bounds.n_nodes,
        places=places,
        norm=norm,
        unproved=ends.proof.reason,
    )


def _status(
    right: np.ndarray, lower: np.ndarray, upper: np.ndarray, closed: np.ndarray
) -> np.ndarray:
    """Say of each row in one word what is known of it."""
    proved, found = lower > 0, np.isfinite(upper)
    cases = {
        "already_wrong": ~right,
        "exact": closed & found,
        "none_exists": closed & ~found,
        "bracket": proved & found,
        "attack_only": found,
        "proof_only": proved,
    }
    return np.select(list(cases.values()), list(cases), default="undecided")

"""Rows that are proved robust at a size, so that no attack need be run on them."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from specreg_sklearn._typing import BoolArray, Certify, Classifier
from specreg_sklearn.attacks import BlackBoxAttack
from specreg_sklearn.attacks.questions import Oracle, StartPool, data_starts
from specreg_sklearn.certificates.pipelines import FLOAT32_ROUNDING, CertifiedModel
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import LabelCoder, as_table, ask, same_labels, take_rows


def proved_rows(
    certify: Certify,
    attack: BlackBoxAttack,
    estimator: Classifier,
    X: Any,
    y: np.ndarray,
    *,
    eps: float,
    space: FeatureSpace,
    pool: object,
) -> BoolArray:
    """Return which rows are correct and proved to stay so within `eps`.

    Attacked or not, such a row ends up robust, so a score does not depend on leaving it out. For
    that, two things are asked beyond a radius above `eps`. The margin must also cover the rounding
    of a model that computes in float32, which could make an attack succeed just inside the radius.
    And the attack must have a start for the row: without one it would have called it undecided.

    With `certify` "auto" no row is, if the model has no certificate, or if torch is not loaded,
    since that takes longer than most attacks.
    """
    none = np.zeros(len(y), dtype=bool)
    if certify is False or (certify == "auto" and "torch" not in sys.modules):
        return none
    try:
        model = CertifiedModel(estimator)
        radii, predicted = model.radii(X, space, norm=attack.norm, rounding=FLOAT32_ROUNDING)
    except (TypeError, ValueError, ArithmeticError):
        if certify == "auto":
            return none
        raise
    proved = same_labels(y, predicted) & (radii > eps)
    if proved.any():
        attack._check_run(as_table(X).n_columns, eps)
        attack._prepare()
        rows = np.flatnonzero(proved)
        if not attack._within_eps:
            rows = rows[_have_starts(attack, estimator, take_rows(X, rows), y[rows], space, pool)]
        proved = none
        proved[rows] = True
    return proved


def _have_starts(
    attack: BlackBoxAttack,
    estimator: Classifier,
    X: Any,
    y: np.ndarray,
    space: FeatureSpace,
    pool: object,
) -> BoolArray:
    """Return for which rows the attack finds a start in the pool."""
    rows, others = space.bind(X), space.bind(pool, parameter="pool")
    n_starts = attack._n_data_starts(len(rows.columns))
    if not n_starts:
        return np.zeros(len(rows), dtype=bool)
    predict = attack._predict_of(estimator)
    pooled = ask(predict, pool, len(others))
    coder = LabelCoder(y, pooled)
    oracle = Oracle(predict, rows, coder.encode(y), coder, norm=attack.norm)
    candidates = StartPool(others, coder.encode(pooled))
    data_starts(oracle, candidates, np.arange(len(rows)), n_starts=n_starts)
    return np.asarray(np.isfinite(oracle.best_distance))

"""Rows that are proved robust at a size, so that no attack need be run on them."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from specreg_sklearn._typing import BoolArray, Certify, Classifier
from specreg_sklearn.attacks import BlackBoxAttack
from specreg_sklearn.certificates.pipelines import CertifiedModel
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import as_table, same_labels


def proved_rows(
    certify: Certify,
    attack: BlackBoxAttack,
    estimator: Classifier,
    X: Any,
    y: np.ndarray,
    *,
    eps: float,
    space: FeatureSpace,
) -> BoolArray:
    """Return which rows are correct and proved to stay so within `eps`.

    Attacked or not, such a row withstands, so a score does not depend on leaving it out: no attack
    finds anything there, and one that fails to start leaves it undecided, which counts the same.

    With `certify` "auto" no row is, if the model has no certificate, or if torch is not loaded,
    since that takes longer than most attacks.
    """
    none = np.zeros(len(y), dtype=bool)
    if certify is False or (certify == "auto" and "torch" not in sys.modules):
        return none
    try:
        model = CertifiedModel(estimator)
        radii, predicted = model.radii(X, space, norm=attack.norm)
    except (TypeError, ValueError, ArithmeticError):
        if certify == "auto":
            return none
        raise
    proved = same_labels(y, predicted) & (radii > eps)
    if proved.any():
        attack._check_run(as_table(X).n_columns, eps)
        attack._prepare()
    return proved

"""An attack on what a proof has read of a model, of which the model confirms what is found."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn._typing import Classifier
from specreg_sklearn.attacks import AttackResult, BlackBoxAttack, Strongest
from specreg_sklearn.certificates.distances import DistanceProver, quick_model
from specreg_sklearn.tables import ask, same_labels


def confirmed_attack(
    attack: BlackBoxAttack,
    estimator: Classifier,
    X: Any,
    y: np.ndarray,
    *,
    prover: DistanceProver | None,
    **options: Any,
) -> AttackResult:
    """Run an attack on an estimator, or on what `prover` has read of it.

    The two give the same labels, and so the same result. If `predict` denies a row that was found,
    the attack runs again, on the estimator itself. Queries count questions, whoever answers them.

    `options` are those of ``attack.run``.
    """
    model = quick_model(prover, estimator)
    if model is estimator or not _asks_for_labels_alone(attack):
        return attack.run(estimator, X, y, **options)
    result = attack.run(model, X, y, **options)
    given = ask(estimator.predict, result.X_adv, len(y))
    if not (result.success & same_labels(y, given)).any():
        return result
    return attack.run(estimator, X, y, **options)


def _asks_for_labels_alone(attack: BlackBoxAttack) -> bool:
    """Return whether an attack runs as the package's own do, and needs no scores of its own.

    An attack with a way of its own may look at what it is given.
    """
    kind = type(attack)
    as_usual = kind.run in (BlackBoxAttack.run, Strongest.run)
    return as_usual and kind._predict_of is BlackBoxAttack._predict_of

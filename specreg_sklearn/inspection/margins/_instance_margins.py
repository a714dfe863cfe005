"""The distance of every row to another label: proved from below, found from above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from specreg_sklearn._typing import Classifier, RandomState, Scale
from specreg_sklearn.attacks import BlackBoxAttack
from specreg_sklearn.certificates.pipelines import (
    CertifiedModel,
    NoCertificateError,
    classifier_stages,
)
from specreg_sklearn.certificates.stages import Affine
from specreg_sklearn.inspection.margins._exact_distances import exact_distance, relu_layers
from specreg_sklearn.inspection.margins._feature_margins import readout_distances
from specreg_sklearn.inspection.model import ModelView, Report, rows_of, units_of
from specreg_sklearn.metrics import certified_radius
from specreg_sklearn.metrics.measurement import Measurement, Proof, both_ends, proof_of
from specreg_sklearn.space import CONVEX_NORMS, as_norm, check_norm
from specreg_sklearn.tables import as_table, ask, check_estimator

_METHODS = ("auto", "lipschitz", "attack", "exact")


@dataclass(frozen=True, repr=False, eq=False)
class InstanceMargins(Report):
    """Two bounds of the distance from every row to another label.

    Parameters
    ----------
    lower : ndarray of shape (n_samples,)
        No row nearer than this has another label; 0 where nothing was proved.
    upper : ndarray of shape (n_samples,)
        A row at this distance has another label; ``inf`` where none was looked for, or none found,
        so that the row is undecided from above.
    norm : float
        The norm of the distances.
    """

    lower: np.ndarray
    upper: np.ndarray
    norm: float


def instance_margins(
    estimator: Classifier,
    X: Any,
    *,
    norm: float = 2,
    method: str = "auto",
    scale: Scale = None,
    attack: str | BlackBoxAttack = "auto",
    random_state: RandomState = 0,
    n_jobs: int | None = None,
) -> InstanceMargins:
    """Bound the distance from every row to the nearest one with another predicted label.

    Parameters
    ----------
    estimator : object with a method predict
        A fitted classifier, pipeline or search.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows.
    norm : {1, 2, inf}, default=2
        The norm of ``(X_moved - X) / scale``. An attack needs 2 or inf.
    method : {"auto", "lipschitz", "attack", "exact"}, default="auto"
        Where the bounds come from.

        - "lipschitz": :func:`~specreg_sklearn.metrics.certified_radius` from below, nothing from
          above.
        - "attack": :func:`~specreg_sklearn.metrics.adversarial_distances` from above, nothing from
          below. It asks for predictions only, and takes any classifier.
        - "exact": the distance itself, from both sides. Linear models in every norm; fully
          connected ReLU networks of at most 16 hidden units in L2, by searching the regions in
          which the network is affine. Trees, other models that
          :func:`~specreg_sklearn.certificates.distance_prover` searches, and linear models behind
          steps that are not affine, such as encoders, within the range of `X`.
        - "auto": "exact" for linear models; for trees both ends of the search, with the attack on
          rows that it leaves open; else both "lipschitz" and "attack".
    scale : None, "std", "range", float or array of shape (n_features,), default=None
        Units of the distance; None is the units of `X`.
    attack : str or BlackBoxAttack, default="auto"
        The attack; its starts are the other rows of `X`, and it stays within the range of `X`.
    random_state : None, int, RandomState or Generator, default=0
        Seed of an attack given by name.
    n_jobs : int or None, default=None
        Workers of the attack.

    Returns
    -------
    InstanceMargins
        Arrays `lower` and `upper` of shape (n_samples,), in units of `scale`.

    Raises
    ------
    TypeError
        If the model has no certificate and `method` asks for one; the message names the step.
    ValueError
        If a parameter is not accepted, or "exact" does not know the model, or does not close a row
        of it.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.

    Notes
    -----
    The distance is about the predicted label, right or wrong; it says nothing about accuracy. For
    "exact" a tie of two logits counts as another label. Its search may take a second a row at 16
    units, and rows are searched one by one.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from specreg_sklearn.inspection import instance_margins
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((5,), max_iter=600, solver="lbfgs", random_state=0).fit(X, y)
    >>> proved = instance_margins(model, X[::10], method="lipschitz")
    >>> exact = instance_margins(model, X[::10], method="exact")
    >>> bool((proved.lower <= exact.lower).all())
    True
    """
    if method not in _METHODS:
        raise ValueError(f"method={method!r} is not one of {list(_METHODS)}.")
    norm = check_norm(norm, CONVEX_NORMS, "instance_margins")
    measurement = Measurement(norm, attack, None, scale, None, random_state, n_jobs)
    if method in ("auto", "exact"):
        proof = proof_of(estimator, X, norm, constants=False)
        # Of linear models the distance is known without a search, and outside the range of X, too,
        # as long as every step in front of them is affine.
        if proof.prover is not None and (
            proof.prover.name != "linear" or not _is_affine(estimator)
        ):
            strict = method == "exact" or proof.prover.name == "linear"
            return _of_search(estimator, X, measurement, proof, method == "auto", strict=strict)
    if method != "attack":
        affine = method != "lipschitz" and _is_affine(estimator)
        if method == "exact" or affine:
            view, certified = ModelView(estimator), CertifiedModel(estimator)
            rows, units = rows_of(view, X), units_of(view, X, scale)
            if affine:
                exact = _of_linear(view, certified, rows, units, norm)
            else:
                exact = _of_relu_network(certified, rows, units, norm)
            return InstanceMargins(exact, exact.copy(), norm)
        lower = certified_radius(estimator, X, norm=norm, scale=scale)
        if method == "lipschitz":
            return InstanceMargins(lower, np.full(len(lower), np.inf), norm)
    check_estimator(estimator)
    predicted = ask(estimator.predict, X, as_table(X).n_rows)
    upper = measurement.run_attack(estimator, X, predicted).distances
    return InstanceMargins(lower if method == "auto" else np.zeros(len(upper)), upper, norm)


def _is_affine(estimator: Classifier) -> bool:
    """Return whether scores are an affine function of all columns."""
    try:
        stages = classifier_stages(estimator)
    except NoCertificateError:
        return False
    return all(isinstance(stage, Affine) for stage in stages)


def _of_search(
    estimator: Classifier,
    X: Any,
    measurement: Measurement,
    proof: Proof,
    attacks: bool,
    *,
    strict: bool,
) -> InstanceMargins:
    """Bound distances by a search, and by an attack where it leaves rows open.

    If it is `strict`, what the search refuses is an error.
    """
    n = as_table(X).n_rows
    ends = both_ends(
        estimator,
        X,
        ask(estimator.predict, X, n),
        measurement,
        proof,
        attack=measurement.resolved_attack() if attacks else None,
        space=measurement.space_of(X),
        pool=measurement.pool_of(X),
        strict=strict,
    )
    n_open = int((~ends.bounds.closed).sum())
    if n_open and not attacks:
        raise ValueError(
            f"method='exact' does not close {n_open} of {n} rows of {type(estimator).__name__}. "
            "Take method='auto', which bounds them from both sides."
        )
    upper = ends.found.distances
    return InstanceMargins(np.minimum(ends.bounds.lower, upper), upper, measurement.norm)


def _of_linear(
    view: ModelView, certified: CertifiedModel, rows: np.ndarray, units: np.ndarray, norm: float
) -> np.ndarray:
    (whole,) = certified.scores.folded
    assert isinstance(whole, Affine)
    logits = view.evaluate(view.logits, rows)
    return readout_distances(logits, whole.dense() * units, as_norm(norm))


def _of_relu_network(
    certified: CertifiedModel, rows: np.ndarray, units: np.ndarray, norm: float
) -> np.ndarray:
    check_norm(norm, (2,), "method='exact', which is for norm=2 where the model is a network")
    layers = relu_layers(certified.scores, type(certified.estimator).__name__)
    first, bias = layers[0]
    distances = []
    for row in rows:
        # In the coordinates of the perturbation, in which distance is measured.
        moved = [(first * units, bias + first @ row), *layers[1:]]
        distances.append(exact_distance(moved, np.zeros(len(row))))
    return np.array(distances)

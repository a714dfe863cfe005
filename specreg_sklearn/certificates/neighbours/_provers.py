"""Neighbours and centroids of scikit-learn, in the form of all proofs of distances."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist

from specreg_sklearn._typing import BoolArray, Classifier, FloatArray, IntArray
from specreg_sklearn.certificates.distances import register_distance_prover
from specreg_sklearn.certificates.moves import LocalProof, ModelRows, MoveProver
from specreg_sklearn.certificates.neighbours._beating import Points
from specreg_sklearn.certificates.neighbours._k_nearest import majority_proof
from specreg_sklearn.certificates.neighbours._metric_balls import (
    inverse_weights,
    k_nearest_hold,
    largest_change,
    uniform_weights,
    within_radius_hold,
)
from specreg_sklearn.certificates.neighbours._nearest_point import nearest_point_proof
from specreg_sklearn.certificates.pipelines import NoCertificateError

if TYPE_CHECKING:
    from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsClassifier

_WEIGHTS = {"uniform": uniform_weights, "distance": inverse_weights}
# Names of metrics that are those of Minkowski, by the power.
_POWERS = {"euclidean": 2.0, "l2": 2.0, "manhattan": 1.0, "cityblock": 1.0, "l1": 1.0}
_POWERS |= {"chebyshev": np.inf, "infinity": np.inf}


def _power(step: KNeighborsClassifier | RadiusNeighborsClassifier) -> float:
    """Return the power p of the Minkowski metric that neighbours are found by."""
    metric, settings = step.metric, dict(step.metric_params or {})
    settings.pop("p", None)
    power = float(getattr(step, "p", 2)) if metric == "minkowski" else _POWERS.get(metric)
    if (step.metric_params or {}).get("p") is not None:
        power = float(step.metric_params["p"])
    if power is None or settings or callable(metric) or power < 1:
        raise NoCertificateError(
            f"{type(step).__name__}(metric={metric!r}, metric_params={step.metric_params!r}) has "
            "no certificate; accepted are Minkowski metrics with p >= 1, without weights of "
            "columns: euclidean, manhattan, chebyshev."
        )
    return power


def _fitted_points(
    step: KNeighborsClassifier | RadiusNeighborsClassifier,
) -> tuple[FloatArray, IntArray]:
    if step.outputs_2d_:
        raise NoCertificateError(
            f"{type(step).__name__} has no certificate: it was fitted on several outputs per row. "
            "Fit one model for each."
        )
    X = step._fit_X
    X = X.toarray() if sparse.issparse(X) else X
    return np.asarray(X, dtype=np.float64), np.asarray(step._y, dtype=np.int64).ravel()


def _unit_of(step: object, rows: ModelRows) -> ModelRows:
    """Count float32 if the points are held in it."""
    dtype = np.asarray(getattr(step, "_fit_X", getattr(step, "centroids_", 0.0))).dtype
    if dtype == np.float32 and rows.unit < 2.0**-24:
        return rows.with_unit(2.0**-24)
    return rows


class NeighboursProver(MoveProver):
    """The vote of the k nearest points, all of the same weight or by their distance."""

    name = "neighbours"

    def __init__(self, estimator: Classifier) -> None:
        super().__init__(estimator)
        step = self.last
        if step.weights not in (None, *_WEIGHTS):
            raise NoCertificateError(
                f"{type(step).__name__}(weights={step.weights!r}) has no certificate: nothing is "
                "known of the function. Take 'uniform' or 'distance'."
            )
        self.weights = _WEIGHTS[step.weights or "uniform"]
        self.power = _power(step)
        position, label = _fitted_points(step)
        self.points = Points(position, label, np.zeros(len(label)))

    def local_proof(
        self, rows: ModelRows, own: IntArray, box: tuple[FloatArray, FloatArray], max_nodes: int
    ) -> LocalProof:
        """Return distances by a search for votes of equal weight in L2, lower bounds else."""
        rows, k = _unit_of(self.last, rows), self.last.n_neighbors
        if self.power == 2 and k == 1:
            return nearest_point_proof(self.points, rows, own, box, max_nodes)
        if self.power == 2 and self.weights is uniform_weights:
            return majority_proof(self.points, k, rows, own, box, max_nodes)
        hold = partial(k_nearest_hold, k=k, weights=self.weights)
        return _by_triangles(self.points, self.power, hold, rows, own)


class RadiusProver(NeighboursProver):
    """The vote of all points within a radius."""

    name = "neighbours"

    def local_proof(
        self, rows: ModelRows, own: IntArray, box: tuple[FloatArray, FloatArray], max_nodes: int
    ) -> LocalProof:
        """Return lower bounds."""
        hold = partial(within_radius_hold, radius=float(self.last.radius), weights=self.weights)
        return _by_triangles(self.points, self.power, hold, _unit_of(self.last, rows), own)


def _by_triangles(
    points: Points, power: float, hold: Callable[..., bool], rows: ModelRows, own: IntArray
) -> LocalProof:
    n = len(rows)
    lower, rate = np.zeros(n), _rate(rows, power)
    size = points.position.shape[1]
    metric: dict[str, Any] = {"metric": "chebyshev"}
    if power != np.inf:
        metric = {"metric": "minkowski", "p": power}
    for i in range(n):
        distance = cdist(rows.values[i : i + 1], points.position, **metric)[0]
        mine = points.label == own[i]
        most = 2 * float(distance.max()) + 1.0
        reach = float(np.abs(rows.values[i]).max(initial=0.0)) + most + points.longest
        # In L2 neighbours are found by expanded squares: their root rounds by the root of that.
        relative = 8 * (size + 16) * rows.unit
        blur = relative * reach * size if power != 2 else np.sqrt(relative) * reach
        near = float(distance.min())
        if power == 2 and near > 0:
            blur = min(blur, relative * reach**2 / near)
        inexact = rows.error[i] * size + blur

        def holds(
            change: float, d: FloatArray = distance, own: BoolArray = mine, e: float = inexact
        ) -> bool:
            return bool(hold(d, own, change=change + e))

        change = largest_change(holds, most)
        drift = rate + rows.growth * size
        lower[i] = change / drift if drift > 0 else (np.inf if change > 0 else 0.0)
    moves = np.full((n, rows.slope.shape[1]), np.nan)
    return LocalProof(lower * (1 - 1e-12), moves, np.zeros(n, dtype=np.int64))


def _rate(rows: ModelRows, power: float) -> float:
    """Return how much a distance in the metric changes at most, per unit of a move."""
    size = rows.slope.shape[0]
    if power >= 2:
        # No Minkowski length with a larger power exceeds that with 2.
        return rows.stretch
    if power == 1:
        per_input = rows.norm.dual.length(rows.slope)
        return min(float(per_input.sum()), rows.stretch * np.sqrt(size)) * (1 + 1e-12)
    return rows.stretch * float(size) ** (1 / power - 0.5) * (1 + 1e-12)


class CentroidProver(MoveProver):
    """The nearest centroid, or the one with the largest discriminant where priors differ."""

    name = "centroids"

    def __init__(self, estimator: Classifier) -> None:
        super().__init__(estimator)
        step = self.last
        if step.metric != "euclidean":
            raise NoCertificateError(
                f"NearestCentroid(metric={step.metric!r}) has no certificate; take 'euclidean'."
            )
        centroids = np.asarray(step.centroids_, dtype=np.float64)
        n = len(centroids)
        self.units, offset = np.ones(centroids.shape[1]), np.zeros(n)
        prior = np.asarray(step.class_prior_, dtype=np.float64)
        # scikit-learn compares plain distances then.
        if not np.isclose(prior, 1 / n).all():
            spread = np.asarray(step.within_class_std_dev_, dtype=np.float64)
            self.units = np.where(spread != 0, spread, 1.0)
            offset = 2 * np.log(prior)
        self.points = Points(centroids / self.units, np.arange(n), offset)

    def local_proof(
        self, rows: ModelRows, own: IntArray, box: tuple[FloatArray, FloatArray], max_nodes: int
    ) -> LocalProof:
        """Return exact distances in L1, L2 and Linf."""
        rows = _unit_of(self.last, rows).divided(self.units)
        return nearest_point_proof(self.points, rows, own, box, max_nodes)


@register_distance_prover("sklearn.neighbors._classification.KNeighborsClassifier")
def prove_k_neighbours(estimator: Classifier, X: Any) -> NeighboursProver:
    """Return the proof of a classifier by its nearest neighbours."""
    return NeighboursProver(estimator)


@register_distance_prover("sklearn.neighbors._classification.RadiusNeighborsClassifier")
def prove_radius_neighbours(estimator: Classifier, X: Any) -> RadiusProver:
    """Return the proof of a classifier by the neighbours within a radius."""
    return RadiusProver(estimator)


@register_distance_prover("sklearn.neighbors._nearest_centroid.NearestCentroid")
def prove_centroids(estimator: Classifier, X: Any) -> CentroidProver:
    """Return the proof of a classifier by the nearest centroid."""
    return CentroidProver(estimator)

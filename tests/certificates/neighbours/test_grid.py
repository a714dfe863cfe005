"""Exact distances in the plane, against all points of a fine grid, asked of `predict` itself."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_blobs, make_moons
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid, RadiusNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.space import FeatureSpace, as_norm
from tests.grids import diagonal

_N = 121
# Which norms each model has exact distances in.
_EXACT = [
    (KNeighborsClassifier(1), (1, 2, np.inf)),
    (KNeighborsClassifier(3), (1, 2, np.inf)),
    (KNeighborsClassifier(4), (1, 2, np.inf)),
    (NearestCentroid(), (1, 2, np.inf)),
    (NearestCentroid(priors="empirical"), (1, 2, np.inf)),
    (LogisticRegression(), (1, 2, np.inf)),
    (GaussianNB(), (2, np.inf)),
    (QuadraticDiscriminantAnalysis(), (2,)),
]
_BOUNDED = [
    KNeighborsClassifier(3, weights="distance"),
    KNeighborsClassifier(3, metric="manhattan"),
    RadiusNeighborsClassifier(1.5, outlier_label=0),
    SVC(C=10, random_state=0),
    SVC(kernel="poly", coef0=1, random_state=0),
    SVC(kernel="sigmoid", random_state=0),
]


def _data(n_classes):
    if n_classes == 2:
        X, y = make_moons(60, noise=0.2, random_state=0)
    else:
        X, y = make_blobs(80, centers=3, cluster_std=1.5, random_state=1)
        y = np.where(np.arange(80) < 20, 2, y)
    return X * [1.0, 3.0], y


def _grid_distances(model, X, some, space, norm):
    """Return upper bounds of distances, and by how much they may be too large."""
    low, high = X.min(axis=0), X.max(axis=0)
    axes = [np.linspace(*ends, _N) for ends in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    labels, own = model.predict(points), model.predict(some)
    pitch = as_norm(norm).length(((high - low) / (_N - 1) / space.scale)[None])[0]
    measure = as_norm(norm).length
    nearest = [
        measure((points[labels != k] - x) / space.scale).min(initial=np.inf)
        for x, k in zip(some, own, strict=True)
    ]
    return np.array(nearest), pitch


@pytest.mark.parametrize(("case", "n_classes"), diagonal(_EXACT, [3, 2]))
def test_exact_distances_are_those_of_a_grid(case, n_classes):
    X, y = _data(n_classes)
    space = FeatureSpace.from_data(X, scale=[1.0, 2.0])
    rows = space.bind(X[::6])
    last, norms = case
    model = make_pipeline(StandardScaler(), last).fit(X, y)
    for norm in norms:
        bounds = distance_prover(model, X).bounds(rows, norm=norm)
        grid, pitch = _grid_distances(model, X, X[::6], space, norm)
        assert (bounds.lower <= grid).all(), norm
        assert (bounds.lower <= bounds.upper).all()
        # Bounds of the space may hide the nearest part of a curved boundary from a witness.
        assert bounds.closed.mean() > 0.8, norm
        closed = bounds.closed & np.isfinite(grid)
        assert (grid[closed] <= bounds.upper[closed] + 2 * pitch).all(), norm


@pytest.mark.parametrize(("last", "n_classes"), diagonal(_BOUNDED, [2, 3]))
def test_lower_bounds_are_below_a_grid(last, n_classes):
    X, y = _data(n_classes)
    space = FeatureSpace.from_data(X, scale=[1.0, 2.0])
    rows = space.bind(X[::8])
    model = make_pipeline(StandardScaler(), last).fit(X, y)
    for norm in (2, np.inf):
        lower = distance_prover(model, X).bounds(rows, norm=norm).lower
        grid, _ = _grid_distances(model, X, X[::8], space, norm)
        assert (lower <= grid).all(), norm
        assert (lower > 0).mean() > 0.5, norm


@pytest.mark.parametrize("error", [RuntimeError, np.linalg.LinAlgError])
def test_a_projection_that_gives_up_leaves_a_bound(monkeypatch, error):
    def gives_up(*args, **options):
        raise error("Matrix is singular.")

    X, y = _data(3)
    space = FeatureSpace.from_data(X, scale=[1.0, 2.0])
    rows = space.bind(X[::5])
    prover = distance_prover(KNeighborsClassifier(1).fit(X, y), X)
    exact = prover.bounds(rows, norm=2)
    monkeypatch.setattr("specreg_sklearn.certificates.moves._polyhedra.nnls", gives_up)
    bounds = prover.bounds(rows, norm=2)
    assert (bounds.lower <= exact.lower * (1 + 1e-9)).all()
    assert (bounds.upper >= exact.upper * (1 - 1e-9)).all()
    assert (bounds.lower[exact.lower > 0] > 0).all() and (bounds.lower < exact.lower).any()

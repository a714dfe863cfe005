"""The distance that the benchmark finds with gradients, against distances that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.reproduce.protocol import gradient_distances
from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder
from specreg_sklearn.inspection import instance_margins

X, Y = load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def encoder():
    encoder = SpectrallyRegularizedEncoder(hidden_layer_sizes=8, max_iter=100, random_state=0)
    return encoder.fit(X, Y)


def linear_distances(probe, rows, labels, scale):
    """The margin to every other class over the norm of the difference of the coefficients."""
    scores, W = probe.decision_function(rows), probe.coef_ * scale
    found = np.full(len(rows), np.inf)
    for i, label in enumerate(labels):
        for other in {0, 1, 2} - {label}:
            margin = scores[i, label] - scores[i, other]
            found[i] = min(found[i], max(margin, 0) / np.linalg.norm(W[label] - W[other]))
    return found


@pytest.mark.parametrize("scale", [None, [0.5, 2.0, 1.0, 3.0], [0.5, 2.0, 0.0, 3.0]])
def test_linear_models_have_the_margin_over_the_norm_of_the_weights(scale):
    probe = RobustLinearProbe(epsilon=0.1).fit(X, Y)
    unit = np.ones(4) if scale is None else np.array(scale)
    found = gradient_distances(probe, X, Y, bounds=None, scale=scale)
    np.testing.assert_allclose(found, linear_distances(probe, X, Y, unit), rtol=1e-6)
    wrong = probe.predict(X) != Y
    assert wrong.any()
    assert (found[wrong] == 0).all()


def test_small_networks_are_within_a_percent_of_the_exact_distance(encoder):
    right = np.flatnonzero(encoder.predict(X) == Y)[::4]
    exact = instance_margins(encoder, X[right], method="exact").upper
    ratio = gradient_distances(encoder, X[right], Y[right], bounds=None) / exact
    assert ratio.min() > 1 - 1e-6
    assert np.median(ratio) < 1.001
    assert np.mean(ratio < 1.01) > 0.9


def test_in_a_box_linear_models_have_the_distance_of_a_quadratic_program():
    rng = np.random.default_rng(0)
    rows = rng.beta(0.3, 0.3, size=(200, 6))  # many near a wall of the box
    labels = (rows @ [3, -2, 1, 1, -1, 0.5] > 1).astype(int)
    probe = RobustLinearProbe().fit(rows, labels)
    right = np.flatnonzero(probe.predict(rows) == labels)[:15]
    found = gradient_distances(probe, rows[right], labels[right], bounds=(0.0, 1.0))
    w, b = probe.coef_[0], probe.intercept_[0]
    free = np.abs(rows[right] @ w + b) / np.linalg.norm(w)
    for x, distance in zip(rows[right], found, strict=True):
        side = np.sign(x @ w + b)
        nearest = minimize(
            lambda z, x=x: ((z - x) ** 2).sum(),
            np.full(6, 0.5),
            bounds=[(0.0, 1.0)] * 6,
            constraints={"type": "ineq", "fun": lambda z, side=side: -side * (z @ w + b)},
            method="SLSQP",
            options={"ftol": 1e-12},
        )
        # An upper bound; the last bisection follows a line that the walls have bent.
        assert 1 - 1e-5 < distance / np.sqrt(nearest.fun) < 1.01
    assert (found > 1.05 * free).any()


def test_pipelines_are_followed_through_scalers_and_frozen_encoders():
    scaler = StandardScaler().fit(X)
    encoder = SpectrallyRegularizedEncoder(hidden_layer_sizes=8, max_iter=50, random_state=0)
    encoder.fit(scaler.transform(X), Y)
    probe = RobustLinearProbe().fit(encoder.transform(scaler.transform(X)), Y)
    whole = make_pipeline(scaler, FrozenEstimator(encoder), probe)
    inner = make_pipeline(FrozenEstimator(encoder), probe)
    in_units = gradient_distances(whole, X, Y, bounds=None, scale=scaler.scale_)
    of_inner = gradient_distances(inner, scaler.transform(X), Y, bounds=None)
    np.testing.assert_allclose(in_units, of_inner, rtol=1e-6)

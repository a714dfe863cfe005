"""Tiny ReLU networks whose distances are known: certified <= exact <= attack, row by row."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import CGBA, FeatureSpace
from specreg_sklearn.metrics import certified_radius
from tests.grids import diagonal

# Inputs, hidden layers, classes.
SHAPES = [(2, (6,), 2), (3, (7,), 2), (3, (6,), 3), (2, (4, 4), 2), (3, (4, 3), 3), (2, (3, 4), 4)]
N_ROWS = 8


def attack_distances(model, X, pool):
    space = FeatureSpace.from_data(pool, bounds=(-60.0, 60.0), scale=None)
    result = CGBA(max_queries=600).run(model, X, model.predict(X), space=space, pool=pool)
    return result.distances


@pytest.mark.parametrize(("shape", "seed"), diagonal(SHAPES, range(2)), ids=str)
def test_random_networks(shape, seed, truth):
    model = truth.random_network(seed, *shape)
    X = 3 * np.random.default_rng(seed).normal(size=(N_ROWS, shape[0]))
    pool = 6 * np.random.default_rng(9).normal(size=(500, shape[0]))
    exact = truth.exact_distances(truth.relu_layers(model), X)
    certified = certified_radius(model, X, scale=None)
    assert (certified <= exact).all()
    assert (certified > 0).all()
    found = attack_distances(model, X, pool)
    assert (exact <= found * (1 + 1e-9)).all()
    # The enumeration is the truth, not just a bound: the attack comes close to it.
    assert np.median(found / exact) < 1.02


@pytest.mark.parametrize(("alpha", "hidden"), [(0.0, (8,)), (0.05, (4, 4))])
def test_trained_encoders_in_raw_units(alpha, hidden, truth):
    X, y = make_blobs(300, 3, centers=4, cluster_std=2.0, random_state=1)
    X = X * [1.0, 20.0, 0.1]
    scaler = StandardScaler().fit(X)
    encoder = SpectrallyRegularizedEncoder(
        hidden_layer_sizes=hidden, alpha=alpha, max_iter=60, learning_rate_init=0.02, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_pipeline(scaler, encoder).fit(X, y)
    layers = truth.relu_layers(model[1])
    W, b = layers[0]
    layers[0] = W / scaler.scale_, b - W @ (scaler.mean_ / scaler.scale_)
    rows = X[:N_ROWS]
    exact = truth.exact_distances(layers, rows)
    certified = certified_radius(model, rows, scale=None)
    assert (certified <= exact).all()
    # A bound that is no use would pass, too.
    assert np.median(certified / exact) > 0.05
    space = FeatureSpace.from_data(X, bounds=(-2000.0, 2000.0), scale=None)
    result = CGBA(max_queries=600).run(model, rows, model.predict(rows), space=space, pool=X)
    assert (exact <= result.distances * (1 + 1e-5)).all()  # predict computes in float32


@pytest.mark.parametrize("shape", [(2, (6,), 2), (2, (3, 4), 4)], ids=str)
def test_no_point_nearby_has_another_label(shape, truth):
    """The enumerated distance against labels on circles around the row."""
    model = truth.random_network(3, *shape)
    layers = truth.relu_layers(model)
    X = 3 * np.random.default_rng(3).normal(size=(N_ROWS, 2))
    exact = truth.exact_distances(layers, X)
    label = truth.logits(layers, X).argmax(axis=1)
    angle = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    for x, y, distance in zip(X, label, exact, strict=True):
        for share in (0.5, 0.99, 0.999999):
            assert (truth.logits(layers, x + share * distance * circle).argmax(1) == y).all()
        assert (truth.logits(layers, x + 1.001 * distance * circle).argmax(1) != y).any()

"""Spectral complexity: its identities, and margins that do not depend on scale."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn.inspection import logit_margins, normalized_margins, spectral_complexity


def test_identity_layers(encoder_model):
    d = 4
    for n_layers in (2, 3, 5):
        model = encoder_model([(np.eye(d), np.zeros(d))] * n_layers)
        assert spectral_complexity(model) == pytest.approx(n_layers**1.5 * d, rel=1e-9)


def test_zero_at_the_reference(encoder_model, mlp_model, random_layers):
    layers = random_layers(4, 5, 6, 3)
    for model in (encoder_model(layers), mlp_model(layers)):
        weights = [weight for weight, _ in layers]
        assert spectral_complexity(model, weights) == 0
        assert spectral_complexity(model, model) == 0
        assert spectral_complexity(model, [0 * w for w in weights]) == spectral_complexity(model)
        assert spectral_complexity(model, [2 * w for w in weights]) == pytest.approx(
            spectral_complexity(model)
        )


def test_scaling_one_layer_scales_the_complexity(mlp_model, random_layers):
    layers = random_layers(4, 5, 6, 3)
    scaled = [*layers[:1], (3.0 * layers[1][0], layers[1][1]), *layers[2:]]
    assert spectral_complexity(mlp_model(scaled)) == pytest.approx(
        3 * spectral_complexity(mlp_model(layers))
    )


def test_formula_written_out(mlp_model, random_layers):
    layers = random_layers(4, 5, 3)
    (A, _), (B, _) = layers
    a, b = np.linalg.norm(A, 2), np.linalg.norm(B, 2)
    rows_a, rows_b = (sum(np.linalg.norm(row) for row in M) for M in (A, B))
    expected = a * b * ((rows_a / a) ** (2 / 3) + (rows_b / b) ** (2 / 3)) ** 1.5
    assert spectral_complexity(mlp_model(layers)) == pytest.approx(expected)
    assert spectral_complexity(mlp_model(layers, "logistic")) == pytest.approx(expected / 4)


def test_dead_layers(linear_model):
    assert spectral_complexity(linear_model(np.zeros((3, 2)))) == 0
    with pytest.raises(ValueError, match="complexity or all rows are zero"):
        normalized_margins(linear_model(np.zeros((3, 2))), np.ones((2, 2)), [0, 1])


def test_normalised_margins(encoder_model, random_layers):
    layers = [(weight, 0 * bias) for weight, bias in random_layers(4, 5, 3)]
    X = np.random.default_rng(0).normal(size=(8, 4))
    y = np.arange(8) % 3
    model = encoder_model(layers)
    found = normalized_margins(model, X, y)
    size = spectral_complexity(model) * np.sqrt((X**2).sum()) / 8
    np.testing.assert_allclose(found, logit_margins(model, X, y) / size, rtol=1e-9)
    # ReLU networks without biases scale; what is normalised does not.
    louder = encoder_model([(7 * weight, bias) for weight, bias in layers])
    np.testing.assert_allclose(normalized_margins(louder, X, y), found, rtol=1e-9)


def test_rows_are_counted_as_the_network_reads_them(blob_rows, encoder_model, random_layers):
    X, y = 4 * blob_rows[0] + 1, blob_rows[1]
    encoder = encoder_model(random_layers(5, 6, 3))
    model = make_pipeline(StandardScaler(), FrozenEstimator(encoder)).fit(X, y)
    np.testing.assert_allclose(
        normalized_margins(model, X, y),
        normalized_margins(encoder, model[0].transform(X), y),
        rtol=1e-9,
    )


def test_refusals(convolution_model, mlp_model, random_layers):
    with pytest.raises(
        ValueError, match=r"layer 'backbone\.first' of SpectrallyRegularizedEncoder"
    ):
        spectral_complexity(convolution_model)
    model = mlp_model(random_layers(4, 5, 3))
    with pytest.raises(ValueError, match=r"reference has weights of shapes \[\(2, 2\)\]"):
        spectral_complexity(model, [np.eye(2)])

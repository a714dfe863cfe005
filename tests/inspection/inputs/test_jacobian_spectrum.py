"""Singular values of the features' derivative: products of weights, and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn.inspection import feature_jacobian_spectrum


def numeric_jacobian(function, x, step=1e-6):
    columns = []
    for j in range(len(x)):
        move = np.zeros_like(x)
        move[j] = step
        columns.append((function((x + move)[None])[0] - function((x - move)[None])[0]) / (2 * step))
    return np.stack(columns, axis=1)


def test_product_of_weights_where_no_unit_is_cut_off(encoder_model, mlp_model, random_layers):
    (W1, b1), (W2, b2), last = random_layers(4, 5, 6, 3)
    layers = [(W1, b1 + 100), (W2, b2 + 1000 * np.abs(W2).sum(axis=1)), last]
    expected = np.linalg.svd(W2 @ W1, compute_uv=False)
    for model in (encoder_model(layers), mlp_model(layers)):
        found = feature_jacobian_spectrum(model, np.zeros((2, 4)))
        np.testing.assert_allclose(found, [expected, expected], rtol=1e-9)


def test_dead_units_and_constant_features(encoder_model):
    unit = np.eye(2)
    model = encoder_model([(unit, np.array([0.0, -9.0])), (unit, np.zeros(2))])
    np.testing.assert_array_equal(feature_jacobian_spectrum(model, [[1.0, 1.0]]), [[1.0, 0.0]])


@pytest.mark.parametrize("of", ["features", "logits"])
def test_against_finite_differences(of, convolution_model):
    X = np.random.default_rng(0).normal(size=(3, 16))
    function = convolution_model.transform if of == "features" else convolution_model._logits
    expected = [np.linalg.svd(numeric_jacobian(function, x), compute_uv=False) for x in X]
    found = feature_jacobian_spectrum(convolution_model, X, of=of)
    assert found.shape == (3, 5 if of == "features" else 3)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_units_of_the_rows(iris_rows):
    X, y = 5 * iris_rows[0] + 2, iris_rows[1]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    raw = feature_jacobian_spectrum(model, X[:3])
    np.testing.assert_allclose(raw, [np.sort(1 / model[0].scale_)[::-1]] * 3, rtol=1e-9)
    np.testing.assert_allclose(feature_jacobian_spectrum(model, X, scale="std"), 1, rtol=1e-9)


def test_unknown_target(linear_model):
    with pytest.raises(ValueError, match="of='labels' is not 'features' or 'logits'"):
        feature_jacobian_spectrum(linear_model(np.eye(3)), np.eye(3), of="labels")

"""Stretch of layers: closed forms of linear maps, and searches that never fall behind chance."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn.inspection import layer_stretch


def test_a_linear_map_has_its_norms(linear_model):
    W = np.random.default_rng(0).normal(size=(3, 6))
    X = np.random.default_rng(1).normal(size=(4, 6))
    found = layer_stretch(linear_model(W), X, radius=0.7, n_directions=4000, n_steps=200)["logits"]
    assert found.random.shape == (4, 4000) and found.adversarial.shape == (4,)
    # E ||W u||^2 = ||W||_F^2 / d for u uniform on the sphere; 16000 draws are good to about 1 %.
    expected = np.linalg.norm(W) / np.sqrt(6)
    assert found.random_rms == pytest.approx(expected, rel=0.02)
    np.testing.assert_allclose(found.adversarial, np.linalg.norm(W, 2), rtol=1e-6)
    assert found.anisotropy == pytest.approx(np.linalg.norm(W, 2) / found.random_mean, rel=1e-6)


def test_the_search_is_a_power_iteration_from_below(linear_model):
    W = np.random.default_rng(3).normal(size=(10, 64))
    second, top = np.linalg.svd(W, compute_uv=False)[[1, 0]]
    found = layer_stretch(linear_model(W), np.ones((5, 64)), radius=1.0)["logits"]
    assert (found.adversarial <= top * (1 + 1e-9)).all()
    assert (found.adversarial >= 0.98 * second).all()  # twenty steps: past all smaller values
    longer = layer_stretch(linear_model(W), np.ones((5, 64)), radius=1.0, n_steps=120)["logits"]
    np.testing.assert_allclose(longer.adversarial, top, rtol=1e-3)


def test_an_orthogonal_map_stretches_nothing(linear_model):
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    found = layer_stretch(linear_model(Q), np.ones((3, 5)), radius=0.3)["logits"]
    assert found.random_mean == pytest.approx(1, abs=1e-9)
    assert found.random_std == pytest.approx(0, abs=1e-9)
    assert found.anisotropy == pytest.approx(1, abs=1e-9)


def test_layers_of_a_network_where_all_units_are_active(encoder_model, random_layers):
    (W1, b1), (W2, b2), (W3, b3) = random_layers(4, 5, 6, 3)
    # Rows are near 0 and biases large: no unit changes its mind, and the layers multiply.
    b1, b2 = b1 + 100, b2 + 100 + 1000 * np.abs(W2).sum(axis=1)
    model = encoder_model([(W1, b1), (W2, b2), (W3, b3)])
    found = layer_stretch(model, np.zeros((3, 4)), radius=0.5, n_steps=200)
    assert list(found) == ["backbone.hidden1", "backbone.hidden2", "head"]
    for stretch, matrix in zip(found.values(), (W1, W2 @ W1, W3 @ W2 @ W1), strict=True):
        np.testing.assert_allclose(stretch.adversarial, np.linalg.norm(matrix, 2), rtol=1e-5)


def test_activations_are_part_of_their_layer(encoder_model):
    unit = np.eye(3)
    model = encoder_model([(unit, np.full(3, -50.0)), (unit, np.zeros(3))])
    found = layer_stretch(model, np.ones((2, 3)), radius=1.0)
    assert found.column("adversarial_mean").max() == 0  # every unit is dead
    assert np.isnan(found["head"].anisotropy)
    half = encoder_model([(unit, np.zeros(3)), (unit, np.zeros(3))])
    stretch = layer_stretch(half, np.zeros((2, 3)), radius=1.0, n_directions=2000)[
        "backbone.hidden1"
    ]
    # Half of a random move is cut off, none of the best one.
    assert stretch.random_rms**2 == pytest.approx(0.5, rel=0.05)
    np.testing.assert_allclose(stretch.adversarial, 1.0, rtol=1e-6)


def test_the_search_never_falls_behind_chance(mlp_model, convolution_model, random_layers):
    rng = np.random.default_rng(0)
    for model, d in ((mlp_model(random_layers(4, 9, 9, 3)), 4), (convolution_model, 16)):
        X = rng.normal(size=(6, d))
        chance = layer_stretch(model, X, radius=1.0, n_directions=40, n_steps=0)
        search = layer_stretch(model, X, radius=1.0, n_directions=40)
        for name in chance:
            np.testing.assert_allclose(chance[name].adversarial, chance[name].random.max(axis=1))
            np.testing.assert_array_equal(chance[name].random, search[name].random)
            assert (search[name].adversarial >= chance[name].adversarial - 1e-12).all()
        many = layer_stretch(model, X, radius=1.0, n_directions=3000, n_steps=0)
        last = list(chance)[-1]
        assert (search[last].adversarial >= 0.98 * many[last].adversarial).all()


def test_units(iris_rows):
    X, y = 5 * iris_rows[0] + 2, iris_rows[1]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    scaled = layer_stretch(model, X[:5], radius=0.1, scale=X.std(axis=0), n_steps=100)["logits"]
    raw = layer_stretch(model, X[:5], radius=0.1, n_steps=100)["logits"]
    coef = model[-1].coef_
    np.testing.assert_allclose(scaled.adversarial, np.linalg.norm(coef, 2), rtol=1e-6)
    np.testing.assert_allclose(
        raw.adversarial, np.linalg.norm(coef / model[0].scale_, 2), rtol=1e-6
    )
    by_name = layer_stretch(model, X, radius=0.1, scale="std", n_steps=100)["logits"]
    np.testing.assert_allclose(by_name.adversarial_mean, np.linalg.norm(coef, 2), rtol=1e-6)


def test_columns_that_do_not_vary_do_not_move_in_standard_deviations(linear_model):
    model = linear_model(np.diag([1.0, 9.0, 1.0]))
    X = np.random.default_rng(0).normal(size=(20, 3))
    X[:, 1] = 4.0
    still = layer_stretch(model, X, radius=0.1, scale="std", n_steps=100)["logits"]
    assert still.adversarial_mean == pytest.approx(X.std(axis=0).max(), rel=1e-6)
    with pytest.raises(ValueError, match="No column of X can move"):
        layer_stretch(model, np.ones((3, 3)), radius=0.1, scale="std")


def test_same_seed_same_numbers_in_any_order_of_layers(mlp_model, random_layers):
    model = mlp_model(random_layers(4, 9, 3))
    X = np.random.default_rng(0).normal(size=(8, 4))
    both = layer_stretch(model, X, radius=1.0, random_state=3)
    alone = layer_stretch(model, X, radius=1.0, random_state=3, layers="logits")
    np.testing.assert_array_equal(both["logits"].adversarial, alone["logits"].adversarial)
    other = layer_stretch(model, X, radius=1.0, random_state=4)
    assert (other["logits"].random != both["logits"].random).all()
    assert "anisotropy" in repr(both) and "adversarial: shape (8,)" in repr(both["logits"])

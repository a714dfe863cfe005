"""Images in, as (n, C, H, W) or flat: shapes, order of the axes, units, batch norm."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from specreg_sklearn import SpectrallyRegularizedEncoder, make_robust_scorer
from specreg_sklearn.attacks import CGBA
from specreg_sklearn.metrics import adversarial_distances, certified_radius
from specreg_sklearn.modules import ConvNet, ResNet18

SMALL = ConvNet(channels=(4, 8), n_features=16)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(n_class=4, return_X_y=True)
    return (X / 16).astype(np.float32)[:300], y[:300]


def encoder(module=SMALL, **changes):
    settings = {"max_iter": 20, "batch_size": 30, "learning_rate_init": 1e-2, "random_state": 0}
    return SpectrallyRegularizedEncoder(module, **{**settings, **changes})


def test_flat_rows_and_images_give_the_same_network(digits):
    X, y = digits
    images = X.reshape(-1, 1, 8, 8)
    flat = encoder(input_shape=(1, 8, 8)).fit(X, y)
    shaped = encoder().fit(images, y)
    for first, second in zip(flat.module_.parameters(), shaped.module_.parameters(), strict=True):
        assert torch.equal(first, second)
    np.testing.assert_array_equal(flat.predict_proba(X), shaped.predict_proba(images))
    np.testing.assert_array_equal(shaped.transform(images), shaped.transform(X))
    assert shaped.n_features_in_ == 64
    assert shaped.score(images, y) > 0.9


def test_a_conv_net_behind_a_scaler_in_a_search(digits):
    X, y = digits
    model = make_pipeline(MinMaxScaler(), encoder("convnet", input_shape=(1, 8, 8)))
    assert cross_val_score(model, X, y, cv=2).mean() > 0.9


def test_images_go_through_cross_validation(digits):
    X, y = digits
    assert cross_val_score(encoder(), X.reshape(-1, 1, 8, 8), y, cv=2).mean() > 0.85


def test_resnet_with_batch_norm_trains_and_is_certified(digits):
    X, y = digits
    model = encoder(ResNet18(width=2), input_shape=(1, 8, 8), alpha=1e-3, max_iter=6)
    model.fit(X.astype(np.float64), y)
    assert model.score(X, y) > 0.8
    assert len([name for name in model.spectral_norms_ if "conv" in name]) == 20
    rows = X[:8].astype(np.float64)
    attack = CGBA(max_queries=300)
    found = adversarial_distances(model, rows, y[:8], scale=None, attack=attack, certify=False)
    proved = certified_radius(model, rows, scale=None)
    assert (proved > 0).all()
    right = model.predict(rows) == y[:8]
    assert np.isfinite(found[right]).sum() > 4
    assert (proved[right] <= found[right]).all()


def test_a_plain_mlp_flattens_images(digits):
    X, y = digits
    flat = encoder("mlp", hidden_layer_sizes=8, max_iter=3).fit(X, y)
    shaped = encoder("mlp", hidden_layer_sizes=8, max_iter=3).fit(X.reshape(-1, 1, 8, 8), y)
    np.testing.assert_array_equal(flat.transform(X), shaped.transform(X))


def test_scores_under_attack_and_proofs_take_images(digits):
    X, y = digits
    images = X.reshape(-1, 1, 8, 8)
    model = encoder(max_iter=6).fit(images, y)
    attack = CGBA(max_queries=200)
    scorer = make_robust_scorer(eps=0.3, scale=None, max_samples=4, attack=attack)
    assert scorer(model, images, y) == scorer(model, X, y)
    np.testing.assert_array_equal(
        certified_radius(model, images[:5], scale=None), certified_radius(model, X[:5], scale=None)
    )
    search = GridSearchCV(encoder(max_iter=3), {"alpha": [1e-3, 1e-2]}, scoring=scorer, cv=2)
    assert 0 <= search.fit(images, y).best_score_ <= 1


# Mistakes


def test_flat_rows_without_a_shape(digits):
    with pytest.raises(ValueError, match=r"ConvNet works on images.*input_shape.*\(1, 8, 8\)"):
        encoder("convnet").fit(*digits)


@pytest.mark.parametrize("shape", [(1, 8, 9), (64, 0), (1, 8.0, 8), (-1, 8, -8)])
def test_input_shape_that_does_not_fit(digits, shape):
    with pytest.raises(ValueError, match=r"input_shape=.*number of features of X, 64"):
        encoder(input_shape=shape).fit(*digits)


def test_channels_last_is_seen(digits):
    X, y = digits
    with pytest.raises(ValueError, match=r"channels last.*transpose\(0, 3, 1, 2\)"):
        encoder().fit(X.reshape(-1, 8, 8, 1), y)


def test_images_of_another_shape_than_said(digits):
    X, y = digits
    with pytest.raises(ValueError, match=r"rows of shape \(8, 8, 1\).*come last.*transpose"):
        encoder(input_shape=(1, 8, 8)).fit(X.reshape(-1, 8, 8, 1), y)
    with pytest.raises(ValueError, match=r"rows of shape \(1, 4, 16\).*input_shape=\(1, 8, 8\)"):
        encoder(input_shape=(1, 8, 8)).fit(X.reshape(-1, 1, 4, 16), y)


def test_prediction_on_images_of_another_shape(digits):
    X, y = digits
    model = encoder(max_iter=1).fit(X.reshape(-1, 1, 8, 8), y)
    with pytest.raises(ValueError, match=r"rows of shape \(1, 16, 4\)"):
        model.predict(X.reshape(-1, 1, 16, 4))
    with pytest.raises(ValueError, match=r"65 features, but .* is expecting 64"):
        model.predict(np.zeros((3, 65), dtype=np.float32))


def test_bytes_are_warned_about(digits):
    X, y = digits
    pixels = (255 * X).astype(np.uint8).reshape(-1, 1, 8, 8)
    with pytest.warns(UserWarning, match="uint8 with values up to 255.*divide by 255") as caught:
        encoder(max_iter=1).fit(pixels, y)
    assert {w.filename for w in caught if "uint8" in str(w.message)} == {__file__}


def test_binary_bytes_and_tables_of_bytes_are_not(digits):
    X, y = digits
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "max_iter=.* epochs were reached")
        encoder().fit((X > 0.5).astype(np.uint8).reshape(-1, 1, 8, 8), y)
        encoder("mlp", hidden_layer_sizes=16, alpha=0.02).fit((16 * X).astype(np.uint8), y)


def test_batches_of_one_row_with_batch_norm(digits):
    X, y = digits
    model = encoder(ConvNet(channels=(2,), batch_norm=True), input_shape=(1, 8, 8), batch_size=1)
    with pytest.raises(ValueError, match=r"batch_size=1 is too small: a network with batch norm"):
        model.fit(X, y)


def test_a_last_batch_of_one_row_joins_the_one_before(digits):
    """On images that are a single pixel at the norm, torch itself refuses a batch of one row."""
    X, y = digits
    deep = ConvNet(channels=(2, 2, 2), batch_norm=True, n_features=None)
    model = encoder(deep, input_shape=(1, 8, 8), batch_size=10, max_iter=2).fit(X[:21], y[:21])
    assert model.n_iter_ == 2


def test_unknown_module_lists_the_valid_ones(digits):
    with pytest.raises(ValueError, match=r"module='vgg'.*'convnet', 'mlp', 'resnet18'"):
        encoder("vgg").fit(*digits)

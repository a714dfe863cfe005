"""What certificates must refuse, and extremes that they must survive."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import CGBA
from specreg_sklearn.metrics import (
    adversarial_distances,
    certified_accuracy_score,
    certified_radius,
    lipschitz_bound,
    robust_accuracy_score,
)
from specreg_sklearn.spectral import certified_norm


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def encoder(X, y, *layers, **settings):
    if layers:
        settings["module"] = lambda input_shape: nn.Sequential(*layers)
    defaults = {"max_iter": 30, "learning_rate_init": 0.02, "random_state": 0}
    settings = {"hidden_layer_sizes": (6,)} | defaults | settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SpectrallyRegularizedEncoder(device="cpu", **settings).fit(X, y)


def lazy(kind, *args, **kwargs):
    """Build a layer without touching the global generator."""
    with torch.random.fork_rng(devices=[]):
        return kind(*args, **kwargs)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part", ["backbone.hidden1.weight", "backbone.hidden1.bias", "head.bias"])
def test_weights_that_are_not_finite(part, value, iris):
    X, y = iris
    model = encoder(X, y)
    with torch.no_grad():
        model.module_.get_parameter(part)[0] = value
    for measure in (lambda m: certified_radius(m, X, scale=None), lipschitz_bound):
        with pytest.raises(ValueError, match="NaN or inf"):
            measure(model)
    mlp = MLPClassifier((5,), max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlp.fit(X, y)
    mlp.coefs_[1][0, 0] = value
    with pytest.raises(ValueError, match="NaN or inf"):
        certified_radius(mlp, X, scale=None)
    with pytest.raises(ValueError, match="NaN or inf"):
        lipschitz_bound(nn.Sequential(model.module_.backbone, model.module_.head))


def test_batch_norm_without_statistics(iris):
    """It normalises by the batch in eval mode too: a row's logits depend on the other rows."""
    X, y = iris
    layer = nn.BatchNorm2d(3, track_running_stats=False)
    convolution = lazy(nn.Conv2d, 1, 3, 1)
    layers = (convolution, layer, nn.ReLU(), nn.Flatten())
    model = encoder(X, y, *layers, penalty=None, input_shape=(1, 2, 2))
    for measure in (lambda m: certified_radius(m, X, scale=None), lipschitz_bound):
        with pytest.raises(TypeError, match=r"BatchNorm2d.*no running statistics"):
            measure(model)
    with pytest.raises(TypeError, match=r"BatchNorm2d.*no running statistics"):
        lipschitz_bound(nn.Sequential(convolution, layer), input_shape=(1, 2, 2))
    with pytest.raises(ValueError, match=r"BatchNorm2d.*no running statistics"):
        certified_norm(layer)
    with pytest.raises(ValueError, match="training mode"):
        certified_norm(nn.BatchNorm2d(3))


class Doubling(nn.Module):
    def forward(self, X):
        return X * torch.linalg.vector_norm(X, dim=1, keepdim=True)


UNKNOWN = {
    "LayerNorm": lambda: nn.LayerNorm(4),
    "GroupNorm": lambda: nn.GroupNorm(2, 4),
    "linalg_vector_norm": Doubling,
    "Bilinear": lambda: nn.Sequential(nn.Unflatten(1, (4, 1)), _OwnBilinear()),
    "MultiheadAttention": lambda: nn.Sequential(nn.Unflatten(1, (1, 4)), _OwnAttention()),
}


class _OwnBilinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = lazy(nn.Bilinear, 4, 4, 4)

    def forward(self, X):
        return self.inner(X[:, :, 0], X[:, :, 0])


class _OwnAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = lazy(nn.MultiheadAttention, 4, 1, batch_first=True)

    def forward(self, X):
        return self.inner(X, X, X)[0].flatten(1)


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_layers_are_named(name, iris):
    X, y = iris
    model = encoder(X, y, UNKNOWN[name](), lazy(nn.Linear, 4, 3), penalty=None)
    for measure in (
        lambda m: certified_radius(m, X, scale=None),
        lambda m: certified_accuracy_score(m, X, y, eps=0.1),
        lambda m: robust_accuracy_score(m, X, y, eps=0.1, certify=True),
        lipschitz_bound,
    ):
        with pytest.raises(TypeError, match=name):
            measure(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of them predict one class only
        attacked, spared = (
            robust_accuracy_score(
                model, X, y, eps=0.1, max_samples=5, certify=certify, attack=CGBA(max_queries=100)
            )
            for certify in (False, "auto")
        )
    np.testing.assert_equal(spared, attacked)


@pytest.mark.parametrize(
    "model",
    [
        SpectrallyRegularizedEncoder(),
        RobustLinearProbe(),
        MLPClassifier(),
        make_pipeline(StandardScaler(), SpectrallyRegularizedEncoder()),
    ],
    ids=lambda model: str(model)[:40],
)
def test_unfitted(model, iris):
    X, y = iris
    for measure in (
        lambda m: certified_radius(m, X, scale=None),
        lambda m: certified_accuracy_score(m, X, y, eps=0.1),
        lipschitz_bound,
    ):
        with pytest.raises(NotFittedError):
            measure(model)


def test_probabilities_in_place_of_logits(iris):
    X, y = iris
    calibrated = CalibratedClassifierCV(LogisticRegression(max_iter=500), cv=2).fit(X, y)
    with pytest.raises(TypeError, match="margins of probabilities prove nothing"):
        lipschitz_bound(calibrated)
    # Its radii are those of ranges of its members instead, and no row nearer has another label.
    proved = certified_radius(calibrated, X, scale=None)
    labels = calibrated.predict(X)
    attack = CGBA(max_queries=300)
    found = adversarial_distances(
        calibrated, X[::5], labels[::5], scale=None, certify=False, attack=attack
    )
    assert (proved[::5] <= found).all()
    assert (proved[::5] > 0).any()
    for layer in (nn.Softmax(dim=1), nn.LogSoftmax(dim=1)):
        model = encoder(X, y, lazy(nn.Linear, 4, 3), layer, penalty=None)
        with pytest.raises(TypeError, match=type(layer).__name__):
            certified_radius(model, X, scale=None)


def zeroed(model, *parts):
    with torch.no_grad():
        for part in parts:
            model.module_.get_parameter(part).zero_()
    return model


def test_matrices_of_zeros(iris):
    X, y = iris
    # Equal logits everywhere are a tie: nothing is certified.
    tied = zeroed(encoder(X, y), "head.weight", "head.bias")
    np.testing.assert_array_equal(certified_radius(tied, X, scale=None), 0.0)
    # Logits that never move keep their label at any distance.
    for still in ("head.weight", "backbone.hidden1.weight"):
        model = zeroed(encoder(X, y), still)
        assert len(np.unique(model.predict(X))) == 1
        np.testing.assert_array_equal(certified_radius(model, X, scale=None), np.inf)
        assert lipschitz_bound(model) == 0.0
    assert certified_norm(torch.zeros(3, 4)) == 0.0


def test_single_rows_and_columns(iris):
    X, y = iris
    for n_columns, hidden in ((1, (5,)), (4, (1,)), (1, (1,))):
        rows = X[:, 2 : 2 + n_columns] if n_columns == 1 else X
        model = encoder(rows, y, hidden_layer_sizes=hidden, alpha=0.0)
        radius = certified_radius(model, rows, scale=None)
        assert (radius > 0).mean() > 0.9
        if n_columns == 1:  # the line can be searched from end to end
            line = np.linspace(-20, 30, 5001)[:, None]
            label, own = model.predict(line), model.predict(rows)
            for x, r, mine in zip(rows, radius, own, strict=True):
                assert (label[np.abs(line - x)[:, 0] < r * (1 - 1e-5)] == mine).all()
    vector = np.array([[3.0, 4.0, 12.0]])
    for matrix in (vector, vector.T):
        assert 13.0 <= certified_norm(matrix) <= 13.0 * (1 + 1e-7)


def bare_network(truth):
    model = truth.random_network(0, 4, (6, 5), 3)
    model.intercepts_ = [0 * b for b in model.intercepts_]
    return model


def test_large_weights(iris, truth):
    """All three layers times the factor: the function grows by its cube, and radii stay."""
    X = iris[0][::5]
    model = bare_network(truth)
    before, bound = certified_radius(model, X, scale=None), lipschitz_bound(model)
    assert (before > 0).all()
    model.coefs_ = [W * 1e20 for W in model.coefs_]
    np.testing.assert_allclose(certified_radius(model, X, scale=None), before, rtol=1e-8)
    assert lipschitz_bound(model) == pytest.approx(bound * 1e60, rel=1e-8)
    assert not truth.fallen_inside(model, X, 0.999 * before).any()


def test_small_weights(iris, truth):
    """Logits of 1e-60 are told apart, but not by predict, which compares probabilities."""
    X = iris[0][::5]
    model = bare_network(truth)
    bound, own = lipschitz_bound(model), model.predict(X)
    model.coefs_ = [W * 1e-20 for W in model.coefs_]
    assert lipschitz_bound(model) == pytest.approx(bound * 1e-60, rel=1e-8)
    assert (own != 0).any() and (model.predict(X) == 0).all()
    assert (certified_radius(model, X, scale=None)[own != 0] == 0).all()


@pytest.mark.parametrize("factor", [1e20, 1e-20])
def test_scale_that_moves_between_layers(factor, iris, truth):
    """The function is the same, and so are its radii."""
    X = iris[0][::5]
    model = bare_network(truth)
    before = certified_radius(model, X, scale=None)
    first, second, last = model.coefs_
    model.coefs_ = [first * factor, second, last / factor]
    np.testing.assert_allclose(certified_radius(model, X, scale=None), before, rtol=1e-8)


@pytest.mark.parametrize("factor", [1e20, 1e-20])
def test_float32_weights_of_any_size(factor, iris):
    """A factor on the readout of an encoder, in the precision that it computes in."""
    X, y = iris
    model, X = encoder(X, y), X[::5]
    before = certified_radius(model, X, scale=None)
    assert (before > 0).mean() > 0.9
    with torch.no_grad():
        for parameter in model.module_.head.parameters():
            parameter *= factor
    np.testing.assert_allclose(certified_radius(model, X, scale=None), before, rtol=1e-4)

"""What a caller has set in torch changes no fit, and stays as it was."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from specreg_sklearn import RobustLinearProbe, SelfSupervisedEncoder, SpectrallyRegularizedEncoder
from specreg_sklearn._registry import available
from specreg_sklearn.metrics import certified_radius, lipschitz_bound
from specreg_sklearn.modules import ConvNet, SeededDraws
from specreg_sklearn.training import own_torch_settings

SHORT = {"max_iter": 2, "random_state": 0}


@contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def default_device(device):
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


SETTINGS = {
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "meta": lambda: default_device("meta"),
    "inside meta": lambda: torch.device("meta"),
    "no gradients": lambda: torch.set_grad_enabled(False),
    "inference": torch.inference_mode,
}


def user_module(input_shape):
    """Weights and buffers made in the ways that users know."""

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(input_shape[0], 6)
            self.scale = nn.Parameter(torch.full((6,), 0.7))
            self.register_buffer("shift", torch.tensor([0.1] * 6))
            self.register_buffer("grid", torch.linspace(0, 1, 6) + torch.arange(6.0))

        def forward(self, X):
            return (self.first(X) * self.scale + self.shift + self.grid).tanh()

    return Scaled()


def encoder(**changes):
    return SpectrallyRegularizedEncoder(hidden_layer_sizes=6, batch_size=50, **SHORT, **changes)


MODELS = {
    "user module": lambda: encoder(module=user_module, penalty=None),
    "held out": lambda: encoder(early_stopping=True),
    "probe": lambda: RobustLinearProbe(epsilon=0.1),
    "plain probe": RobustLinearProbe,
    **{f"penalty {n}": lambda n=n: encoder(penalty=n) for n in available("penalties")},
    **{f"constraint {n}": lambda n=n: encoder(constraint=n) for n in available("constraints")},
    **{
        f"objective {n}": lambda n=n: (
            SelfSupervisedEncoder(objective=n, hidden_layer_sizes=6, **SHORT)
            if n in ("barlow_twins", "simclr", "vicreg")
            else encoder(objective=n)
        )
        for n in available("objectives")
    },
}


def numbers(model, X, y):
    """Everything that a fitted model computes."""
    model.fit(X, y)
    found = [value.detach().numpy() for value in model.module_.state_dict().values()]
    if hasattr(model, "predict_proba"):
        found.append(model.predict_proba(X[:9]))
    if hasattr(model, "transform"):
        found += [model.transform(X[:9]), np.array([*model.spectral_norms_.values()])]
    return found


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", MODELS)
def test_no_setting_changes_a_fit(iris_rows, name):
    X, y = iris_rows[0].astype(np.float32), iris_rows[1]
    expected = numbers(MODELS[name](), X, y)
    for setting, context in SETTINGS.items():
        with context():
            found = numbers(MODELS[name](), X, y)
            assert torch.is_grad_enabled() == (setting not in ("no gradients", "inference"))
            assert torch.is_inference_mode_enabled() == (setting == "inference")
        assert_same(found, expected)


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_setting_changes_a_convolutional_fit(setting):
    X = np.random.default_rng(0).random((40, 1, 6, 6))
    y = np.arange(40) % 2
    net = ConvNet(channels=(3, 4), n_features=5, batch_norm=True)
    model = SpectrallyRegularizedEncoder(net, constraint="svb", **SHORT)
    expected = numbers(model, X, y)
    with SETTINGS[setting]():
        found = numbers(model, X, y)
    assert_same(found, expected)


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_setting_changes_a_proof(iris_rows, setting):
    X, y = iris_rows
    model = encoder().fit(X, y)
    expected = [lipschitz_bound(model), *certified_radius(model, X[:5], scale=None)]
    with SETTINGS[setting]():
        found = [lipschitz_bound(model), *certified_radius(model, X[:5], scale=None)]
    assert found == expected


def test_a_module_made_in_inference_mode_can_be_trained(iris_rows):
    with torch.inference_mode(), SeededDraws(torch.Generator().manual_seed(0)):
        made = nn.Sequential(nn.Linear(4, 5), nn.ReLU())
        model = encoder(module=made).fit(*iris_rows)
    start, end = made[0].weight, model.module_.backbone[0].weight
    assert not torch.equal(start, end)


def test_the_settings_are_the_callers_again_also_after_an_error():
    with torch.inference_mode(), pytest.raises(RuntimeError, match="inside"):
        with own_torch_settings():
            assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
            raise RuntimeError("inside")
    assert not torch.is_inference_mode_enabled()


def test_only_tensors_without_a_type_are_made_single():
    with default_dtype(torch.float64), SeededDraws(torch.Generator().manual_seed(0)):
        assert torch.zeros(2).dtype == torch.tensor([0.5]).dtype == torch.float32
        assert torch.rand(2).dtype == torch.full((2,), 0.5).dtype == torch.float32
        assert torch.tensor(np.zeros(2)).dtype == torch.zeros(2, dtype=torch.float64).dtype
        assert torch.tensor([1, 2]).dtype == torch.arange(3).dtype == torch.int64
        assert torch.tensor([True]).dtype == torch.bool
    with SeededDraws(torch.Generator().manual_seed(0)):
        single = torch.rand(3)
    with default_dtype(torch.float64), SeededDraws(torch.Generator().manual_seed(0)):
        assert torch.equal(torch.rand(3), single)

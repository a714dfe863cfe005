"""Training with products in bfloat16: what runs in it, and what must not. On a CPU, too."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.metrics import certified_radius
from specreg_sklearn.modules import mlp


def encoder(**changes):
    settings = {"hidden_layer_sizes": (12,), "max_iter": 15, "random_state": 0, "batch_size": 32}
    settings |= {"learning_rate_init": 1e-2, "device": "cpu", "mixed_precision": True}
    return SpectrallyRegularizedEncoder(**{**settings, **changes})


@pytest.fixture
def rows(iris_rows):
    X, y = iris_rows
    return X.astype(np.float32), y


class Watched(nn.Module):
    """A backbone that notes the type of its products, in training and otherwise."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.seen = {True: set(), False: set()}

    def forward(self, X):
        features = self.backbone(X)
        self.seen[self.training].add(features.dtype)
        return features


def watched(input_shape, hidden_layer_sizes):
    return Watched(mlp(input_shape, hidden_layer_sizes=hidden_layer_sizes))


def test_products_of_training_alone_are_short(rows):
    model = encoder(module=watched, penalty=None).fit(*rows)
    model.predict(rows[0])
    assert model.module_.backbone.seen == {True: {torch.bfloat16}, False: {torch.float32}}
    assert {p.dtype for p in model.module_.parameters()} == {torch.float32}
    assert model.module_(torch.tensor(rows[0])).dtype == torch.float32


@pytest.mark.parametrize("objective", ["adversarial", "lipschitz_margin"])
def test_it_learns_with_objectives_and_penalties(rows, objective):
    settings = {"objective": objective, "penalty": "ll_spectral+jacobian", "alpha": 1e-3}
    short = encoder(**settings).fit(*rows)
    full = encoder(**settings, mixed_precision=False).fit(*rows)
    assert short.score(*rows) > 0.9
    np.testing.assert_allclose(short.loss_curve_, full.loss_curve_, rtol=0.1)
    assert short.loss_curve_ != full.loss_curve_


def test_certificates_and_copies_are_those_of_single_precision(rows):
    model = encoder().fit(*rows)
    twin = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(twin.decision_function(rows[0]), model.decision_function(rows[0]))
    assert (certified_radius(model, rows[0][:5]) > 0).all()


def test_a_warm_start_takes_the_new_precision(rows):
    model = encoder(module=watched, penalty=None, warm_start=True, mixed_precision=False)
    model.fit(*rows)
    assert model.module_.backbone.seen[True] == {torch.float32}
    model.set_params(mixed_precision=True).fit(*rows)
    assert torch.bfloat16 in model.module_.backbone.seen[True]


def test_double_precision_and_other_values_are_refused(rows):
    X, y = rows
    with pytest.raises(ValueError, match=r"mixed_precision=True needs rows of float32.*float64"):
        encoder().fit(X.astype(np.float64), y)
    with pytest.raises(ValueError, match="'mixed_precision' parameter"):
        encoder(mixed_precision="bf16").fit(X, y)

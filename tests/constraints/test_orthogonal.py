"""Weights that keep lengths, against numpy's decompositions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from specreg_sklearn.constraints import Orthogonal
from specreg_sklearn.modules import ConvNet, SeededDraws, mlp


@pytest.fixture(autouse=True)
def start_weights_of_a_seed():
    with SeededDraws(torch.Generator().manual_seed(0)):
        yield


SHAPES = [(6, 4), (4, 6), (5, 5), (1, 7), (7, 1)]


def layer_with(n_outputs, n_inputs, dtype=torch.float64):
    layer = nn.Linear(n_inputs, n_outputs, dtype=dtype)
    values = np.random.default_rng(3).normal(size=(n_outputs, n_inputs))
    layer.weight = nn.Parameter(torch.tensor(values, dtype=dtype))
    return layer


def bind(backbone, **settings):
    return Orthogonal(**settings).bind(backbone, nn.Linear(3, 2), generator=torch.Generator())


def values_of(layer):
    return np.linalg.svd(layer.weight.detach().double().numpy(), compute_uv=False)


@pytest.mark.parametrize("shape", SHAPES)
def test_settling_gives_the_polar_factor(shape):
    layer = layer_with(*shape)
    left, _, right = np.linalg.svd(layer.weight.detach().numpy(), full_matrices=False)
    bind(layer).settle()
    np.testing.assert_allclose(layer.weight.detach(), left @ right, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_far_weights_are_brought_home_and_near_ones_nearly(shape):
    layer = layer_with(*shape)
    bound = bind(layer)
    bound.project()
    np.testing.assert_allclose(values_of(layer), 1, atol=1e-12)
    with torch.no_grad():
        layer.weight += 0.02 * torch.tensor(np.random.default_rng(4).normal(size=shape))
    error = np.abs(values_of(layer) - 1).max()
    bound.project()
    assert np.abs(values_of(layer) - 1).max() <= 2 * error**2  # the error of one step is quadratic


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_lose_what_stretches_and_keep_what_turns(shape):
    layer = layer_with(*shape)
    bound = bind(layer)
    bound.settle()
    W = layer.weight.detach().numpy()
    gradient = np.random.default_rng(5).normal(size=shape)
    layer.weight.grad = torch.tensor(gradient)
    bound.project_gradient()
    tangent = layer.weight.grad.numpy().copy()
    # Along it the Gram matrix of the shorter side stays the identity, to first order ...
    product = W @ tangent.T if len(W) <= W.shape[1] else W.T @ tangent
    np.testing.assert_allclose(product + product.T, 0, atol=1e-12)
    # ... what was taken away is at right angles to it, and nothing more is to be taken.
    np.testing.assert_allclose(np.sum((gradient - tangent) * tangent), 0, atol=1e-12)
    bound.project_gradient()
    np.testing.assert_allclose(layer.weight.grad, tangent, atol=1e-12)


def test_the_readout_is_free_unless_it_is_asked_for():
    head = nn.Linear(4, 3)
    before = head.weight.detach().clone()
    Orthogonal().bind(nn.Linear(5, 4), head, generator=torch.Generator()).settle()
    assert torch.equal(head.weight, before)
    held = Orthogonal(include_head=True).bind(nn.Linear(5, 4), head, generator=torch.Generator())
    held.settle()
    assert held.layer_names == ("backbone", "head")
    np.testing.assert_allclose(values_of(head), 1, atol=1e-6)


def test_weights_that_are_not_finite_are_left_to_the_training_loop():
    layer = layer_with(3, 3)
    with torch.no_grad():
        layer.weight[0, 0] = torch.nan
    bound = bind(layer)
    bound.project()
    bound.settle()
    assert torch.isnan(layer.weight).sum() == 1


def test_convolutions_are_refused_by_name():
    backbone = ConvNet()((1, 8, 8))
    with pytest.raises(ValueError, match=r"'backbone\.conv1' \(Conv2d\).*SpectralNorm holds"):
        bind(backbone)
    with pytest.raises(ValueError, match="include_head='yes'"):
        bind(mlp((4,)), include_head="yes")

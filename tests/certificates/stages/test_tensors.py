"""Stages on tensors: the values of `forward`, and gradients that flow."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from specreg_sklearn.certificates import Activation, BoundedLayer, Stage, StatedFunction
from specreg_sklearn.certificates.stages import (
    AxisProduct,
    Concatenation,
    Parallel,
    Sum,
)


class Mixed(Stage):
    """A stage with nothing but values: each output reads both inputs."""

    def lipschitz(self):
        return 3.0

    def forward(self, X, error):
        return np.stack([np.sin(X[:, 0]) * X[:, 1], X[:, 0] ** 2, X[:, 1]], axis=1), error


def test_a_stage_of_values_alone_has_its_gradient():
    x = torch.tensor([[0.3, -2.0], [1.5, 40.0]], dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    value = Mixed().tensor(x)
    expected = torch.stack([x[:, 0].sin() * x[:, 1], x[:, 0] ** 2, x[:, 1]], dim=1)
    torch.testing.assert_close(value, expected, rtol=1e-15, atol=0)
    (found,) = torch.autograd.grad((value * weights).sum(), x)
    (truth,) = torch.autograd.grad((expected * weights).sum(), x)
    torch.testing.assert_close(found, truth, rtol=1e-8, atol=1e-8)


def test_an_activation_of_ones_own_has_its_slope():
    square = Activation("square", np.square, -10.0, 10.0)
    x = torch.tensor([[-3.0, 0.0, 2.0]], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(square.tensor(x).sum(), x)
    torch.testing.assert_close(slope, 2 * x.detach(), rtol=1e-8, atol=1e-8)


def test_branches_on_columns_and_joins():
    x = torch.tensor([[0.5, -1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    branch = Parallel([(np.array([2, 0]), [Mixed()]), (np.array([1]), [])], 3)
    value = branch.tensor(x)
    values, _ = branch.forward(x.detach().numpy(), np.zeros((1, 3)))
    np.testing.assert_allclose(value.detach().numpy(), values, rtol=1e-15)
    (found,) = torch.autograd.grad(value.sum(), x)
    by_hand = [np.sin(2.0) + 1, 1.0, np.cos(2.0) * 0.5 + 4.0]
    np.testing.assert_allclose(found[0].numpy(), by_hand, rtol=1e-8)
    parts = [torch.ones(2, 3), torch.zeros(2, 3)]
    arrays = [(part.numpy(), part.numpy()) for part in parts]
    for join in (Concatenation(1), Concatenation(1, new_axis=True), Sum((1.0, -2.0), (1, 1))):
        np.testing.assert_array_equal(join.tensor(parts).numpy(), join.forward(arrays)[0])
    assert Concatenation(2, new_axis=True).tensor(parts).shape == (2, 3, 2)


def test_a_product_with_a_shape_of_its_own():
    matrices = [np.full((1, 4), 0.25), np.eye(3)]
    X = np.random.default_rng(0).normal(size=(2, 5, 4, 3))
    flat = AxisProduct(matrices, (5, 3))
    values, error = flat.forward(X, np.zeros_like(X))
    np.testing.assert_allclose(values, X.mean(axis=2), rtol=1e-14, atol=1e-16)
    assert error.shape == values.shape
    np.testing.assert_allclose(flat.tensor(torch.from_numpy(X)).numpy(), values, rtol=1e-14)


def test_a_bounded_layer_is_the_layer():
    layer = torch.nn.Softplus()
    stage = BoundedLayer(layer, 1.0)
    x = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x.requires_grad_()
    (found,) = torch.autograd.grad(stage.tensor(x).square().sum(), x)
    (truth,) = torch.autograd.grad(layer(x).square().sum(), x)
    torch.testing.assert_close(found, truth, rtol=0, atol=0)


@pytest.mark.parametrize("as_layer", [False, True])
def test_the_error_of_a_stated_function_covers_a_step_in_its_steepest_direction(as_layer):
    direction = np.array([2.0, -1.0, 2.0])  # of length 3

    def function(X):
        return np.tanh(X @ direction)[:, None]

    class Layer(torch.nn.Module):
        def forward(self, x):
            return torch.from_numpy(function(x.numpy()))

    plain = StatedFunction(function, 3.0, rounding=2.0**-50, n_inputs=3)
    stage = BoundedLayer(Layer(), 3.0) if as_layer else plain
    assert stage.lipschitz() == 3.0
    assert (plain.n_inputs, plain.n_outputs) == (3, 1)
    X = np.zeros((2, 3))
    step = 1e-4 * np.abs(direction)
    values, error = stage.forward(X, np.tile(step, (2, 1)))
    moved = function(X + np.sign(direction) * step)
    assert (np.abs(moved - values) <= error).all()
    assert (error <= np.abs(moved - values) * (1 + 1e-6)).all()  # tanh is nearly straight here


def test_a_bounded_layer_counts_rounding_with_the_size_of_the_row():
    stage = BoundedLayer(torch.nn.Identity(), 2.0, rounding=1e-3)
    X = np.array([[3.0, 4.0], [0.0, 0.0]])
    values, error = stage.forward(X, np.zeros_like(X))
    np.testing.assert_array_equal(values, X)
    # 1e-3 * (2 * ||row|| + |output|)
    np.testing.assert_allclose(error, [[0.013, 0.014], [0.0, 0.0]], rtol=1e-12)
    assert error[0, 0] >= 0.013
    assert stage.forward(X[:0], X[:0])[1].shape == (0, 2)

"""The gradient and the linearity objective on losses that are linear or quadratic."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from specreg_sklearn.modules import SeededDraws
from specreg_sklearn.objectives import Adversarial, Gradient, Linearity
from specreg_sklearn.objectives._gradient import loss_and_rise
from specreg_sklearn.objectives._linearity import linearity_error

NORMS = [1, 2, math.inf]
DUAL = {1: np.inf, 2: 2, math.inf: 1}
METHODS = ["finite_difference", "double_backprop"]


@pytest.fixture
def quadratic():
    """Return ``x H x / 2 + g x``, H and g, and rows."""
    rng = np.random.default_rng(0)
    H, g = rng.normal(size=(4, 4)), rng.normal(size=4)
    H = H + H.T
    X = rng.normal(size=(30, 4))
    Ht, gt = torch.tensor(H), torch.tensor(g)
    return lambda Z: ((Z @ Ht) * Z).sum(1) / 2 + Z @ gt, H, g, X


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("step", [0.1, 1.0])
def test_rise_of_a_quadratic_loss(quadratic, norm, step):
    """Exact by double backprop; a finite difference adds half its length times the curvature."""
    loss, H, g, X = quadratic
    slopes = X @ H + g
    size = np.linalg.norm(slopes, DUAL[norm], axis=1)
    settings = {"epsilon": 0.3, "norm": norm, "step": step}
    clean, rise = loss_and_rise(loss, torch.tensor(X), method="double_backprop", **settings)
    np.testing.assert_allclose(clean.detach(), (X @ H * X).sum(1) / 2 + X @ g)
    np.testing.assert_allclose(rise.detach(), 0.3 * size, rtol=1e-12)
    if norm == 1:
        v = np.zeros_like(X)
        top = np.abs(slopes).argmax(1)
        v[np.arange(30), top] = np.sign(slopes[np.arange(30), top])
    else:
        v = np.sign(slopes) if norm == math.inf else slopes / size[:, None]
    curvature = (v @ H * v).sum(1)
    _, rise = loss_and_rise(loss, torch.tensor(X), method="finite_difference", **settings)
    expected = 0.3 * size + step * 0.3**2 * curvature / 2
    np.testing.assert_allclose(rise.detach(), expected, rtol=1e-9)


def small_network(seed=0):
    with SeededDraws(torch.Generator().manual_seed(seed)):
        return nn.Sequential(nn.Linear(5, 9), nn.Tanh(), nn.Linear(9, 3)).double()


@pytest.fixture
def rows():
    rng = np.random.default_rng(1)
    return torch.tensor(rng.normal(size=(25, 5))), torch.tensor(rng.integers(3, size=25))


@pytest.mark.parametrize("norm", NORMS)
def test_both_methods_give_the_weights_the_same_gradient(rows, norm):
    """Up to the length of the difference, which goes to zero here."""
    gradients = []
    for method, step in (("double_backprop", 1.0), ("finite_difference", 1e-3)):
        network = small_network()
        objective = Gradient(1e-3, norm=norm, method=method, step=step)
        objective.per_sample_loss(network, *rows).mean().backward()
        plain = small_network()
        cross_entropy(plain(rows[0]), rows[1]).backward()
        pairs = zip(network.parameters(), plain.parameters(), strict=True)
        gradients.append(torch.cat([(p.grad - q.grad).flatten() for p, q in pairs]) / 1e-3)
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-5)
    assert gradients[0].abs().max() > 1e-2


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("method", METHODS)
def test_gradient_is_adversarial_to_second_order(rows, norm, method):
    """Ten times smaller moves leave a hundred times smaller differences."""
    gaps = []
    for epsilon in (1e-2, 1e-3):
        settings = {"norm": norm, "n_steps": 60, "random_start": False, "step_size": epsilon / 20}
        worst = Adversarial(epsilon, **settings).per_sample_loss(small_network(), *rows)
        first_order = Gradient(epsilon, norm=norm, method=method).per_sample_loss(
            small_network(), *rows
        )
        gaps.append(float((worst - first_order).detach().abs().max()))
    assert gaps[0] < 0.1 * 1e-2
    assert gaps[1] < gaps[0] / 30


def test_a_whole_epsilon_of_difference_is_one_step_of_the_attack(rows):
    one_step = Adversarial(0.2, n_steps=1, step_size=0.2, random_start=False, use_best=False)
    torch.testing.assert_close(
        Gradient(0.2, step=1.0).per_sample_loss(small_network(), *rows),
        one_step.per_sample_loss(small_network(), *rows),
    )


def test_log_loss_in_training_mode_and_slope_in_evaluation_mode(rows):
    """The log loss uses the statistics of the batch; the slope uses those that are kept."""
    X, y = rows
    with SeededDraws(torch.Generator().manual_seed(0)):
        network = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Linear(6, 3)).double()
    kept = network[1].running_mean.clone()
    slope = Gradient(0.1, method="double_backprop").per_sample_loss(network.eval(), X, y)
    slope = slope - cross_entropy(network(X), y, reduction="none")
    assert torch.equal(network[1].running_mean, kept)
    in_training = cross_entropy(network.train()(X), y, reduction="none")
    network[1].reset_running_stats()
    network[1].momentum = 0.0  # the log loss comes first, and must leave the slope as it was
    both = Gradient(0.1, method="double_backprop").per_sample_loss(network, X, y)
    torch.testing.assert_close(both, in_training + slope)
    assert network[1].num_batches_tracked == 1


def test_linearity_error_of_a_quadratic_loss(quadratic):
    """``-a (1 - a) (x_a - x_b) H (x_a - x_b) / 2``: zero for a linear loss."""
    loss, H, g, X = quadratic
    rng = np.random.default_rng(5)
    first, second = X + rng.normal(size=X.shape), X + rng.normal(size=X.shape)
    share = rng.uniform(size=30)
    tensors = [torch.tensor(array) for array in (first, second, share)]
    apart = first - second
    expected = -share * (1 - share) * (apart @ H * apart).sum(1) / 2
    np.testing.assert_allclose(linearity_error(loss, *tensors), expected, atol=1e-10)
    slope = torch.tensor(g)
    straight = linearity_error(lambda Z: Z @ slope + 3, *tensors)
    np.testing.assert_allclose(straight, 0, atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_linearity_without_curvature_is_one_step_of_the_attack(rows, norm):
    """Far on the wrong side the log loss of a linear model is linear."""
    layer = nn.utils.skip_init(nn.Linear, 5, 2, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0] * 5, [30.0, -20, 10, 5, 1]]))
        layer.bias.copy_(torch.tensor([0.0, -500.0]))
    X, y = rows[0], torch.ones(25, dtype=torch.int64)
    size = np.linalg.norm([30.0, -20, 10, 5, 1], DUAL[norm])
    expected = -layer(X)[:, 1] + 0.2 * size
    torch.testing.assert_close(Linearity(0.2, norm=norm).per_sample_loss(layer, X, y), expected)
    clean = Linearity(0.2, norm=norm, one_step=False).per_sample_loss(layer, X, y)
    torch.testing.assert_close(clean, -layer(X)[:, 1])


def test_linearity_falls_where_it_is_asked_for(rows):
    """Descent on the second term alone makes the loss straight around the rows."""
    X, y = rows
    network = small_network(3)
    with torch.no_grad():
        network[0].weight.mul_(4)

    def added(beta):
        full = Linearity(0.5, beta=beta, one_step=False).per_sample_loss(network, X, y)
        return (full - cross_entropy(network(X), y, reduction="none")).mean()

    before = added(1.0).item()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        added(1.0).backward()
        optimizer.step()
    assert added(1.0).item() < 0.1 * before
    assert added(2.0).item() == pytest.approx(2 * added(1.0).item())

"""Adversarial training of linear models against the dual-norm form of their worst case."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.objectives import Adversarial

NORMS = [1, 2, math.inf]
DUAL = {1: np.inf, 2: 2, math.inf: 1}


def linear_network(slope, offset):
    """Two logits, 0 and ``slope @ x + offset``."""
    layer = nn.utils.skip_init(nn.Linear, len(slope), 2, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(np.stack([np.zeros(len(slope)), slope])))
        layer.bias.copy_(torch.tensor([0.0, offset], dtype=torch.float64))
    return layer


@pytest.fixture
def problem():
    rng = np.random.default_rng(3)
    X, slope = rng.normal(size=(50, 6)), rng.normal(size=6)
    return X, rng.integers(2, size=50), slope, 0.3


def dual_norm_loss(X, y, slope, offset, epsilon, norm):
    margins = (2 * y - 1) * (X @ slope + offset)
    return np.logaddexp(0, -margins + epsilon * np.linalg.norm(slope, DUAL[norm]))


def loss_of(objective, problem):
    X, y, slope, offset = problem
    network = linear_network(slope, offset)
    return objective.per_sample_loss(network, torch.tensor(X), torch.tensor(y)).detach().numpy()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("epsilon", [0.01, 0.4, 3.0])
@pytest.mark.parametrize("use_best", [True, False])
def test_linear_loss_is_the_dual_norm_form(problem, norm, epsilon, use_best):
    """From the row itself, steps that add up to epsilon and more get there exactly."""
    for n_steps in (1, 10):
        step_size = "auto" if n_steps > 1 else epsilon
        objective = Adversarial(
            epsilon,
            norm=norm,
            n_steps=n_steps,
            step_size=step_size,
            random_start=False,
            use_best=use_best,
        )
        expected = dual_norm_loss(*problem, epsilon, norm)
        np.testing.assert_allclose(loss_of(objective, problem), expected, rtol=1e-9)


@pytest.mark.parametrize("norm", NORMS)
def test_random_starts_end_at_the_same_loss(problem, norm):
    """Exactly, but for L2, where steps of a part of the radius leave some of the start over."""
    expected = dual_norm_loss(*problem, 0.4, norm)
    long_steps = loss_of(Adversarial(0.4, norm=norm, n_steps=25, step_size=0.4), problem)
    np.testing.assert_allclose(long_steps, expected, rtol=1e-9)
    usual = loss_of(Adversarial(0.4, norm=norm), problem)
    np.testing.assert_allclose(usual, expected, rtol=0.06 if norm == 2 else 1e-9)
    assert (usual <= expected * (1 + 1e-12)).all()


def test_one_step_from_a_random_start_falls_short_by_less_than_the_start(problem):
    expected = dual_norm_loss(*problem, 0.4, math.inf)
    short = loss_of(Adversarial(0.4, n_steps=1, step_size=0.4), problem)
    enough = loss_of(Adversarial(0.4, n_steps=1, step_size=0.8), problem)
    assert (short < expected - 1e-6).any()
    np.testing.assert_allclose(enough, expected, rtol=1e-12)


def test_a_box_shortens_the_moves(problem):
    """Every coordinate moves as far as box and ball allow: the worst case has a closed form."""
    X, y, slope, offset = problem
    X = np.clip(X, -1, 1)
    direction = -np.sign(slope) * (2 * y - 1)[:, None]
    worst = np.clip(X + 0.5 * direction, -1, 1)
    expected = np.logaddexp(0, -(2 * y - 1) * (worst @ slope + offset))
    found = loss_of(Adversarial(0.5, feature_range=(-1, 1)), (X, y, slope, offset))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def identity_backbone(input_shape):
    return nn.Identity()


def scipy_minimum(X, y, epsilon, norm, weight_decay):
    """Minimise the dual-norm loss; absolute values and maxima become constraints."""
    n = X.shape[1]
    signs = 2 * y - 1

    def value(z, reach):
        v = z[:n]
        losses = np.logaddexp(0, -signs * (X @ v + z[n]) + epsilon * reach(z))
        # Two rows of a readout whose difference is v weigh least when they are -v/2 and v/2.
        return losses.mean() + weight_decay * (v @ v) / 2

    if norm == 2:
        found = minimize(
            value, np.full(n + 1, 0.1), args=(lambda z: np.linalg.norm(z[:n]),), tol=1e-12
        )
        return found.x[:n], found.fun
    n_slack = n if norm == math.inf else 1
    limits = [
        {"type": "ineq", "fun": lambda z: z[n + 1 :] - z[:n]},
        {"type": "ineq", "fun": lambda z: z[n + 1 :] + z[:n]},
    ]
    found = minimize(
        value,
        np.r_[np.full(n + 1, 0.1), np.full(n_slack, 0.2)],
        args=(lambda z: z[n + 1 :].sum(),),
        constraints=limits,
        method="SLSQP",
        options={"ftol": 1e-13, "maxiter": 1000},
    )
    return found.x[:n], found.fun


@pytest.mark.parametrize("norm", NORMS)
def test_fitted_weights_are_those_of_the_dual_norm_loss(norm):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    y = (X @ [2.0, -1.0, 0.5] + rng.normal(size=80) > 0.2).astype(int)
    settings = {"weight_decay": 1e-2, "penalty": None, "random_state": 0, "tol": 0.0}
    model = SpectrallyRegularizedEncoder(
        identity_backbone,
        objective=Adversarial(0.2, norm=norm, n_steps=1, step_size=0.2, random_start=False),
        batch_size=80,
        max_iter=900,
        n_iter_no_change=900,
        learning_rate_init=1e-2,
        **settings,
    ).fit(X, y)
    weights, minimum = scipy_minimum(X, y, 0.2, norm, 1e-2)
    head = model.module_.head.weight.detach().numpy()
    np.testing.assert_allclose(head[1] - head[0], weights, atol=2e-3)
    assert model.loss_curve_[-1] == pytest.approx(minimum, rel=1e-4)


def test_training_against_moves_of_one_norm_shrinks_its_dual(problem):
    """A rough check that the right norm is used: L1 moves even out the slopes, Linf thin them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    y = (X @ [2.0, 0.3, 0.3, 0.3, 0.3] > 0).astype(int)

    def slope(norm, epsilon):
        model = SpectrallyRegularizedEncoder(
            identity_backbone,
            objective=Adversarial(epsilon, norm=norm),
            penalty=None,
            learning_rate_init=0.05,
            max_iter=100,
            random_state=0,
        ).fit(X, y)
        head = model.module_.head.weight.detach().numpy()
        return np.abs(head[1] - head[0])

    thin, even = slope(math.inf, 0.2), slope(1, 1.0)
    assert even[1:].mean() / even[0] > 2 * thin[1:].mean() / thin[0]

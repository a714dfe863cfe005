"""TRADES and VAT on linear models, where the divergence has closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import expit, rel_entr, softmax
from torch import nn

from specreg_sklearn.modules import SeededDraws
from specreg_sklearn.objectives import VAT, Trades
from specreg_sklearn.objectives.perturbations._gradient_ascent import divergence

NORMS = [1, 2, math.inf]
DUAL = {1: np.inf, 2: 2, math.inf: 1}


def linear_network(slope, offset):
    layer = nn.utils.skip_init(nn.Linear, len(slope), 2, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(np.stack([np.zeros(len(slope)), slope])))
        layer.bias.copy_(torch.tensor([0.0, offset], dtype=torch.float64))
    return layer


@pytest.fixture
def problem():
    rng = np.random.default_rng(4)
    return rng.normal(size=(40, 5)), rng.integers(2, size=40), rng.normal(size=5), -0.2


def parts(objective, problem):
    """Return what the objective adds to the log loss, and the logits."""
    X, y, slope, offset = problem
    network = linear_network(slope, offset)
    losses = objective.per_sample_loss(network, torch.tensor(X), torch.tensor(y))
    logit = X @ slope + offset
    return losses.detach().numpy() - np.logaddexp(0, -(2 * y - 1) * logit), logit


def binary_divergence(logit, moved):
    p, q = expit(logit), expit(moved)
    return rel_entr(p, q) + rel_entr(1 - p, 1 - q)


def test_divergence_is_relative_entropy():
    logits = np.random.default_rng(0).normal(size=(2, 9, 4)) * 3
    ours = divergence(*torch.tensor(logits)).numpy()
    p, q = softmax(logits, axis=2)
    np.testing.assert_allclose(ours, rel_entr(p, q).sum(axis=1), rtol=1e-10)
    assert not divergence(*torch.tensor(logits[[0, 0]])).any()


@pytest.mark.parametrize("norm", NORMS)
def test_trades_ends_at_one_end_and_with_restarts_at_the_worse_one(problem, norm):
    """The divergence is convex along the slope: its maximum is at one of two ends."""
    settings = {"norm": norm, "beta": 2.0, "n_steps": 25, "step_size": 0.3}
    reach = 0.3 * np.linalg.norm(problem[2], DUAL[norm])
    once, logit = parts(Trades(0.3, **settings), problem)
    ends = [2 * binary_divergence(logit, logit + side * reach) for side in (-1, 1)]
    nearer = np.min(np.abs(once - ends), axis=0)
    np.testing.assert_allclose(nearer, 0, atol=1e-9)
    often, _ = parts(Trades(0.3, n_restarts=25, **settings), problem)
    np.testing.assert_allclose(often, np.max(ends, axis=0), rtol=1e-7)


def test_trades_gradient_flows_through_both_predictions(problem):
    """Against finite differences of the closed form, with the end held fixed."""
    X, y, slope, offset = problem
    X, y = X[:1], y[:1]

    def value(slope, side):
        logit = X[0] @ slope + offset
        moved = logit + side * 0.3 * np.sign(problem[2]) @ slope
        return np.logaddexp(0, -(2 * y[0] - 1) * logit) + 6 * binary_divergence(logit, moved)

    network = linear_network(slope, offset)
    loss = Trades(0.3).per_sample_loss(network, torch.tensor(X), torch.tensor(y))
    loss.sum().backward()
    side = min((-1, 1), key=lambda side: abs(value(slope, side) - loss.item()))
    steps = 1e-6 * np.eye(5)
    expected = [(value(slope + step, side) - value(slope - step, side)) / 2e-6 for step in steps]
    np.testing.assert_allclose(network.weight.grad[1].numpy(), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("n_power_iterations", [1, 3])
def test_vat_moves_along_the_slope(problem, n_power_iterations):
    """Only one direction counts, so one power step finds it, up to its sign."""
    objective = VAT(0.4, beta=3.0, n_power_iterations=n_power_iterations)
    added, logit = parts(objective, problem)
    reach = 0.4 * np.linalg.norm(problem[2])
    ends = [3 * binary_divergence(logit, logit + side * reach) for side in (-1, 1)]
    np.testing.assert_allclose(np.min(np.abs(added - ends), axis=0), 0, atol=1e-12)


def test_vat_is_second_order_in_epsilon(problem):
    """``KL = p (1 - p) t ** 2 / 2`` with ``t = w r``; the next term is below t / 3 of it."""
    for epsilon in (1e-2, 1e-3):
        added, logit = parts(VAT(epsilon), problem)
        p, t = expit(logit), epsilon * np.linalg.norm(problem[2])
        np.testing.assert_allclose(added, p * (1 - p) * t**2 / 2, rtol=t / 3 + t**2)


def test_vat_finds_the_direction_in_single_precision(problem):
    X, y, slope, offset = problem
    network = linear_network(slope, offset).float()
    losses = VAT(0.1).per_sample_loss(
        network, torch.tensor(X, dtype=torch.float32), torch.tensor(y)
    )
    logit = X @ slope + offset
    added = losses.detach().numpy() - np.logaddexp(0, -(2 * y - 1) * logit)
    reach = 0.1 * np.linalg.norm(slope)
    ends = [binary_divergence(logit, logit + side * reach) for side in (-1, 1)]
    np.testing.assert_allclose(np.min(np.abs(added - ends), axis=0), 0, atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_vat_in_other_norms_takes_the_steepest_move(problem, norm):
    added, logit = parts(VAT(0.3, norm=norm), problem)
    reach = 0.3 * np.linalg.norm(problem[2], DUAL[norm])
    ends = [binary_divergence(logit, logit + side * reach) for side in (-1, 1)]
    np.testing.assert_allclose(np.min(np.abs(added - ends), axis=0), 0, atol=1e-12)


def test_vat_finds_the_leading_direction_of_a_hessian():
    """Power steps against the eigenvector of ``J^T (diag(p) - p p^T) J`` at a row."""
    with SeededDraws(torch.Generator().manual_seed(2)):
        network = nn.Sequential(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, 3)).double()
    x = torch.tensor([[0.2, -0.4, 0.1, 0.9]], dtype=torch.float64)
    J = torch.func.jacrev(lambda row: network(row[None])[0])(x[0])
    p = network(x)[0].softmax(0).detach()
    hessian = J.T @ (p.diag() - p[:, None] * p) @ J
    strongest = float(torch.linalg.eigvalsh(hessian.detach())[-1])
    objective = VAT(1e-3, n_power_iterations=40)
    unlabelled = torch.tensor([-1])
    added = objective.per_sample_loss(network, x, unlabelled).item()
    assert added == pytest.approx(strongest * 1e-6 / 2, rel=1e-2)


def test_unlabelled_rows_have_a_divergence_and_no_log_loss(problem):
    X, y, slope, offset = problem
    network = linear_network(slope, offset)
    rows = torch.tensor(X)
    objective = VAT(0.4)
    hidden = torch.tensor(np.where(np.arange(len(y)) % 2, y, -1))

    def losses(codes, share=1.0):
        bound = objective.bind(
            network, generator=torch.Generator().manual_seed(0), labelled_share=share
        )
        return bound.per_sample_loss(network, rows, codes).detach().numpy()

    log_loss = np.logaddexp(0, -(2 * y - 1) * (X @ slope + offset))
    lost = losses(torch.tensor(y)) - losses(hidden)
    np.testing.assert_allclose(lost[::2], log_loss[::2], rtol=1e-9)
    np.testing.assert_allclose(lost[1::2], 0, atol=1e-12)
    raised = losses(hidden, share=0.25) - losses(hidden)
    np.testing.assert_allclose(raised[1::2], 3 * log_loss[1::2], rtol=1e-9)
    np.testing.assert_allclose(raised[::2], 0, atol=1e-12)

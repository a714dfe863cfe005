"""The search for the worst row: where it may go, what it keeps, and what it leaves alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from specreg_sklearn.modules import SeededDraws
from specreg_sklearn.objectives import Adversarial, Trades
from specreg_sklearn.objectives.perturbations._gradient_ascent import Ascent, Ball

NORMS = [1, 2, math.inf]


@pytest.fixture
def network(generator):
    with SeededDraws(generator):
        return nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 3)).double()


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return torch.tensor(rng.uniform(size=(40, 6))), torch.tensor(rng.integers(3, size=40))


def loss_on(network, y):
    return lambda X: cross_entropy(network(X), y, reduction="none")


def sizes(moves, norm):
    return np.linalg.norm(moves.numpy(), {1: 1, 2: 2, math.inf: np.inf}[norm], axis=1)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("feature_range", [None, (0.0, 1.0), (np.zeros(6), np.full(6, 0.999))])
@pytest.mark.parametrize(
    "ascent",
    [
        Ascent(),
        Ascent(start_share=0.0, n_restarts=3),
        Ascent(use_best=False, step_size=1.0),
        Ascent(n_steps=1, step_size=100.0),
    ],
)
def test_worst_rows_are_near_inside_the_box_and_no_better(
    network, rows, generator, norm, feature_range, ascent
):
    X, y = rows
    X = X * 0.999
    loss = loss_on(network, y)
    worst = ascent.worst(loss, Ball(X, norm, 0.2, feature_range), generator)
    assert (sizes(worst - X, norm) <= 0.2 * (1 + 1e-12)).all()
    if feature_range is not None:
        low, high = (torch.as_tensor(side, dtype=X.dtype) for side in feature_range)
        assert (worst >= low).all() and (worst <= high).all()
    assert not worst.requires_grad
    with torch.no_grad():
        if ascent.use_best:
            assert (loss(worst) >= loss(X)).all()
        assert loss(worst).mean() > loss(X).mean()


@pytest.mark.parametrize("norm", NORMS)
def test_more_restarts_find_no_less(network, rows, norm):
    X, y = rows
    loss, ball = loss_on(network, y), Ball(X, norm, 0.5)

    def reached(**settings):
        draws = torch.Generator().manual_seed(5)
        with torch.no_grad():
            return loss(Ascent(**settings).worst(loss, ball, draws))

    one = reached(n_restarts=1)
    assert (reached(n_restarts=4) >= one).all()


@pytest.mark.parametrize("norm", NORMS)
def test_the_worst_row_of_a_grid_is_hardly_worse(norm, generator):
    """In the plane, all rows of the ball can be looked at."""
    with SeededDraws(torch.Generator().manual_seed(1)):
        network = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2)).double()
    X, y = torch.tensor([[0.3, -0.2]], dtype=torch.float64), torch.tensor([0])
    loss = loss_on(network, y)
    side = torch.linspace(-1, 1, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    grid = grid[torch.linalg.vector_norm(grid, ord=norm, dim=1) <= 1]
    worst = Ascent(n_steps=40, n_restarts=3).worst(loss, Ball(X, norm, 1.0), generator)
    with torch.no_grad():
        by_grid = cross_entropy(network(X + grid), y.expand(len(grid)), reduction="none").max()
        assert loss(worst) >= by_grid - 1e-3


def test_a_step_is_not_wasted_on_a_side_of_the_box(generator):
    """In L1 the steepest coordinate stands at its limit; the next one is still free."""
    X = torch.tensor([[1.0, 0.5]], dtype=torch.float64)
    ball = Ball(X, 1, 0.25, (0.0, 1.0))
    worst = Ascent(start_share=0.0).worst(
        lambda Z: Z @ torch.tensor([3.0, 1.0]).double(), ball, generator
    )
    torch.testing.assert_close(worst, torch.tensor([[1.0, 0.75]], dtype=torch.float64))


def test_rows_whose_loss_is_not_finite_are_not_kept(generator):
    X = torch.zeros(2, 1, dtype=torch.float64)

    def loss(rows):
        return torch.where(rows[:, 0].abs() > 0.5, rows[:, 0] * math.nan, rows[:, 0])

    worst = Ascent(n_steps=3).worst(loss, Ball(X, 2, 1.0), generator)
    assert torch.isfinite(loss(worst)).all()


class Recorder(nn.Module):
    """Notes the mode of every pass; with a batch norm and a dropout."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3)
        )
        self.seen = []

    def forward(self, X):
        self.seen.append(self.training)
        return self.layers(X)


@pytest.mark.parametrize("objective", [Adversarial(0.2, n_steps=4), Trades(0.2, n_steps=4)])
def test_the_search_sees_the_network_in_evaluation_mode(rows, generator, objective):
    X, y = rows
    with SeededDraws(generator):
        network = Recorder().double().train()
    network.layers[2].p = 0.0  # its draws would come from torch's global generator
    norm = network.layers[1]
    objective.per_sample_loss(network, X, y).sum().backward()
    n_scored = 1 if isinstance(objective, Adversarial) else 2
    assert network.seen[-n_scored:] == [True] * n_scored
    assert not any(network.seen[:-n_scored]) and len(network.seen) > 5
    assert norm.num_batches_tracked == n_scored
    assert network.training and norm.training
    assert all(p.grad is not None for p in network.parameters())


def test_the_search_leaves_no_gradients_behind(network, rows):
    X, y = rows
    for objective in (Adversarial(0.1), Trades(0.1)):
        with torch.no_grad():
            objective.per_sample_loss(network, X, y)
    assert all(p.grad is None for p in network.parameters())
    assert X.grad is None and not X.requires_grad

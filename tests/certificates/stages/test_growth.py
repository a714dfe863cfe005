"""How far outputs and roundings grow with a move, against moves that were made."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from specreg_sklearn.certificates import (
    Affine,
    BoundedLayer,
    Elementwise,
    Stage,
    StatedFunction,
    TorchGraph,
)
from specreg_sklearn.certificates.stages import Parallel, growth_after


class Own(Stage):
    """A stage that says nothing but its constant, and rounds as a product of its width does."""

    n_inputs = n_outputs = 4

    def lipschitz(self):
        return 2.0

    def forward(self, X, error):
        turned = X[:, ::-1]
        return 2 * np.sin(turned), 2 * error[:, ::-1] + 2.0**-52 * np.abs(turned)


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        a, b = torch.tanh(self.one(x)), torch.relu(self.two(x))
        return torch.cat([a - 2 * b, x * 3.0 + 1.0, a / 0.7], dim=1)


def images(*layers):
    torch.manual_seed(0)
    module = nn.Sequential(*layers)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.1, 2)
    return TorchGraph(module.eval(), (1, 4, 4))


W = np.random.default_rng(0).normal(size=(3, 4))
STAGES = {
    "affine": Affine(W, [1.0, 2.0, 3.0]),
    "unsure": Affine(W, weight_error=1e-3, entry_error=1e-4),
    "diagonal": Affine(W[0], W[1]),
    "selection": Affine(np.eye(4)[[2, 0, 2]]),
    "relu": Elementwise("relu"),
    "gelu": Elementwise("gelu"),
    "softplus": Elementwise("softplus"),
    "cos": Elementwise("cos"),
    "stated": StatedFunction(lambda X: np.sin(2 * X), 2.0, rounding=2.0**-50, row_rounding=1e-12),
    "bounded": BoundedLayer(nn.Tanh(), 1.0),
    "own": Own(),
    "parallel": Parallel(
        [(np.array([0, 2]), [Elementwise("tanh"), Affine(W[:, :2])]), (np.array([1, 2, 3]), [])], 4
    ),
    "branches": TorchGraph(Branches(), (4,)),
    "convolution": images(
        nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)
    ),
    "pooling": images(nn.MaxPool2d(2, stride=1), nn.ZeroPad2d(1), nn.AvgPool2d(2), nn.SiLU()),
    "transposed": images(nn.ConvTranspose2d(1, 2, 2, stride=2), nn.Flatten(), nn.Tanh()),
}


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("name", STAGES)
def test_no_move_goes_farther(name, scale):
    stage, rng = STAGES[name], np.random.default_rng(0)
    n = stage.n_inputs or 4
    limit = scale * rng.exponential(size=(1, n)) * rng.integers(0, 2, size=(1, n))
    X = rng.normal(size=(300, n)) * 10.0 ** rng.integers(-2, 3, size=(300, 1))
    moved = X + limit * rng.choice([-1.0, 1.0, 0.5, 0.0], size=X.shape)
    size = np.abs(moved - X).max(axis=0)[None]
    error = 1e-9 * rng.random((1, n))
    start, before = stage.forward(X, 0 * X)
    end, after = stage.forward(moved, 0 * X)
    room = 4 * (before + after)  # of the rounding in these values themselves
    change, added = growth_after(stage, size, error)
    assert (np.abs(end - start) <= change + room).all()
    if name == "selection":  # estimators pick cells and round nothing; a product here does
        np.testing.assert_allclose(added, error[:, [2, 0, 2]], rtol=1e-12)
        return
    assert (after <= (before + added) * (1 + 1e-9)).all()
    # An error of the input is passed on, and grows with the move as well.
    passed = stage.forward(moved, np.broadcast_to(error, X.shape))[1]
    assert (passed <= (before + added) * (1 + 1e-9)).all()


@pytest.mark.parametrize("name", STAGES)
def test_coarser_arithmetic_errs_by_a_multiple(name):
    stage, rng = STAGES[name], np.random.default_rng(1)
    X = rng.normal(size=(50, stage.n_inputs or 4))
    plain, error = stage.forward(X, 0 * X)
    coarse, more = stage.computed(X, 0 * X, 1024.0)
    np.testing.assert_array_equal(plain, coarse)
    if name == "selection":  # which no arithmetic rounds
        assert not more.any()
    else:
        assert (more <= 1024 * error * (1 + 1e-6)).all()
        assert (more >= 900 * error).all() or name == "parallel"

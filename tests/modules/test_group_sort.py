"""Activations that sort: values, lengths of gradients, widths, and what can be proved."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from scipy.optimize import LinearConstraint, minimize
from torch import nn

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.certificates import torch_stages
from specreg_sklearn.metrics import certified_radius, lipschitz_bound
from specreg_sklearn.modules import ConvNet, GroupSort, MaxMin


@pytest.mark.parametrize("group_size", [1, 2, 3, 6])
@pytest.mark.parametrize("shape", [(5, 6), (4, 12, 3, 2)])
def test_values_are_those_of_numpy(group_size, shape):
    X = np.random.default_rng(0).normal(size=shape)
    groups = X.reshape(shape[0], -1, group_size, *shape[2:])
    expected = -np.sort(-groups, axis=2).reshape(shape)
    np.testing.assert_array_equal(GroupSort(group_size)(torch.from_numpy(X)).numpy(), expected)


def test_maxmin_is_groups_of_two():
    X = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(MaxMin()(X), GroupSort(2)(X))
    assert repr(MaxMin()) == "MaxMin()"
    assert repr(GroupSort()) == "GroupSort(group_size=4)"


@pytest.mark.parametrize("layer", [MaxMin(), GroupSort(4)])
def test_gradients_keep_their_length_and_rows_their_distances(layer):
    rng = np.random.default_rng(0)
    X = torch.tensor(rng.normal(size=(50, 8)), requires_grad=True)
    pull = torch.tensor(rng.normal(size=(50, 8)))
    (gradient,) = torch.autograd.grad(layer(X), X, pull)
    torch.testing.assert_close(gradient.norm(dim=1), pull.norm(dim=1))
    other = X + torch.tensor(rng.normal(size=(50, 8)))
    for order in (1, 2, float("inf")):
        before = torch.linalg.vector_norm(other - X, order, dim=1)
        after = torch.linalg.vector_norm(layer(other) - layer(X), order, dim=1)
        assert (after <= before * (1 + 1e-12)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": "maxmin", "hidden_layer_sizes": (6, 5)}, r"'maxmin'.* 2 .* 5\..*such as 6"),
        ({"activation": "groupsort", "hidden_layer_sizes": 7}, r"'groupsort'.* 4 .* 7\..*as 8"),
        (
            {"activation": "maxmin", "module": ConvNet(channels=3), "input_shape": (1, 2, 2)},
            r"'maxmin'.* 2 .* 3\..*such as 4",
        ),
    ],
)
def test_a_width_that_is_no_multiple_is_named(settings, message):
    X, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 2
    with pytest.raises(ValueError, match=message):
        SpectrallyRegularizedEncoder(**settings).fit(X, y)


def test_a_network_that_a_user_builds_names_the_width_too():
    with pytest.raises(ValueError, match=r"MaxMin sorts .* 3\. Choose"):
        MaxMin()(torch.zeros(1, 3))


def test_the_bound_of_a_layer_is_one_and_errors_spread_over_their_group():
    layer = nn.utils.skip_init(nn.Linear, 4, 4)
    layer.weight.data, layer.bias.data = torch.diag(torch.tensor([2.0, 1, 1, 1])), torch.zeros(4)
    assert lipschitz_bound(nn.Sequential(layer, MaxMin())) == pytest.approx(2.0)
    (stage,) = torch_stages(nn.Sequential(MaxMin()), (4,))[:1]
    assert stage.lipschitz() == 1.0
    X, error = np.array([[1.0, 1.0, 5.0, 2.0]]), np.array([[0.0, 0.5, 0.1, 0.0]])
    values, after = stage.forward(X, error)
    np.testing.assert_array_equal(values, [[1.0, 1.0, 5.0, 2.0]])
    np.testing.assert_array_equal(after, [[0.5, 0.5, 0.1, 0.1]])


def exact_distance(layers, x, label):
    """Search every order of the pairs: within one the network is linear, and the rest convex."""
    (W, b), (V, c) = layers
    nearest = np.inf
    for order in product((0, 1), repeat=len(W) // 2):
        places = np.concatenate([[2 * k + o, 2 * k + 1 - o] for k, o in enumerate(order)])
        A, offset = W[places], b[places]
        halves = LinearConstraint(A[::2] - A[1::2], offset[1::2] - offset[::2], np.inf)
        for other in set(range(len(V))) - {label}:
            gap = (V[other] - V[label]) @ A
            least = -(V[other] - V[label]) @ offset - (c[other] - c[label])
            found = minimize(
                lambda z: ((z - x) ** 2).sum(),
                x,
                jac=lambda z: 2 * (z - x),
                constraints=[halves, LinearConstraint(gap[None], least, np.inf)],
                method="SLSQP",
                options={"ftol": 1e-14, "maxiter": 500},
            )
            if found.success:
                nearest = min(nearest, np.sqrt(found.fun))
    return nearest


def test_certified_radii_lie_below_the_exact_distances(iris_rows):
    X, y = iris_rows
    model = SpectrallyRegularizedEncoder(
        hidden_layer_sizes=6,
        activation="maxmin",
        objective="lipschitz_margin",
        learning_rate_init=2e-2,
        max_iter=60,
        random_state=0,
    ).fit(X, y)
    rows = X[::10]
    labels = model.predict(rows)
    parts = (model.module_.backbone[0], model.module_.head)
    layers = [(p.weight.detach().numpy(), p.bias.detach().numpy()) for p in parts]
    exact = [exact_distance(layers, x, k) for x, k in zip(rows, labels, strict=True)]
    proved = certified_radius(model, rows, norm=2, scale=None)
    assert model.score(X, y) > 0.9
    assert (proved <= exact).all()
    assert np.median(proved / exact) > 0.4

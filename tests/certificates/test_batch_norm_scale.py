"""A batch norm takes back any factor of the weights before it: penalty and bounds do, too."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from specreg_sklearn.metrics import lipschitz_bound
from specreg_sklearn.penalties import LLSpectral, RepSpectral
from specreg_sklearn.spectral import certified_norm

SHAPE = (2, 8, 8)


def trained_statistics(network, X):
    """Set the running statistics to those of X, and leave the network in eval mode."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # the plain mean
    network.train()
    with torch.no_grad():
        network(X)
    return network.eval()


@pytest.fixture
def backbone_and_rows(generator):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = nn.Sequential(
            nn.Conv2d(2, 5, 3, padding=1),
            nn.BatchNorm2d(5, eps=1e-12),
            nn.ReLU(),
            nn.Conv2d(5, 4, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(4, eps=1e-12),
            nn.Flatten(),
        ).double()
        for layer in (backbone[1], backbone[4]):
            nn.init.uniform_(layer.weight, 0.5, 2.0)
            nn.init.normal_(layer.bias)
    X = torch.randn(50, *SHAPE, generator=generator, dtype=torch.float64)
    return trained_statistics(backbone, X), X


def tripled(backbone, X):
    backbone = copy.deepcopy(backbone)
    with torch.no_grad():
        for layer in backbone:
            if isinstance(layer, nn.Conv2d):
                for parameter in layer.parameters():
                    parameter *= 3
    return trained_statistics(backbone, X)


def penalty_value(penalty, backbone):
    head = nn.utils.skip_init(nn.Linear, 64, 3).double()
    with torch.no_grad():
        head.weight.copy_(torch.linspace(-1, 1, 192).reshape(3, 64))
    bound = penalty.bind(
        backbone, head, generator=torch.Generator().manual_seed(0), input_shape=SHAPE
    )
    return bound.report().value, float(bound.value().detach())


def test_the_function_is_the_same(backbone_and_rows):
    backbone, X = backbone_and_rows
    other = tripled(backbone, X)
    with torch.no_grad():
        torch.testing.assert_close(other(X), backbone(X), rtol=1e-9, atol=1e-9)
    before, after = (certified_norm(net[0], SHAPE) for net in (backbone, other))
    assert after == pytest.approx(3 * before)


def test_the_bound_is_the_same(backbone_and_rows):
    backbone, X = backbone_and_rows
    before = lipschitz_bound(backbone, input_shape=SHAPE)
    assert lipschitz_bound(tripled(backbone, X), input_shape=SHAPE) == pytest.approx(
        before, rel=1e-9
    )
    # The bound is one: the Jacobian at some rows stays below it.
    for x in X[:5]:
        jacobian = torch.autograd.functional.jacobian(lambda z: backbone(z[None])[0], x)
        assert np.linalg.norm(jacobian.reshape(64, -1).numpy(), 2) <= before


@pytest.mark.parametrize("penalty", [RepSpectral(), LLSpectral()])
def test_the_penalty_is_the_same(penalty, backbone_and_rows):
    backbone, X = backbone_and_rows
    np.testing.assert_allclose(
        penalty_value(penalty, tripled(backbone, X)), penalty_value(penalty, backbone), rtol=1e-6
    )


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_the_gain_of_the_batch_norm_counts(factor, backbone_and_rows):
    """The other way round: a gain is a change of the function, and none of the weights."""
    backbone, _ = backbone_and_rows
    before = lipschitz_bound(backbone, input_shape=SHAPE)
    exact, _ = penalty_value(RepSpectral(), backbone)
    with torch.no_grad():
        backbone[1].weight *= factor
        backbone[4].weight *= factor
    after = lipschitz_bound(backbone, input_shape=SHAPE)
    assert after == pytest.approx(factor**2 * before, rel=1e-9)
    assert penalty_value(RepSpectral(), backbone)[0] == pytest.approx(factor**2 * exact, rel=1e-6)

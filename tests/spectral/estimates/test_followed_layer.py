"""One follower for linear layers, convolutions and batch norms."""

import math

import pytest
import torch
from torch import nn

from specreg_sklearn.modules import SeededDraws
from specreg_sklearn.spectral import Convolution, spectral_norm, used_layers
from specreg_sklearn.spectral.estimates import FollowedLayer


def drawn(kind, *sizes, **settings):
    with SeededDraws(torch.Generator().manual_seed(0)):
        return kind(*sizes, **settings)


def followed(network, input_shape):
    (layer,) = used_layers(network.double().eval(), input_shape)
    return layer, FollowedLayer(layer, generator=torch.Generator().manual_seed(0))


def with_gains(*gains):
    norm = nn.BatchNorm1d(len(gains), eps=0.0)
    norm.weight.data = torch.tensor(gains)
    return norm


@pytest.mark.parametrize("behind", [(), (with_gains(0.5, 3.0, -1.0),)], ids=["alone", "folded"])
def test_a_linear_layer_has_the_square_and_slope_of_its_largest_singular_value(behind):
    linear = drawn(nn.Linear, 2, 3)
    layer, follower = followed(nn.Sequential(linear, *behind), (2,))
    for _ in range(30):
        square = follower.square()
    exact = torch.linalg.matrix_norm(layer.weight(), ord=2).square()
    assert square.item() == pytest.approx(exact.item(), rel=1e-9)
    (slope,) = torch.autograd.grad(square, linear.weight)
    (exact_slope,) = torch.autograd.grad(exact, linear.weight)
    torch.testing.assert_close(slope, exact_slope, rtol=1e-6, atol=1e-8)


def test_a_convolution_has_the_norm_of_its_operator():
    conv = drawn(nn.Conv2d, 2, 3, 3, padding=1)
    _, follower = followed(conv, (2, 6, 6))
    for _ in range(50):
        square = follower.square()
    exact = spectral_norm(Convolution.from_layer(conv, (2, 6, 6)))
    assert math.sqrt(square.item()) == pytest.approx(exact, rel=1e-3)
    assert follower.operator is not None


def test_a_batch_norm_has_its_largest_factor():
    _, follower = followed(with_gains(0.5, 3.0, -4.0), (3,))
    follower.refresh()
    assert follower.square().item() == 16
    assert follower.iteration is None


def test_weights_that_are_not_finite_have_no_norm():
    linear = drawn(nn.Linear, 2, 3)
    _, follower = followed(linear, (2,))
    linear.weight.data[0, 0] = math.nan
    assert math.isnan(follower.square().item())

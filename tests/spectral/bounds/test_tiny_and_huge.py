"""Weights at the edges of float64: norms scale with them, and no bound comes to zero."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from specreg_sklearn.certificates import module_lipschitz_bound
from specreg_sklearn.spectral import certified_norm, convolution_norm, matrix_norm, spectral_norm
from specreg_sklearn.spectral.bounds import scaled_above, times, times_all
from specreg_sklearn.spectral.layers import Convolution

EXPONENTS = [-1060, -1000, -700, -530, -100, 100, 500, 700, 1000]
SIZES = [5e-324, 3e-320, 2.5e-308, 1e-200, 1e-154, 0.7, 1.0, 3.0, 1e160, 1e300]


def linear(weight):
    layer = nn.utils.skip_init(nn.Linear, weight.shape[1], len(weight)).double()
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.zero_()
    return layer


def drawn(*shape):
    return torch.from_numpy(np.random.default_rng(0).normal(size=shape))


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_norms_scale_with_the_weights(exponent):
    """Times a power of two, which is exact unless digits get lost at the edge."""
    slack = 2.0 ** max(-52, -1074 - exponent + 8)
    for weight, shape in ((drawn(3, 4), None), (drawn(2, 1, 3, 3), (1, 5, 5))):
        scaled = torch.from_numpy(np.ldexp(weight.numpy(), exponent))
        make = linear if shape is None else _convolution
        first, second = make(weight), make(scaled)
        for norm in (certified_norm, spectral_norm):
            one, other = norm(first, shape), norm(second, shape)
            assert other > 0
            assert np.ldexp(other, -exponent) == pytest.approx(one, rel=1e-12 + slack)
        if shape is None:
            one, other = matrix_norm(weight), matrix_norm(scaled)
        else:
            operators = [Convolution.from_layer(layer, shape) for layer in (first, second)]
            one, other = map(convolution_norm, operators)
        assert np.ldexp(other, -exponent) == pytest.approx(one, rel=1e-6 + slack)


def _convolution(weight):
    layer = nn.utils.skip_init(nn.Conv2d, 1, 2, 3, padding=1, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(weight)
    return layer


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_a_network_of_one_such_layer(exponent):
    weight = torch.from_numpy(np.ldexp(drawn(3, 3).numpy(), exponent))
    bound = module_lipschitz_bound(nn.Sequential(linear(weight), nn.Tanh()), (3,))
    truth = np.linalg.norm(np.ldexp(weight.numpy(), -exponent), 2)
    assert truth <= np.ldexp(bound, -exponent) <= truth * (1 + 1e-9 + 2.0 ** (-1062 - exponent))


@pytest.mark.parametrize(
    "sizes",
    [
        (1e-200, 1e-200),
        (1e-300, 1.0, 1e300),
        (1e-160, 1e-160, 1e200),
        (1e-200, 1e-200, 1e300),
        (5e-324, 1e300),
        (1e-320, 1.0),
        (1e-200, 1e-150, 1e-200),
    ],
)
@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.LeakyReLU, nn.Softsign, nn.Identity])
def test_the_bound_of_diagonal_networks_is_never_below_the_truth(sizes, activation):
    """Diagonal layers: the constant is the product of the sizes, as a fraction."""
    layers = []
    for size in sizes:
        layers += [linear(size * torch.eye(2, dtype=torch.float64)), activation()]
    truth = np.prod([Fraction(size) for size in sizes])
    for module in (nn.Sequential(*layers[:-1]), nn.Sequential(*layers)):
        assert Fraction(module_lipschitz_bound(module, (2,))) >= truth > 0


def test_products_are_above_the_exact_ones():
    for a in SIZES:
        for b in SIZES:
            for c in SIZES:
                exact = Fraction(a) * Fraction(b) * Fraction(c)
                found = times(a, b, c)
                assert found == np.inf or Fraction(found) >= exact
                if 1e-300 < exact < 1e300:
                    assert found <= float(exact) * (1 + 1e-14)
    assert times(0.0, 1e300) == 0.0
    assert times() == 1.0


def test_arrays_of_products_are_above_the_exact_ones():
    values = np.array([0.0, *SIZES])
    for factor in (0.0, *SIZES):
        for value, found in zip(values, times_all(values, factor), strict=True):
            exact = Fraction(value) * Fraction(factor)
            assert found == np.inf or Fraction(found) >= exact
            assert (found == 0) == (exact == 0)


@pytest.mark.parametrize("exponent", [-1200, -1074, -1073, -1030, 0, 1000, 1100])
@pytest.mark.parametrize("value", [0.0, 0.5, 0.75, 0.9999999, 1.5])
def test_powers_of_two_round_up(value, exponent):
    found = scaled_above(value, exponent)
    exact = Fraction(value) * Fraction(2) ** exponent
    assert found == np.inf or Fraction(found) >= exact
    assert (found == 0.0) == (value == 0.0)

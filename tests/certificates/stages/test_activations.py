"""Slopes and rounding of the elementwise functions, against torch and against high precision."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from scipy.special import erf, ndtr
from torch import nn

from specreg_sklearn.certificates import activation
from specreg_sklearn.certificates.networks import ACTIVATION_LAYERS
from specreg_sklearn.certificates.stages._activations import ACTIVATIONS

# Spacing 1e-4 near the origin, where the slopes change, and 1e-2 outside.
GRID = np.concatenate(
    [[-1e4], np.arange(-3000, -400) / 100, np.arange(-40_000, 40_001) / 10_000,
     np.arange(401, 3001) / 100, [1e4]]
)  # fmt: skip
SETTINGS = {
    "leaky_relu": [{}, {"negative_slope": 3.0}, {"negative_slope": -0.5}],
    "prelu": [{"weight": 0.25}, {"weight": -2.0}],
    "rrelu": [{}, {"lower": 1.0, "upper": 4.0}],
    "elu": [{}, {"alpha": 2.5}, {"alpha": -1.5}],
    "celu": [{}, {"alpha": 0.3}],
    "gelu": [{}, {"approximate": "tanh"}],
    "softplus": [{}, {"beta": 4.0}, {"beta": -2.0}],
    "hardtanh": [{}, {"min_val": -3.0, "max_val": 0.5}],
    "threshold": [{"threshold": 0.7, "value": 0.7}],
    "softshrink": [{}, {"lambd": 2.0}],
}
CASES = [(name, each) for name in ACTIVATIONS for each in SETTINGS.get(name, [{}])]


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_slopes_on_a_dense_grid_lie_in_the_range(name, settings):
    function = activation(name, **settings)
    slopes = np.diff(function.function(GRID)) / np.diff(GRID)
    assert function.low - 1e-8 <= slopes.min()
    assert slopes.max() <= function.high + 1e-8
    assert function.lipschitz == max(abs(function.low), abs(function.high))


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_largest_slope_is_tight(name, settings):
    function = activation(name, **settings)
    slopes = np.abs(np.diff(function.function(GRID)) / np.diff(GRID))
    assert function.lipschitz <= slopes.max() * (1 + 2e-4)


@pytest.mark.parametrize("kind", ACTIVATION_LAYERS)
def test_range_of_slopes_is_that_of_the_derivative(kind):
    name, _ = ACTIVATION_LAYERS[kind]
    layer = nn.Threshold(0.0, 0.0) if kind is nn.Threshold else kind()
    function = activation(name, **{"threshold": 0.0, "value": 0.0} if name == "threshold" else {})
    x = torch.from_numpy(GRID).requires_grad_()
    slopes = torch.autograd.grad(layer.eval()(x).sum(), x)[0].numpy()
    assert function.low <= slopes.min()
    assert slopes.max() <= function.high + 1e-8  # torch takes 1/6 in single precision
    if name != "hardswish":  # attained at a kink only
        assert function.low >= slopes.min() - 1e-8
        assert function.high <= slopes.max() + 1e-8


def test_published_constants():
    peak = ndtr(np.sqrt(2)) + np.sqrt(2) * np.exp(-1) / np.sqrt(2 * np.pi)
    gelu = activation("gelu")
    assert peak <= gelu.high <= peak + 1e-9
    assert 1 - gelu.high == pytest.approx(gelu.low, abs=1e-12)
    assert 2 / np.sqrt(np.pi) <= activation("erf").high <= 2 / np.sqrt(np.pi) + 1e-9
    assert activation("hardsigmoid").high >= 1 / 6


@pytest.mark.parametrize("kind", ACTIVATION_LAYERS)
def test_values_are_those_of_torch(kind):
    name, attributes = ACTIVATION_LAYERS[kind]
    layer = nn.Threshold(0.7, 0.7) if kind is nn.Threshold else kind()
    settings = {key: getattr(layer, key) for key in attributes}
    expected = layer.eval()(torch.from_numpy(GRID)).numpy()
    # torch's softplus and logsigmoid drop a term of about 2e-9 far out.
    np.testing.assert_allclose(
        activation(name, **settings).function(GRID), expected, rtol=1e-12, atol=3e-9
    )


@pytest.mark.parametrize(
    ("name", "function"),
    [("erf", torch.erf), ("sin", torch.sin), ("cos", torch.cos), ("atan", torch.atan)],
)
def test_values_of_functions_without_a_layer(name, function):
    expected = function(torch.from_numpy(GRID)).numpy()
    np.testing.assert_allclose(activation(name).function(GRID), expected, rtol=1e-12, atol=1e-15)


def _exp(x):
    return Decimal(x).exp()


def _precise_tanh(x):
    return 1 - 2 / ((2 * Decimal(x)).exp() + 1)


PRECISE = {
    "sigmoid": lambda x: 1 / (1 + _exp(-Decimal(x))),
    "tanh": _precise_tanh,
    "tanhshrink": lambda x: Decimal(x) - _precise_tanh(x),
    "silu": lambda x: Decimal(x) / (1 + _exp(-Decimal(x))),
    "softplus": lambda x: (1 + _exp(x)).ln(),
    "logsigmoid": lambda x: -(1 + _exp(-Decimal(x))).ln(),
    "mish": lambda x: Decimal(x) * _precise_tanh((1 + _exp(x)).ln()),
    "elu": lambda x: Decimal(x) if x > 0 else _exp(x) - 1,
    "softsign": lambda x: Decimal(x) / (1 + abs(Decimal(x))),
    "hardswish": lambda x: Decimal(x) * min(max(Decimal(x) + 3, 0), 6) / 6,
    "hardsigmoid": lambda x: Decimal(min(max(Decimal(x) + 3, 0), 6)) / 6,
    "selu": lambda x: (
        Decimal("1.0507009873554804934193349852946")
        * (Decimal(x) if x > 0 else Decimal("1.6732632423543772848170429916717") * (_exp(x) - 1))
    ),
}


@pytest.mark.parametrize("name", PRECISE)
def test_rounding_stays_below_its_bound(name):
    rng = np.random.default_rng(0)
    X = np.concatenate(
        [rng.normal(size=150), 10 * rng.normal(size=100), 1e-9 * rng.normal(size=50)]
    )
    Y, error = activation(name).forward(X, np.zeros_like(X))
    with localcontext() as context:
        context.prec = 60
        off = [abs(float(Decimal(y) - PRECISE[name](x))) for x, y in zip(X, Y, strict=True)]
    assert (np.array(off) <= error).all()
    assert (error <= 1e-14 * (np.abs(X) + np.abs(Y) + 1)).all()


def test_gelu_against_its_definition():
    X = np.linspace(-6, 6, 1001)
    expected = 0.5 * X * (1 + erf(X / np.sqrt(2)))
    Y, error = activation("gelu").forward(X, np.zeros_like(X))
    assert (np.abs(Y - expected) <= 2 * error + 1e-15).all()


def test_error_of_the_input_is_carried_along():
    X = np.linspace(-3, 3, 101)
    for name in ("relu", "gelu", "tanh", "selu"):
        function = activation(name)
        _, error = function.forward(X, np.full_like(X, 1e-3))
        for shift in (-1e-3, 1e-3):
            moved = np.abs(function.function(X + shift) - function.function(X))
            assert (moved <= error + 1e-15).all()


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("swish", {}, "'swish' is not one of"),
        ("hardshrink", {}, "'hardshrink' is not one of"),
        ("celu", {"alpha": -1.0}, "alpha=-1.0 of celu must be positive"),
        ("softplus", {"beta": 0.0}, "beta=0 of softplus"),
        ("softplus", {"threshold": 1.0}, "threshold=1.0 of softplus must be at least 20"),
        ("threshold", {"threshold": 0.0, "value": 1.0}, "jumps there"),
        ("softshrink", {"lambd": -0.1}, "lambd=-0.1 of softshrink"),
        ("gelu", {"approximate": "fast"}, "approximate='fast'"),
        ("leaky_relu", {"negative_slope": np.nan}, "must be finite"),
        ("elu", {"alpha": np.inf}, "alpha=inf of elu must be finite"),
    ],
)
def test_refused_settings(name, settings, message):
    with pytest.raises(ValueError, match=message):
        activation(name, **settings)

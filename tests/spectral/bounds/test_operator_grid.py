"""Every bound of a convolution against its dense operator, over a grid of configurations.

The truth is the layer itself: the identity is pushed through it in float64, and LAPACK takes the
largest singular value of what comes out.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from specreg_sklearn.spectral import Convolution, certified_bound, certified_norm, spectral_norm
from specreg_sklearn.spectral.bounds._circulant import circular_grid, circular_norm
from specreg_sklearn.spectral.bounds._size_free import (
    reshaped_bound,
    reshaped_norm,
    size_free_bound,
)
from tests.grids import few_fast

ORDINARY = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
MODES = ["zeros", "circular", "reflect", "replicate"]
NEVER_BELOW = 1 - 1e-12

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")


def random_layer(rng, n_axes, *, transposed=False, positive=False, **settings):
    """Make a layer with weights from `rng`, or None where torch would refuse an image."""
    groups = settings["groups"]
    channels = groups * int(rng.integers(1, 3)), groups * int(rng.integers(1, 3))
    kinds = TRANSPOSED if transposed else ORDINARY
    dtype = [torch.float32, torch.float64][int(rng.integers(2))]
    layer = nn.utils.skip_init(kinds[n_axes], *channels, bias=False, dtype=dtype, **settings)
    weight = rng.standard_normal(tuple(layer.weight.shape))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.abs(weight) if positive else weight))
    return layer


def random_case(rng):
    """Draw a layer and an input shape that fits it."""
    while True:
        n_axes = int(rng.choice([1, 2, 2, 2, 3]))
        largest = {1: 5, 2: 5, 3: 2}[n_axes]
        settings = {
            "kernel_size": tuple(int(k) for k in rng.integers(1, largest + 1, n_axes)),
            "stride": tuple(int(s) for s in rng.integers(1, 4, n_axes)),
            "dilation": tuple(int(d) for d in rng.integers(1, 3, n_axes)),
            "padding": tuple(int(p) for p in rng.integers(0, 4, n_axes)),
            "groups": int(rng.choice([1, 1, 2, 3, 4])),
            "padding_mode": str(rng.choice(MODES)),
        }
        transposed = rng.random() < 0.2
        if transposed:
            settings["padding_mode"] = "zeros"
            limits = np.maximum(settings["stride"], settings["dilation"])
            settings["output_padding"] = tuple(int(rng.integers(0, limit)) for limit in limits)
        elif rng.random() < 0.2:
            settings |= {"padding": "same", "stride": (1,) * n_axes}
        size = tuple(int(side) for side in rng.integers(1, {1: 20, 2: 8, 3: 5}[n_axes], n_axes))
        layer = random_layer(
            rng, n_axes, transposed=transposed, positive=rng.random() < 0.3, **settings
        )
        if fits(layer, size):
            return layer, (layer.in_channels, *size)


def fits(layer, size):
    try:
        with torch.no_grad():
            images = layer(torch.zeros(1, layer.in_channels, *size, dtype=layer.weight.dtype))
    except RuntimeError:
        return False
    return images.numel() > 0


def dense_operator(layer, input_shape):
    n_inputs = math.prod(input_shape)
    images = torch.eye(n_inputs, dtype=torch.float64).reshape(n_inputs, *input_shape)
    exact = nn.utils.skip_init(
        type(layer),
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=layer.groups,
        padding_mode=layer.padding_mode,
        bias=False,
        dtype=torch.float64,
        **({"output_padding": layer.output_padding} if "Transpose" in str(layer) else {}),
    )
    with torch.no_grad():
        exact.weight.copy_(layer.weight)
        return exact(images).reshape(n_inputs, -1).T


def window_inside(operator):
    """Whether one window of the convolution reads no padding."""
    return all(
        any(
            0 <= start * step - before and start * step - before + gap * (taps - 1) < side
            for start in range(out)
        )
        for side, out, step, gap, taps, (before, _) in zip(
            operator.size,
            operator.output_size,
            operator.stride,
            operator.dilation,
            operator.kernel,
            operator.padding,
            strict=True,
        )
    )


def check(layer, input_shape):
    """Hold everything that claims something about this operator against its dense matrix."""
    case = f"{layer} on {input_shape}"
    matrix = dense_operator(layer, input_shape)
    true = float(torch.linalg.matrix_norm(matrix, 2))
    least = true * NEVER_BELOW
    operator = Convolution.from_layer(layer, input_shape)
    operator = operator.with_weight(layer.weight.detach().double())

    assert spectral_norm(layer, input_shape) == pytest.approx(true, rel=1e-10), case
    assert certified_norm(layer, input_shape) >= least, case
    assert certified_norm(layer, input_shape, rigorous=True) >= least, case
    assert certified_norm(layer) >= least, case

    grid = circular_grid(operator)
    circular = circular_norm(operator, grid)
    assert circular.bound >= least, case
    assert circular.bound >= circular.found, case
    if grid.exact:
        assert circular.found == pytest.approx(true, rel=1e-10), case
        assert certified_bound(layer, input_shape).value <= true * (1 + 1e-10), case
    assert size_free_bound(operator) >= least, case
    assert size_free_bound(operator, points_per_degree=8) >= least, case
    assert reshaped_bound(operator) >= least, case
    if window_inside(operator):
        assert reshaped_norm(operator).found <= true * (1 + 1e-10), case

    check_adjoint(operator, matrix.T if operator.transposed else matrix, case)


def check_adjoint(operator, matrix, case):
    rows, columns = matrix.shape
    rng = np.random.default_rng(0)
    x, y = (torch.from_numpy(rng.standard_normal(side)) for side in (columns, rows))
    images = operator(x.reshape(1, -1, *operator.size))
    back = operator.adjoint(y.reshape(1, -1, *operator.output_size))
    scale = 1e-12 * float(torch.linalg.matrix_norm(matrix)) * float(x.norm()) * float(y.norm())
    assert abs(float(images.flatten() @ y) - float(x @ back.flatten())) <= scale, case
    assert float((images.flatten() - matrix @ x).abs().max()) <= scale, case


@pytest.mark.parametrize("seed", few_fast(range(12), 5))
def test_random_configurations(seed):
    rng = np.random.default_rng(seed)
    for _ in range(30):
        check(*random_case(rng))


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kernel", list(itertools.product([1, 2, 3, 5], repeat=2)))
def test_product_grid(kernel, mode):
    rng = np.random.default_rng(0)
    for stride, dilation, groups, padding, size in itertools.product(
        [1, 2, 3], [1, 2], [1, 2, 4], [0, 1, 2, 3, "same"], [(6, 6), (7, 4), (5, 8)]
    ):
        if padding == "same" and stride > 1:
            continue
        layer = random_layer(
            rng,
            2,
            positive=bool(rng.integers(2)),
            kernel_size=kernel,
            stride=stride,
            dilation=dilation,
            groups=groups,
            padding=padding,
            padding_mode=mode,
        )
        if fits(layer, size):
            check(layer, (layer.in_channels, *size))


@pytest.mark.slow
def test_many_random_configurations():
    rng = np.random.default_rng(1000)
    for _ in range(3000):
        check(*random_case(rng))


@pytest.mark.parametrize(
    ("side", "stride", "kernel", "padding"),
    [(8, 1, 3, 1), (8, 2, 3, 1), (9, 3, 5, 2), (6, 2, 2, 0)],
)
def test_circular_layers_that_the_stride_divides_are_recognised_as_exact(
    side, stride, kernel, padding
):
    layer = random_layer(
        np.random.default_rng(0),
        2,
        kernel_size=kernel,
        stride=stride,
        dilation=1,
        groups=1,
        padding=padding,
        padding_mode="circular",
    )
    shape = (layer.in_channels, side, side)
    assert circular_grid(Convolution.from_layer(layer, shape)).exact
    true = float(torch.linalg.matrix_norm(dense_operator(layer, shape), 2))
    assert certified_norm(layer, shape) == pytest.approx(true, rel=1e-10)

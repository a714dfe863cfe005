"""Certified norms against norms that are known exactly, and against vectors that attain them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from specreg_sklearn.spectral import (
    Convolution,
    certified_bound,
    certified_matrix_norm,
    certified_norm,
    spectral_norm,
)
from specreg_sklearn.spectral.bounds._gram import largest_eigenvalue

SHAPES = [(1, 1), (1, 9), (9, 1), (40, 40), (3, 300), (300, 280), (700, 300)]


def layer_of(kind, *args, weight=None, **settings):
    layer = nn.utils.skip_init(kind, *args, bias=False, dtype=torch.float64, **settings)
    if weight is None:
        weight = np.random.default_rng(0).standard_normal(tuple(layer.weight.shape))
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(weight, dtype=torch.float64).expand_as(layer.weight))
    return layer


def attained(matrix):
    """Return what the matrix does to its top singular vector, in extended precision.

    Never above the norm by more than the rounding of a long double, whatever the vector.
    """
    matrix = np.asarray(matrix)
    vector = np.linalg.svd(matrix)[2][0].astype(np.longdouble)
    image = matrix.astype(np.longdouble) @ vector
    return np.sqrt(np.sum(image**2)) / np.sqrt(np.sum(vector**2))


# Linear layers


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rigorous", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_linear_bounds_are_never_below_and_tight(shape, rigorous, dtype):
    matrix = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    bound = certified_matrix_norm(matrix, rigorous=rigorous)
    true = attained(matrix)
    assert true <= bound <= true * (1 + 1e-7)


@pytest.mark.parametrize("rigorous", [False, True])
def test_spiked_matrices(rigorous):
    rng = np.random.default_rng(0)
    for _ in range(150):
        left, right = rng.standard_normal((2, 40))
        spike = 10.0 ** rng.uniform(-1, 4)
        matrix = spike * np.outer(left, right) + rng.standard_normal((40, 40))
        bound = certified_matrix_norm(matrix, rigorous=rigorous)
        true = attained(matrix)
        assert true <= bound <= true * (1 + 1e-7)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rigorous", [False, True])
def test_rank_one_matrices_of_integers_in_exact_arithmetic(shape, rigorous):
    rng = np.random.default_rng(0)
    left, right = (rng.integers(-1000, 1000, side) | 1 for side in shape)
    squared_norm = int(left @ left) * int(right @ right)
    bound = Fraction(certified_matrix_norm(np.outer(left, right), rigorous=rigorous))
    assert squared_norm <= bound**2 <= squared_norm * Fraction(1 + 2e-7)


@pytest.mark.parametrize("side", [1, 2, 8, 64, 512])
@pytest.mark.parametrize("rigorous", [False, True])
def test_hadamard_matrices_whose_singular_values_are_all_tied(side, rigorous):
    matrix = np.ones((1, 1))
    while len(matrix) < side:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    bound = Fraction(certified_matrix_norm(matrix, rigorous=rigorous))
    assert side <= bound**2 <= side * Fraction(1 + 2e-7)


@pytest.mark.parametrize("exponent", [-1000, -500, -70, 70, 500, 1000])
def test_powers_of_two_change_nothing_but_the_scale(exponent):
    matrix = np.random.default_rng(0).standard_normal((7, 5))
    scaled = certified_matrix_norm(np.ldexp(matrix, exponent))
    assert scaled == pytest.approx(np.ldexp(certified_matrix_norm(matrix), exponent), rel=1e-15)


@pytest.mark.parametrize("scale", [1e-320, 1e-150, 1e-20, 1e20, 1e150, 1e300])
def test_extreme_scales(scale):
    matrix = scale * np.random.default_rng(0).standard_normal((6, 8))
    # Multiplied back by a power of two, which does not round, the norm is that of tame entries.
    exponent = math.frexp(float(np.abs(matrix).max()))[1]
    tame = np.ldexp(np.ldexp(matrix, -(exponent // 2)), -(exponent - exponent // 2))
    bound = Fraction(certified_matrix_norm(matrix))
    assert bound >= Fraction(float(attained(tame) * (1 - 1e-15))) * Fraction(2) ** exponent
    if scale > 1e-300:
        assert float(bound / Fraction(2) ** exponent) <= attained(tame) * (1 + 1e-7)


def test_a_norm_beyond_float64_is_infinite():
    assert certified_matrix_norm(np.full((2, 2), 1.7e308)) == math.inf


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 3), (1, 1)])
def test_matrices_of_zeros_and_of_nothing_have_norm_zero(shape):
    assert certified_matrix_norm(np.zeros(shape)) == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [nn.Linear, nn.Conv1d, nn.ConvTranspose2d])
def test_weights_that_are_not_finite_are_refused_by_name(bad, kind):
    layer = layer_of(kind, 2, 2) if kind is nn.Linear else layer_of(kind, 2, 2, 3)
    with torch.no_grad():
        layer.weight.view(-1)[1] = bad
    shape = None if kind is nn.Linear else (2, 8) if kind is nn.Conv1d else (2, 8, 8)
    with pytest.raises(ValueError, match=rf"weight of {kind.__name__}\(.*NaN or infinite"):
        certified_norm(layer, shape)
    with pytest.raises(ValueError, match="NaN or infinite"):
        certified_matrix_norm(np.array([[1.0, bad]]))


@pytest.mark.parametrize("shape", [(), (3,), (2, 2, 2)])
def test_arrays_that_are_no_matrices_are_refused(shape):
    with pytest.raises(ValueError, match="2 axes"):
        certified_matrix_norm(np.ones(shape))


def test_the_layer_is_left_alone():
    layer = nn.utils.skip_init(nn.Conv2d, 3, 4, 3)
    nn.init.ones_(layer.weight)
    certified_norm(layer, (3, 9, 9))
    assert layer.weight.dtype == torch.float32
    assert bool((layer.weight == 1).all())
    assert layer.weight.grad is None


# Stacks of Gram matrices


def semidefinite(eigenvalues, rng):
    basis = np.linalg.qr(rng.standard_normal((len(eigenvalues), len(eigenvalues))))[0]
    return (basis * eigenvalues) @ basis.T


@pytest.mark.parametrize("side", [3, 40])
@pytest.mark.parametrize("rigorous", [False, True])
@pytest.mark.parametrize("known", [0.0, 2.0, 20.0])
def test_largest_eigenvalue_of_a_stack(side, rigorous, known):
    rng = np.random.default_rng(0)
    spectra = rng.uniform(0, 1, (6, side))
    spectra[4, 0] = 10.0
    stack = torch.tensor(np.stack([semidefinite(spectrum, rng) for spectrum in spectra]))
    found, bound = largest_eigenvalue(stack, known=known, rigorous=rigorous)
    assert found == pytest.approx(max(10.0, known), rel=1e-12)
    assert found <= bound <= found * (1 + 1e-10)


@pytest.mark.parametrize("cast", [torch.float64, torch.complex128])
def test_an_eigenvector_that_no_start_sees_is_found_by_the_proof(cast):
    side = 50
    start = np.sqrt(np.linspace(1, 2, side))  # where the ranking of the matrices begins
    hidden = np.zeros(side)
    hidden[:2] = start[1], -start[0]
    hidden /= np.linalg.norm(hidden)
    plain = np.eye(side)
    stack = np.stack([plain + 8 * np.eye(side), plain + 9 * np.outer(hidden, hidden), plain])
    found, bound = largest_eigenvalue(torch.tensor(stack, dtype=cast))
    assert found == pytest.approx(10.0, rel=1e-12)
    assert 10.0 * (1 - 1e-15) <= bound <= 10.0 * (1 + 1e-10)


def test_a_stack_of_zeros():
    assert largest_eigenvalue(torch.zeros(3, 40, 40, dtype=torch.float64)) == (0.0, 0.0)


# Convolutions


@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("taps", [1, 2, 3])
def test_circular_kernels_of_ones_in_exact_arithmetic(n_axes, taps):
    kind = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[n_axes]
    layer = layer_of(
        kind, 1, 1, taps, weight=1.0, padding=taps // 2, padding_mode="circular", stride=1
    )
    if taps == 2:  # one pixel of padding repeats a row of outputs; without it there are too few
        layer = layer_of(kind, 1, 1, 3, weight=1.0, padding=2, dilation=2, padding_mode="circular")
        taps = 3
    bound = certified_bound(layer, (1, *[6] * n_axes))
    assert bound.method in ("circular grid", "reshaped kernel")
    assert taps**n_axes <= Fraction(bound.value) <= taps**n_axes * Fraction(1 + 1e-10)


@pytest.mark.parametrize("side", [8, 32, 64])
def test_zero_padded_kernels_of_ones(side):
    layer = layer_of(nn.Conv2d, 1, 1, 3, weight=1.0, padding=1)
    true = (1 + 2 * math.cos(math.pi / (side + 1))) ** 2
    bound = certified_bound(layer, (1, side, side))
    assert true * (1 - 1e-14) <= bound.value <= 9 * (1 + 1e-10)
    any_size = certified_bound(layer)
    assert any_size.method in ("size-free grid", "reshaped kernel")
    assert 9 <= any_size.value <= 9 * 1.0197


def test_small_operators_are_bounded_as_matrices():
    layer = layer_of(nn.Conv2d, 1, 1, 3, weight=1.0, padding=1)
    bound = certified_bound(layer, (1, 8, 8))
    assert bound.method == "dense operator"
    assert bound.value == pytest.approx((1 + 2 * math.cos(math.pi / 9)) ** 2, rel=1e-10)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("kernel_size", "padding", "limit"), [(3, 1, 1.01), ((3, 1), (1, 0), 1.01), (5, 2, 1.02)]
)
def test_zero_padded_convolutions_at_32_pixels_are_tight(stride, kernel_size, padding, limit):
    layer = layer_of(nn.Conv2d, 4, 6, kernel_size, stride=stride, padding=padding)
    bound = certified_bound(layer, (4, 32, 32))
    assert bound.method == "embedding grid"
    true = spectral_norm(layer, (4, 32, 32))
    assert true * (1 - 1e-12) <= bound.value <= true * limit
    assert bound.value <= certified_norm(layer) <= bound.value * 1.1


def test_groups_count_with_the_largest_of_them_and_never_with_the_product():
    layer = layer_of(nn.Conv2d, 8, 8, 3, padding=1, padding_mode="circular", groups=4)
    apart = [
        certified_norm(
            layer_of(nn.Conv2d, 2, 2, 3, padding=1, padding_mode="circular", weight=part),
            (2, 6, 6),
        )
        for part in layer.weight.detach().split(2)
    ]
    together = certified_norm(layer, (8, 6, 6))
    assert together == pytest.approx(max(apart), rel=1e-11)
    assert together != pytest.approx(math.prod(apart), rel=0.1)


def test_a_group_of_zeros_does_no_harm():
    layer = layer_of(nn.Conv1d, 80, 80, 3, padding=1, groups=2)
    with torch.no_grad():
        layer.weight[40:] = 0
    alone = layer_of(nn.Conv1d, 40, 40, 3, padding=1, weight=layer.weight.detach()[:40])
    assert certified_norm(layer) == pytest.approx(certified_norm(alone), rel=1e-11)


def test_windows_that_do_not_overlap_are_exact_without_a_size():
    layer = layer_of(nn.Conv2d, 3, 20, 4, stride=4)
    bound = certified_bound(layer)
    assert bound.method == "reshaped kernel"
    true = attained(layer.weight.detach().reshape(20, -1))
    assert true <= bound.value <= true * (1 + 1e-10)


def test_wide_layers_prove_most_frequencies_by_factorisations():
    layer = layer_of(nn.Conv2d, 40, 48, 3, padding=1, padding_mode="circular")
    spectrum = np.fft.fft2(layer.weight.detach().numpy(), (9, 9), axes=(2, 3))
    true = np.linalg.svd(np.moveaxis(spectrum, (0, 1), (2, 3)), compute_uv=False).max()
    for rigorous in (False, True):
        bound = certified_bound(layer, (40, 9, 9), rigorous=rigorous)
        assert bound.method == "circular grid"
        assert true * (1 - 1e-14) <= bound.value <= true * (1 + 1e-9)


def test_memory_is_bounded_by_chunks_of_frequencies(monkeypatch):
    layer = layer_of(nn.Conv2d, 5, 7, 3, padding=1)
    whole = certified_norm(layer, (5, 40, 40))
    monkeypatch.setattr("specreg_sklearn.spectral.bounds._symbol._CHUNK_BYTES", 50_000)
    assert certified_norm(layer, (5, 40, 40)) == pytest.approx(whole, rel=1e-12)


def test_a_grid_beyond_the_budget_falls_back_to_the_bound_for_any_size(monkeypatch):
    layer = layer_of(nn.Conv2d, 2, 3, 3, padding=1)
    monkeypatch.setattr("specreg_sklearn.spectral.bounds._certified_norm._BUDGET", 1e4)
    bound = certified_bound(layer, (2, 200, 200))
    assert bound.method == "size-free grid"
    assert bound.value == certified_norm(layer)


@pytest.mark.parametrize("scale", [1e-150, 1e-20, 1e20, 1e150])
def test_extreme_scales_of_a_convolution(scale):
    layer = layer_of(nn.Conv2d, 1, 1, 3, padding=1, weight=scale)
    true = (1 + 2 * math.cos(math.pi / 33)) ** 2
    assert true * (1 - 1e-14) <= certified_norm(layer, (1, 32, 32)) / scale <= 9 * (1 + 1e-10)


def test_a_kernel_of_zeros_has_norm_zero():
    layer = layer_of(nn.Conv2d, 2, 3, 3, weight=0.0)
    assert certified_norm(layer, (2, 8, 8)) == 0.0
    assert certified_norm(layer) == 0.0


@pytest.mark.parametrize("input_shape", [(3, 8, 8), (2, 8), (2, 0, 8), (2, 2, 8)])
def test_shapes_that_do_not_fit_are_refused(input_shape):
    layer = layer_of(nn.Conv2d, 2, 3, 3)
    with pytest.raises(ValueError, match=r"input_shape|too small"):
        certified_norm(layer, input_shape)


def test_operators_and_matrices_are_taken_like_layers():
    layer = layer_of(nn.Conv2d, 2, 3, 3)
    operator = Convolution.from_layer(layer, (2, 9, 9))
    assert certified_norm(operator) == certified_norm(layer, (2, 9, 9))
    linear = layer_of(nn.Linear, 4, 3)
    expected = certified_matrix_norm(linear.weight.detach().numpy())
    assert certified_norm(linear) == expected
    assert certified_norm(linear.weight) == expected
    assert certified_norm(linear.weight.detach().numpy()) == expected


@pytest.mark.parametrize("layer", [nn.LayerNorm(3), nn.ReLU(), nn.Sequential(), nn.GroupNorm(1, 2)])
def test_layers_without_a_bound_are_refused_by_name(layer):
    with pytest.raises(TypeError, match=rf"{type(layer).__name__} layer.*Accepted are Linear"):
        certified_norm(layer)


# Batch norm


def batch_norm(**settings):
    layer = nn.BatchNorm2d(3, eps=0.25, **settings).eval()
    if layer.running_var is not None:
        layer.running_var.copy_(torch.tensor([0.75, 3.75, 15.75]))
    return layer


def test_batch_norm_in_eval_mode_has_its_largest_factor():
    layer = batch_norm()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, -6.0, 4.0]))
    bound = certified_bound(layer)
    assert bound.method == "batch norm"
    assert 3 <= bound.value <= 3 * (1 + 1e-14)
    assert 1 <= certified_norm(batch_norm(affine=False)) <= 1 + 1e-14


def test_batch_norm_whose_output_depends_on_other_rows_is_refused():
    with pytest.raises(ValueError, match=r"training mode.*eval\(\)"):
        certified_norm(batch_norm().train())
    with pytest.raises(ValueError, match="no running statistics"):
        certified_norm(batch_norm(track_running_stats=False))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -5.0])
def test_batch_norm_with_broken_statistics_is_refused(bad):
    layer = batch_norm()
    layer.running_var[1] = bad
    with pytest.raises(ValueError, match="running_var"):
        certified_norm(layer)


def test_batch_norm_with_broken_weights_is_refused():
    layer = batch_norm()
    with torch.no_grad():
        layer.weight[0] = math.nan
    with pytest.raises(ValueError, match="weight of BatchNorm2d"):
        certified_norm(layer)


# Trained layers


@pytest.mark.slow
def test_trained_zero_padded_convolutions_are_tight():
    generator = torch.Generator().manual_seed(0)
    kinds = [(3, 64, 1), (64, 64, 1), (64, 128, 2)]
    layers = [nn.utils.skip_init(nn.Conv2d, i, o, 3, stride=s, padding=1) for i, o, s in kinds]
    readout = nn.utils.skip_init(nn.Linear, 128, 10)
    for layer in [*layers, readout]:
        nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
        nn.init.zeros_(layer.bias)
    optimiser = torch.optim.Adam([p for layer in [*layers, readout] for p in layer.parameters()])
    prototypes = torch.randn(10, 3, 8, 8, generator=generator)
    smooth = nn.functional.interpolate(prototypes, 32, mode="bilinear")
    for _ in range(60):
        labels = torch.randint(10, (32,), generator=generator)
        x = smooth[labels] + 0.5 * torch.randn(32, 3, 32, 32, generator=generator)
        for layer in layers:
            x = layer(x).relu()
        loss = nn.functional.cross_entropy(readout(x.mean((2, 3))), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 1.0  # weights that have learned something
    for layer in layers:
        shape = (layer.in_channels, 32, 32)
        ratio = certified_norm(layer, shape) / spectral_norm(layer, shape)
        assert 1 - 1e-12 <= ratio <= 1.01

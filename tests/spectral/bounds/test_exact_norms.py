"""Exact norms against numpy's SVD and against matrices whose norm is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from specreg_sklearn.spectral import matrix_norm, spectral_norm

SHAPES = [(1, 1), (1, 7), (7, 1), (5, 9), (9, 5), (64, 64), (300, 20), (20, 300)]


def random_matrix(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_largest_singular_value_of_numpy(shape):
    matrix = random_matrix(shape)
    expected = np.linalg.svd(matrix, compute_uv=False)[0]
    assert matrix_norm(torch.tensor(matrix)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("double", "rel"), [(True, 1e-12), (False, 1e-5)])
def test_float32_weights(shape, double, rel):
    matrix = random_matrix(shape).astype(np.float32)
    expected = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)[0]
    assert matrix_norm(torch.tensor(matrix), double=double) == pytest.approx(expected, rel=rel)


def reflected(matrix, seed):
    """Multiply by a reflection from the left: the singular values stay as they are."""
    normal = random_matrix(len(matrix), seed)
    normal /= np.linalg.norm(normal)
    return matrix - 2 * np.outer(normal, normal @ matrix)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("top", [3.0, 2.9999])
def test_large_matrices_take_the_lanczos_route_to_a_known_norm(transposed, top):
    diagonal = np.zeros((1030, 1040))
    np.fill_diagonal(diagonal, [top, 2.999, *np.linspace(0, 2.9, 1028)])
    matrix = reflected(reflected(diagonal, seed=0).T, seed=1)
    weight = torch.tensor(matrix.T if transposed else matrix)
    assert matrix_norm(weight) == pytest.approx(top, rel=1e-10)


def test_large_matrix_with_a_fully_tied_spectrum():
    assert matrix_norm(3.0 * torch.eye(1030, dtype=torch.float64)) == pytest.approx(3.0, rel=1e-10)


@pytest.mark.parametrize("n", [1, 2, 10, 50])
def test_diagonal_matrix_has_its_largest_entry(n):
    assert matrix_norm(torch.diag(torch.arange(1.0, n + 1))) == pytest.approx(n, rel=1e-12)


def test_orthogonal_matrix_has_norm_one():
    orthogonal = np.linalg.qr(random_matrix((20, 20)))[0]
    assert matrix_norm(torch.tensor(orthogonal)) == pytest.approx(1, rel=1e-12)


def test_rank_one_matrix_has_the_product_of_the_two_lengths():
    a, b = random_matrix((2, 12))
    outer = torch.tensor(np.outer(a, b[:7]))
    expected = np.linalg.norm(a) * np.linalg.norm(b[:7])
    assert matrix_norm(outer) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (1, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_matrix_has_norm_exactly_zero(shape, dtype):
    assert matrix_norm(torch.zeros(shape, dtype=dtype)) == 0.0


@pytest.mark.parametrize("scale", [1e-150, 1e-20, 1e20, 1e150])
def test_extreme_scales_neither_overflow_nor_vanish(scale):
    matrix = random_matrix((6, 8))
    expected = scale * np.linalg.svd(matrix, compute_uv=False)[0]
    assert matrix_norm(torch.tensor(scale * matrix)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_extreme_scales_in_single_precision(scale):
    matrix = random_matrix((6, 8))
    weight = torch.tensor((scale * matrix).astype(np.float32))
    expected = scale * np.linalg.svd(matrix, compute_uv=False)[0]
    assert matrix_norm(weight, double=False) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("double", [True, False])
def test_non_finite_entries_are_refused(bad, double):
    weight = torch.eye(3)
    weight[1, 2] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        matrix_norm(weight, double=double)


@pytest.mark.parametrize("double", [True, False])
def test_the_weight_is_left_alone(double):
    weight = torch.tensor(random_matrix((5, 4)), requires_grad=True)
    before = weight.detach().clone()
    matrix_norm(weight, double=double)
    assert torch.equal(weight, before)
    assert weight.grad is None


def test_layer_norm_is_that_of_the_weight_whatever_the_bias(generator):
    layer = torch.nn.utils.skip_init(torch.nn.Linear, 6, 4)
    with torch.no_grad():
        layer.weight.normal_(generator=generator)
        layer.bias.fill_(1e6)
    expected = np.linalg.svd(layer.weight.detach().numpy().astype(float), compute_uv=False)[0]
    assert spectral_norm(layer) == pytest.approx(expected, rel=1e-12)


def test_layers_whose_operator_is_not_known_are_refused():
    with pytest.raises(TypeError, match=r"LayerNorm.*Accepted are Linear, Conv1d"):
        spectral_norm(torch.nn.LayerNorm(3))


def skip_init_conv(*args, **settings):
    return torch.nn.utils.skip_init(torch.nn.Conv2d, *args, dtype=torch.float64, **settings)


def test_a_convolution_needs_the_size_of_its_images():
    with pytest.raises(ValueError, match=r"give input_shape=\(C, \*size\)"):
        spectral_norm(skip_init_conv(1, 1, 3))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_taps_that_are_not_finite_are_refused(bad):
    layer = skip_init_conv(1, 1, 3)
    torch.nn.init.ones_(layer.weight)
    with torch.no_grad():
        layer.weight[0, 0, 1, 1] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        spectral_norm(layer, (1, 8, 8))


def test_images_smaller_than_the_kernel_are_refused():
    with pytest.raises(ValueError, match="too small"):
        spectral_norm(torch.nn.utils.skip_init(torch.nn.Conv1d, 1, 1, 5), (1, 4))


@pytest.mark.parametrize("side", [3, 8, 40, 64])
def test_a_kernel_of_ones_with_zero_padding_has_a_closed_form(side):
    layer = skip_init_conv(1, 1, 3, padding=1)
    torch.nn.init.ones_(layer.weight)
    expected = (1 + 2 * np.cos(np.pi / (side + 1))) ** 2
    assert spectral_norm(layer, (1, side, side)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-150, 1e-20, 1e20, 1e150])
def test_extreme_scales_of_a_convolution(scale):
    layer = skip_init_conv(1, 1, 3, padding=1)
    torch.nn.init.constant_(layer.weight, scale)
    expected = scale * (1 + 2 * np.cos(np.pi / 41)) ** 2
    assert spectral_norm(layer, (1, 40, 40)) == pytest.approx(expected, rel=1e-12)


def test_a_kernel_of_zeros_has_norm_exactly_zero():
    layer = skip_init_conv(2, 3, 3)
    torch.nn.init.zeros_(layer.weight)
    assert spectral_norm(layer, (2, 9, 9)) == 0.0


def test_windows_that_do_not_overlap_have_the_norm_of_the_reshaped_kernel():
    layer = skip_init_conv(3, 20, 4, stride=4)
    kernel = random_matrix((20, 3, 4, 4))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(kernel))
    expected = np.linalg.svd(kernel.reshape(20, -1), compute_uv=False)[0]
    assert spectral_norm(layer, (3, 224, 224)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("transposed", [False, True])
def test_the_lanczos_route_equals_the_operator_written_down_by_hand(transposed):
    n_channels, side = 3, 700
    kernel = random_matrix((n_channels, n_channels, 3))
    kind = torch.nn.ConvTranspose1d if transposed else torch.nn.Conv1d
    layer = torch.nn.utils.skip_init(
        kind, n_channels, n_channels, 3, stride=2, padding=1, dtype=torch.float64
    )
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(kernel))
    # One band per tap: output i reads the pixel 2 i + t - 1 of the ordinary convolution.
    pixels = 2 * side - 1 if transposed else side
    windows = side if transposed else (side + 1) // 2
    bands = sum(
        np.kron(kernel[:, :, t], (np.arange(pixels) == 2 * np.arange(windows)[:, None] + t - 1))
        for t in range(3)
    )
    expected = np.sqrt(np.linalg.eigvalsh(bands @ bands.T)[-1])
    assert spectral_norm(layer, (n_channels, side)) == pytest.approx(expected, rel=1e-11)

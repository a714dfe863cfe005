"""Spectra of layers against numpy, hand-made matrices and hand-written convolutions."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import torch

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.inspection import LayerSpectrum, PerLayer, singular_value_spectrum
from specreg_sklearn.inspection.weights._singular_values import convolution_values
from specreg_sklearn.spectral import Convolution


def spectrum_of(values):
    values = np.sort(np.asarray(values, dtype=float))[::-1]
    return LayerSpectrum(values, "matrix", (len(values), len(values)))


def matrix_of(kernel, size, *, padding, wrap, stride=1):
    """Write a 2-D convolution out as a matrix, tap by tap."""
    n_out, n_in, height, width = kernel.shape
    rows = (size + 2 * padding - height) // stride + 1
    matrix = np.zeros((n_out, rows, rows, n_in, size, size))
    for i, j, u, v in itertools.product(range(rows), range(rows), range(height), range(width)):
        y, x = i * stride + u - padding, j * stride + v - padding
        if wrap:
            y, x = y % size, x % size
        if 0 <= y < size and 0 <= x < size:
            matrix[:, i, j, :, y, x] += kernel[:, :, u, v]
    return matrix.reshape(n_out * rows * rows, n_in * size * size)


def convolution(kernel, size, **settings):
    n_out, n_in, height, _ = kernel.shape
    layer = torch.nn.utils.skip_init(
        torch.nn.Conv2d, n_in * settings.get("groups", 1), n_out, height, bias=False,
        dtype=torch.float64, **settings,
    )  # fmt: skip
    layer.weight = torch.nn.Parameter(torch.tensor(kernel))
    return Convolution.from_layer(layer, (layer.in_channels, size, size))


def test_statistics_of_a_diagonal():
    n = 7
    spectrum = spectrum_of(np.arange(1, n + 1))
    assert spectrum.std == pytest.approx(np.sqrt((n**2 - 1) / 12))
    assert spectrum.cv == pytest.approx(spectrum.std / 4.0)
    assert (spectrum.max, spectrum.min, spectrum.mean, spectrum.condition) == (7, 1, 4, 7)
    assert spectrum.stable_rank == pytest.approx(sum(k**2 for k in range(1, 8)) / 49)


def test_statistics_of_edge_cases():
    zero = spectrum_of([0.0, 0.0])
    assert zero.stable_rank == 0 and np.isnan(zero.cv) and zero.condition == np.inf
    flat = spectrum_of([2.0] * 5)
    assert (flat.std, flat.condition, flat.stable_rank) == (0, 1, 5)


def test_layers_of_an_mlp_against_numpy(mlp_model, encoder_model, random_layers):
    layers = random_layers(4, 6, 5, 3)
    for model in (mlp_model(layers), encoder_model(layers)):
        found = singular_value_spectrum(model)
        assert isinstance(found, PerLayer) and len(found) == 3
        for spectrum, (weight, _) in zip(found.values(), layers, strict=True):
            np.testing.assert_allclose(
                spectrum.values, np.linalg.svd(weight, compute_uv=False), rtol=1e-10
            )
            assert spectrum.operator == "matrix" and spectrum.shape == weight.shape
    norms = [np.linalg.norm(weight, 2) for weight, _ in layers]
    np.testing.assert_allclose(found.column("max"), norms, rtol=1e-10)


def test_orthogonal_layers_and_scaled_ones(encoder_model):
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    D = np.diag(np.arange(1.0, 7.0))

    def build(c):
        return encoder_model([(Q, np.zeros(6)), (c * D, np.zeros(6)), (D[:3], np.zeros(3))])

    found = singular_value_spectrum(build(1.0))
    orthogonal = found["backbone.hidden1"]
    assert orthogonal.std == pytest.approx(0, abs=1e-12)
    assert orthogonal.condition == pytest.approx(1)
    assert orthogonal.stable_rank == pytest.approx(6)
    scaled = singular_value_spectrum(build(-2.5))["backbone.hidden2"]
    plain = found["backbone.hidden2"]
    assert scaled.std == pytest.approx(2.5 * plain.std)
    assert scaled.cv == pytest.approx(plain.cv)
    assert scaled.stable_rank == pytest.approx(plain.stable_rank)


def test_linear_models_have_one_layer(linear_model):
    model = linear_model([[3.0, 4.0]])
    found = singular_value_spectrum(model)
    assert list(found) == ["logits"]
    np.testing.assert_allclose(found["logits"].values, [5.0])


def test_choosing_layers(encoder_model, random_layers):
    model = encoder_model(random_layers(4, 6, 5, 3))
    assert list(singular_value_spectrum(model, "head")) == ["head"]
    both = singular_value_spectrum(model, ["head", "backbone.hidden1"])
    assert list(both) == ["backbone.hidden1", "head"]
    with pytest.raises(ValueError, match=r"has no layer 'hidden1', only \['backbone.hidden1'"):
        singular_value_spectrum(model, ["hidden1"])
    with pytest.raises(KeyError, match="the layers are"):
        both["logits"]


def test_printed_table(encoder_model, random_layers):
    text = repr(singular_value_spectrum(encoder_model(random_layers(4, 6, 3))))
    assert text.splitlines()[0].split() == [
        "layer", "operator", "max", "min", "mean", "std", "cv", "stable_rank", "condition",
    ]  # fmt: skip
    assert len(text.splitlines()) == 3


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 1])
def test_dense_convolution_against_a_matrix_written_tap_by_tap(padding, stride):
    kernel = np.random.default_rng(0).normal(size=(3, 2, 3, 3))
    values, operator = convolution_values(convolution(kernel, 6, padding=padding, stride=stride))
    matrix = matrix_of(kernel, 6, padding=padding, wrap=False, stride=stride)
    assert operator == "dense"
    np.testing.assert_allclose(
        values.numpy(), np.linalg.svd(matrix, compute_uv=False), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("taps", [1, 3])
def test_circular_values_against_a_matrix_on_a_ring(taps, stride):
    kernel = np.random.default_rng(1).normal(size=(3, 2, taps, taps))
    operator = convolution(kernel, 6, padding=taps // 2, stride=stride, padding_mode="circular")
    values, method = convolution_values(operator, "circular")
    matrix = matrix_of(kernel, 6, padding=taps // 2, wrap=True, stride=stride)
    expected = np.linalg.svd(matrix, compute_uv=False)
    assert method == "circular" and len(values) == len(expected)
    np.testing.assert_allclose(values.numpy(), expected, rtol=1e-10, atol=1e-10)


def test_circular_values_with_groups_and_dilation():
    kernel = np.random.default_rng(1).normal(size=(4, 1, 3, 3))
    operator = convolution(kernel, 6, padding=2, dilation=2, groups=2, padding_mode="circular")
    np.testing.assert_allclose(
        convolution_values(operator, "circular")[0].numpy(),
        convolution_values(operator, "dense")[0].numpy(),
        rtol=1e-10, atol=1e-10,
    )  # fmt: skip


def test_a_kernel_of_one_tap_is_its_matrix_at_every_pixel():
    kernel = np.random.default_rng(0).normal(size=(3, 2, 1, 1))
    single = np.linalg.svd(kernel[:, :, 0, 0], compute_uv=False)
    values = convolution_values(convolution(kernel, 4))[0].numpy()
    np.testing.assert_allclose(values, np.sort(np.tile(single, 16))[::-1], rtol=1e-12)


@pytest.mark.parametrize("method", ["dense", "circular"])
def test_the_delta_kernel_is_an_isometry(method):
    kernel = np.zeros((2, 2, 3, 3))
    kernel[[0, 1], [0, 1], 1, 1] = 1.0
    values = convolution_values(convolution(kernel, 5, padding=1), method)[0].numpy()
    np.testing.assert_allclose(values, np.ones(50), rtol=1e-12)


def test_circular_is_no_bound_for_zero_padding():
    kernel = np.array([[1.0, -1, 1], [-1, 0, -1], [1, -1, 1]])[None, None]
    operator = convolution(kernel, 3, padding=1)
    assert float(convolution_values(operator, "dense")[0][0]) == pytest.approx(2 + 2 * np.sqrt(2))
    assert float(convolution_values(operator, "circular")[0][0]) == pytest.approx(3)


def test_large_images_are_put_on_a_ring_and_say_so():
    kernel = np.random.default_rng(0).normal(size=(4, 3, 3, 3))
    small, large = convolution(kernel, 8, padding=1), convolution(kernel, 32, padding=1)
    assert convolution_values(small)[1] == "dense"
    values, operator = convolution_values(large)
    assert operator == "circular" and len(values) == 32 * 32 * 3


class Normed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.front = torch.nn.BatchNorm2d(1)
        self.conv = torch.nn.Conv2d(1, 2, 3, padding=1, bias=False)
        self.norm = torch.nn.BatchNorm2d(2)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(self.front(x)))).flatten(1)


def test_batch_norm_is_folded_or_not():
    X = np.random.default_rng(0).normal(size=(30, 16))
    model = SpectrallyRegularizedEncoder(
        module=lambda shape: Normed(), input_shape=(1, 4, 4), max_iter=2, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, np.arange(30) % 3)
    part = model.module_.backbone
    with torch.no_grad():
        part.norm.weight.copy_(torch.tensor([0.3, -4.0]))
    factors = (
        (part.norm.weight / torch.sqrt(part.norm.running_var + part.norm.eps)).detach().numpy()
    )
    matrix = matrix_of(part.conv.weight.detach().numpy(), 4, padding=1, wrap=False)
    folded = np.repeat(factors, 16)[:, None] * matrix
    for fold, expected in ((True, folded), (False, matrix)):
        found = singular_value_spectrum(model, fold_batch_norm=fold)
        assert list(found) == ["backbone.front", "backbone.conv", "head"]
        np.testing.assert_allclose(
            found["backbone.conv"].values, np.linalg.svd(expected, compute_uv=False), rtol=1e-9
        )
    alone = found["backbone.front"]
    scale = (part.front.weight / torch.sqrt(part.front.running_var + part.front.eps)).item()
    assert alone.operator == "channels"
    np.testing.assert_allclose(alone.values, [abs(scale)], rtol=1e-9)

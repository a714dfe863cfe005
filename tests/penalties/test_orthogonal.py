"""The orthogonality penalty against dense operators and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from specreg_sklearn.penalties import Orthogonal

RNG = np.random.default_rng(0)


def layer_with(kind, *shape, weight=None, **settings):
    layer = nn.utils.skip_init(kind, *shape, dtype=torch.float64, bias=False, **settings)
    if weight is None:
        weight = np.random.default_rng(1).normal(size=tuple(layer.weight.shape), scale=0.5)
    layer.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float64))
    return layer


def bind(backbone):
    head = layer_with(nn.Linear, 2, 2)
    return Orthogonal().bind(backbone, head, generator=torch.Generator())


def value(backbone):
    return float(bind(backbone).value().detach())


def orthonormal_rows(n_rows, n_columns):
    return np.linalg.qr(RNG.normal(size=(n_columns, n_rows)))[0].T


@pytest.mark.parametrize("shape", [(3, 3), (3, 7), (7, 3), (1, 5), (5, 1)])
@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 2.0])
def test_scaled_orthogonal_matrices(shape, factor):
    short = min(shape)
    matrix = orthonormal_rows(short, max(shape))
    layer = layer_with(nn.Linear, *shape[::-1], weight=factor * matrix.reshape(short, -1)
                       if shape[0] <= shape[1] else factor * matrix.T)  # fmt: skip
    assert value(layer) == pytest.approx(short * (factor**2 - 1) ** 2, abs=1e-12)


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (5, 5)])
def test_matrices_by_their_singular_values(shape):
    layer = layer_with(nn.Linear, *shape)
    singular = np.linalg.svd(layer.weight.detach().numpy(), compute_uv=False)
    assert value(layer) == pytest.approx(((singular**2 - 1) ** 2).sum(), rel=1e-12)


def dense_circular(weight, size, stride, dilation, groups):
    """The operator on a torus, entry by entry."""
    n_out, n_in_per_group, *taps = weight.shape
    positions = [side // step for side, step in zip(size, stride, strict=True)]
    A = np.zeros((n_out, *positions, n_in_per_group * groups, *size))
    for out in range(n_out):
        group = out // (n_out // groups)
        for channel in range(n_in_per_group):
            for tap in np.ndindex(*taps):
                for place in np.ndindex(*positions):
                    pixel = [
                        (p * s + t * d) % side
                        for p, s, t, d, side in zip(place, stride, tap, dilation, size, strict=True)
                    ]
                    column = group * n_in_per_group + channel
                    A[(out, *place, column, *pixel)] += weight[(out, channel, *tap)]
    return A.reshape(n_out * np.prod(positions), -1), np.prod(positions)


def dense_value(weight, size, stride, dilation, groups):
    A, n_positions = dense_circular(weight, size, stride, dilation, groups)
    gram = A @ A.T if len(A) <= A.shape[1] else A.T @ A
    return np.square(gram - np.eye(len(gram))).sum() / n_positions


@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (3, 3)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (3, 1)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 1)])
@pytest.mark.parametrize("channels", [(2, 3, 1), (3, 2, 1), (2, 4, 2), (1, 6, 1)])
def test_convolutions_equal_the_dense_operator_on_a_large_torus(kernel, stride, dilation, channels):
    n_in, n_out, groups = channels
    settings = {"stride": stride, "dilation": dilation, "groups": groups}
    layer = layer_with(nn.Conv2d, n_in, n_out, kernel, **settings)
    # 12 is a multiple of the strides and more than twice the reach of the largest kernel
    expected = dense_value(layer.weight.detach().numpy(), (12, 6), stride, dilation, groups)
    assert value(layer) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("stride", [1, 2])
def test_one_axis_and_transposed_layers(stride):
    plain = layer_with(nn.Conv1d, 2, 3, 4, stride=stride)
    expected = dense_value(plain.weight.detach().numpy(), (16,), (stride,), (1,), 1)
    assert value(plain) == pytest.approx(expected, rel=1e-10)
    weight = plain.weight.detach().numpy()
    transposed = layer_with(nn.ConvTranspose1d, 3, 2, 4, stride=stride, weight=weight)
    assert value(transposed) == pytest.approx(expected, rel=1e-10)


def test_a_delta_kernel_is_orthogonal_and_a_box_is_not():
    delta = np.zeros((3, 3, 3, 3))
    delta[range(3), range(3), 1, 1] = 1
    assert value(layer_with(nn.Conv2d, 3, 3, 3, padding=1, weight=delta)) == 0
    assert value(layer_with(nn.Conv2d, 1, 1, 2, weight=np.full((1, 1, 2, 2), 0.5))) > 0.5


@pytest.mark.parametrize(
    "layer",
    [
        layer_with(nn.Linear, 4, 3),
        layer_with(nn.Linear, 3, 4),
        layer_with(nn.Conv2d, 2, 4, (2, 3), stride=2, dilation=(2, 1), groups=2),
        layer_with(nn.Conv1d, 1, 5, 3),
    ],
    ids=str,
)
def test_gradients_equal_finite_differences(layer):
    bound = bind(layer)

    def penalty(weight):
        layer.weight.data.copy_(weight.detach())
        value = bound.value()
        (gradient,) = torch.autograd.grad(value, layer.weight)
        return value.detach(), gradient

    start = layer.weight.detach().clone()
    gradient = penalty(start)[1]
    for entry in range(start.numel()):
        shift = torch.zeros_like(start)
        shift.view(-1)[entry] = 1e-5
        slope = (penalty(start + shift)[0] - penalty(start - shift)[0]) / 2e-5
        assert float(gradient.view(-1)[entry]) == pytest.approx(float(slope), rel=1e-6, abs=1e-7)


def test_layers_add_up_the_head_is_free_and_batch_norms_are_left_alone():
    backbone = nn.Sequential(
        layer_with(nn.Conv2d, 1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), layer_with(nn.Linear, 8, 3)
    )
    bound = bind(backbone)
    assert bound.layer_names == ("backbone.0", "backbone.3")
    assert float(bound.value().detach()) == pytest.approx(value(backbone[0]) + value(backbone[3]))


def test_other_layers_are_refused_by_name():
    with pytest.raises(ValueError, match=r"Orthogonal.*'backbone\.1' \(LayerNorm\).*Linear"):
        bind(nn.Sequential(layer_with(nn.Linear, 3, 3), nn.LayerNorm(3)))


def test_a_backbone_without_weights_has_no_penalty():
    bound = bind(nn.Identity())
    assert float(bound.value().detach()) == 0
    bound.add_gradient(1.0)

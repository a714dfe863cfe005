"""The limit on every layer's norm against numpy's singular values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from specreg_sklearn.constraints import SpectralNorm


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def linear(n_in, n_out, seed=1, dtype=torch.float64):
    layer = nn.utils.skip_init(nn.Linear, n_in, n_out, dtype=dtype)
    with torch.no_grad():
        weight = torch.randn(n_out, n_in, generator=seeded(seed), dtype=torch.float64)
        layer.weight.copy_(weight)
        layer.bias.fill_(3.0)
    return layer


def norm_of(layer):
    return np.linalg.norm(layer.weight.detach().double().numpy(), 2)


def bind(constraint, backbone, head=None):
    return constraint.bind(backbone, linear(3, 2) if head is None else head, generator=seeded())


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (1, 7), (7, 1), (300, 200)])
@pytest.mark.parametrize("max_norm", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_settled_layers_have_at_most_the_norm_allowed(shape, max_norm, dtype):
    layer = linear(*shape, dtype=dtype)
    layer.weight.data.mul_(3 * max_norm / norm_of(layer))
    left, values, right = np.linalg.svd(layer.weight.detach().double().numpy(), full_matrices=False)
    bind(SpectralNorm(max_norm), layer).settle()
    assert max_norm * (1 - 1e-6) <= norm_of(layer) <= max_norm * (1 + 1e-6)
    if min(shape) <= 8:  # the block spans the whole matrix: this is the nearest one of that norm
        expected = (left * values.clip(max=max_norm)) @ right
        np.testing.assert_allclose(layer.weight.detach(), expected, rtol=1e-4, atol=1e-5)
    assert (layer.bias.detach() == 3).all()


@pytest.mark.parametrize("way", ["project", "settle"])
def test_smaller_norms_are_left_alone(way):
    layer = linear(5, 5)
    bound = bind(SpectralNorm(100.0), layer)
    start = layer.weight.detach().clone()
    getattr(bound, way)()
    assert torch.equal(layer.weight.detach(), start)


@pytest.mark.parametrize("way", ["project", "settle"])
def test_projections_are_idempotent(way):
    layer = linear(8, 5)
    bound = bind(SpectralNorm(0.7), layer)
    for _ in range(40):
        getattr(bound, way)()
    once = layer.weight.detach().clone()
    assert norm_of(layer) == pytest.approx(0.7, rel=1e-9)
    assert np.linalg.cond(layer.weight.detach()) > 1
    getattr(bound, way)()
    torch.testing.assert_close(layer.weight.detach(), once, rtol=1e-12, atol=0)


def test_the_warm_projection_follows_a_drifting_matrix():
    layer = linear(60, 40)
    bound = bind(SpectralNorm(1.0), layer)
    bound.settle()
    noise = seeded(7)
    excess = []
    for _ in range(200):
        with torch.no_grad():
            bump = torch.randn(layer.weight.shape, generator=noise, dtype=torch.float64)
            layer.weight.add_(2e-3 * bump)
        bound.project()
        excess.append(norm_of(layer) - 1)
    assert max(excess) < 0.05
    bound.settle()
    assert norm_of(layer) <= 1 + 1e-9


def test_the_head_is_held_or_free():
    for include_head in (True, False):
        head = linear(3, 2)
        start = head.weight.detach().clone()
        bound = bind(SpectralNorm(0.5, include_head=include_head), linear(3, 3), head)
        bound.project()
        bound.settle()
        assert torch.equal(head.weight.detach(), start) != include_head
        assert bound.layer_names == (("backbone", "head") if include_head else ("backbone",))


def test_singular_values_inside_the_limit_are_left_alone():
    layer = linear(8, 8)
    left, _, right = np.linalg.svd(layer.weight.detach().numpy())
    values = np.array([5, 4, 3, 0.9, 0.7, 0.5, 0.1, 0])
    layer.weight.data.copy_(torch.tensor((left * values) @ right))
    bound = bind(SpectralNorm(1.0, n_vectors=5), layer)
    for _ in range(30):
        bound.project()
    expected = (left * values.clip(max=1)) @ right
    np.testing.assert_allclose(layer.weight.detach(), expected, atol=1e-8)


def test_zero_matrices_and_weights_that_are_not_finite():
    layer = linear(3, 3)
    layer.weight.data.zero_()
    bound = bind(SpectralNorm(), layer)
    bound.project()
    bound.settle()
    assert not layer.weight.any()
    layer.weight.data[0, 0] = float("nan")
    bound.project()
    bound.settle()  # the training loop notices it and says so
    assert layer.weight.isnan().any()


def test_a_bind_changes_neither_weights_nor_settings():
    constraint, layer = SpectralNorm(0.1), linear(4, 4)
    start = layer.weight.detach().clone()
    bind(constraint, layer)
    assert torch.equal(layer.weight.detach(), start)
    assert constraint.get_params() == SpectralNorm(0.1).get_params()


def test_other_layers_are_refused_by_name():
    backbone = nn.Sequential(linear(3, 3), nn.LayerNorm(3))
    with pytest.raises(ValueError, match=r"SpectralNorm.*'backbone\.1' \(LayerNorm\).*Linear"):
        bind(SpectralNorm(), backbone)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_norm": 0}, r"max_norm=0 must be a number above 0"),
        ({"max_norm": -1.0}, r"max_norm=-1\.0 must be a number above 0"),
        ({"max_norm": "one"}, r"max_norm='one' must be a number above 0"),
        ({"max_norm": float("inf")}, r"max_norm=inf must be a number above 0"),
        ({"max_norm": float("nan")}, r"max_norm=nan must be a number above 0"),
        ({"include_head": 1}, r"include_head=1 must be True or False"),
        ({"n_vectors": 0}, r"n_vectors=0 must be a positive integer or 'auto'"),
        ({"n_power_iterations": "auto"}, r"n_power_iterations='auto' must be a positive integer"),
    ],
)
def test_bad_settings_name_themselves(settings, message):
    with pytest.raises(ValueError, match=message):
        bind(SpectralNorm(**settings), linear(3, 3))


def test_settings_clone():
    settings = {
        "max_norm": 2.0,
        "include_head": False,
        "n_vectors": 3,
        "n_power_iterations": 2,
    }
    assert clone(SpectralNorm(**settings)).get_params() == settings

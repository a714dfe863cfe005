"""Folding a batch norm against running the two layers one after the other."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from specreg_sklearn.spectral import batch_norm_scale, fold_batch_norm


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def built(kind, *args, **settings):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(*args, **settings).double().eval()


def used(norm):
    """Give a batch norm a history: gains of both signs, means and variances."""
    n = norm.num_features
    norm.running_mean.copy_(torch.randn(n, generator=seeded(1)))
    norm.running_var.copy_(0.1 + torch.rand(n, generator=seeded(2)))
    if norm.weight is not None:
        norm.weight.data.copy_(torch.randn(n, generator=seeded(3)))
        norm.bias.data.copy_(torch.randn(n, generator=seeded(4)))
    return norm


PAIRS = [
    (nn.Linear, (5, 6), {}, nn.BatchNorm1d, (5,)),
    (nn.Conv1d, (4, 6, 3), {"padding": 1}, nn.BatchNorm1d, (4, 9)),
    (nn.Conv2d, (4, 6, 3), {"stride": 2, "groups": 2}, nn.BatchNorm2d, (4, 7, 8)),
    (nn.Conv3d, (2, 6, 2), {}, nn.BatchNorm3d, (2, 3, 4, 3)),
    (nn.ConvTranspose1d, (4, 6, 3), {"groups": 2}, nn.BatchNorm1d, (4, 5)),
    (nn.ConvTranspose2d, (4, 6, 3), {"stride": 2, "groups": 2}, nn.BatchNorm2d, (4, 3, 4)),
    (nn.ConvTranspose3d, (3, 6, 2), {}, nn.BatchNorm3d, (3, 2, 3, 2)),
]


@pytest.mark.parametrize(("kind", "sides", "settings", "norm_kind", "shape"), PAIRS)
@pytest.mark.parametrize("affine", [True, False])
def test_the_folded_layer_does_what_the_two_do(kind, sides, settings, norm_kind, shape, affine):
    layer = built(kind, *sides, bias=False, **settings)
    norm = used(built(norm_kind, 6, affine=affine))
    x, other = torch.randn(2, 3, *shape, generator=seeded(5), dtype=torch.float64)
    difference = norm(layer(x)) - norm(layer(other))  # shifts fall out
    with torch.no_grad():
        layer.weight.copy_(fold_batch_norm(layer, norm))
    torch.testing.assert_close(difference, layer(x) - layer(other))


def test_the_factors_do_not_depend_on_the_mode():
    norm = used(built(nn.BatchNorm2d, 6))
    expected = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    torch.testing.assert_close(batch_norm_scale(norm), expected)
    torch.testing.assert_close(batch_norm_scale(norm.train()), expected)


def test_gradients_flow_to_weight_and_gain_and_stop_at_the_statistics():
    layer, norm = built(nn.Linear, 5, 6), used(built(nn.BatchNorm1d, 6))
    norm.running_var.requires_grad_()
    probe = torch.randn(6, 5, generator=seeded(), dtype=torch.float64)
    (fold_batch_norm(layer, norm) * probe).sum().backward()
    factors = 1 / torch.sqrt(norm.running_var.detach() + norm.eps)
    torch.testing.assert_close(layer.weight.grad, probe * (norm.weight * factors)[:, None])
    torch.testing.assert_close(norm.weight.grad, (probe * layer.weight).sum(1) * factors)
    assert norm.running_var.grad is None


def test_without_statistics_there_is_no_norm():
    norm = built(nn.BatchNorm2d, 6, track_running_stats=False)
    with pytest.raises(ValueError, match=r"BatchNorm2d.*no running statistics.*track_running_stat"):
        batch_norm_scale(norm)


def test_other_layers_are_refused():
    norm = built(nn.BatchNorm2d, 6)
    with pytest.raises(TypeError, match="LayerNorm layer is not a batch norm"):
        batch_norm_scale(nn.LayerNorm(3))
    with pytest.raises(TypeError, match="InstanceNorm2d layer is not a batch norm"):
        batch_norm_scale(nn.InstanceNorm2d(3, track_running_stats=True))
    with pytest.raises(TypeError, match="folded into a ReLU layer"):
        fold_batch_norm(nn.ReLU(), norm)
    with pytest.raises(ValueError, match=r"does not fit behind.*6 channels"):
        fold_batch_norm(built(nn.Conv2d, 3, 4, 3), norm)

"""Projections of whole spectra against numpy's singular values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from specreg_sklearn.constraints import SVB, Parseval


def layer_with(kind, *shape, scale=1.0, dtype=torch.float64, **settings):
    layer = nn.utils.skip_init(kind, *shape, dtype=dtype, bias=False, **settings)
    weight = np.random.default_rng(1).normal(size=tuple(layer.weight.shape), scale=scale)
    layer.weight = nn.Parameter(torch.tensor(weight, dtype=dtype))
    return layer


def bind(constraint, backbone, head=None):
    head = layer_with(nn.Linear, 3, 2) if head is None else head
    return constraint.bind(backbone, head, generator=torch.Generator())


def spectrum(weight, groups=1):
    matrices = weight.detach().double().numpy().reshape(groups, len(weight) // groups, -1)
    return np.concatenate([np.linalg.svd(matrix, compute_uv=False) for matrix in matrices])


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (1, 7), (7, 1)])
@pytest.mark.parametrize("epsilon", [0.05, 0.5])
def test_svb_clips_every_singular_value_and_keeps_the_directions(shape, epsilon):
    layer = layer_with(nn.Linear, *shape)
    left, values, right = np.linalg.svd(layer.weight.detach().numpy(), full_matrices=False)
    bind(SVB(epsilon), layer).settle()
    clipped = np.clip(values, 1 / (1 + epsilon), 1 + epsilon)
    assert (clipped != values).any()
    np.testing.assert_allclose(layer.weight.detach(), (left * clipped) @ right, atol=1e-12)


def test_svb_is_the_nearest_matrix_in_the_band():
    layer = layer_with(nn.Linear, 4, 4)
    start = layer.weight.detach().numpy().copy()
    bind(SVB(0.2), layer).settle()
    distance = np.linalg.norm(layer.weight.detach().numpy() - start)
    rng = np.random.default_rng(0)
    for _ in range(300):
        left, right = (np.linalg.qr(rng.normal(size=(4, 4)))[0] for _ in range(2))
        if rng.random() < 0.7:  # most of them near the projection, where it is hard to beat
            left, values, right = np.linalg.svd(
                layer.weight.detach().numpy() + 0.1 * rng.normal(size=(4, 4))
            )
        values = rng.uniform(1 / 1.2, 1.2, size=4)
        assert np.linalg.norm((left * values) @ right - start) >= distance


@pytest.mark.parametrize(
    ("kind", "shape", "groups"),
    [
        (nn.Conv2d, (4, 6, 3), 1),
        (nn.Conv2d, (4, 6, 3), 2),
        (nn.Conv1d, (2, 8, 3), 1),
        (nn.ConvTranspose2d, (4, 6, 3), 2),
        (nn.ConvTranspose1d, (2, 3, 4), 1),
    ],
)
def test_svb_bounds_reshaped_kernels(kind, shape, groups):
    layer = layer_with(kind, *shape, groups=groups)
    before = spectrum(layer.weight, groups)
    layer.weight.data.div_(np.sqrt(before.min() * before.max()))
    assert before.max() / before.min() > 1.1  # more than the width of the band
    bound = bind(SVB(0.03), nn.Sequential(layer, nn.BatchNorm2d(6)))
    bound.settle()
    values = spectrum(layer.weight, groups)
    assert values.max() == pytest.approx(1.03) and values.min() == pytest.approx(1 / 1.03)
    assert bound.layer_names == ("backbone.0", "head")


def test_svb_fits_channels_last_kernels():
    layer = layer_with(nn.Conv2d, 4, 6, 3).to(memory_format=torch.channels_last)
    bind(SVB(0.1), layer).settle()
    assert spectrum(layer.weight).max() == pytest.approx(1.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_svb_is_idempotent_and_leaves_the_band_alone(dtype):
    layer = layer_with(nn.Linear, 6, 4, dtype=dtype)
    bound = bind(SVB(0.3), layer)
    bound.settle()
    once = layer.weight.detach().clone()
    bound.settle()
    tolerance = 1e-6 if dtype == torch.float32 else 1e-14
    torch.testing.assert_close(layer.weight.detach(), once, rtol=0, atol=tolerance)
    inside = layer_with(nn.Linear, 4, 4, dtype=dtype)
    inside.weight.data.copy_(torch.eye(4)[[2, 0, 3, 1]] * 1.2)
    kept = inside.weight.detach().clone()
    bind(SVB(0.3), inside).settle()
    assert torch.equal(inside.weight.detach(), kept)


@pytest.mark.parametrize(("every", "turns"), [(None, []), (1, [1, 2, 3, 4, 5, 6]), (3, [3, 6])])
def test_svb_projects_between_epochs_when_asked(every, turns):
    layer = layer_with(nn.Linear, 4, 4)
    bound = bind(SVB(0.05, every=every), layer)
    found = []
    for step in range(1, 7):
        layer.weight.data.mul_(2)
        bound.project()
        if spectrum(layer.weight).max() < 1.06:
            found.append(step)
    assert found == turns


@pytest.mark.parametrize("constraint", [SVB(), Parseval()])
def test_the_head_is_held_or_free(constraint):
    for include_head in (True, False):
        head = layer_with(nn.Linear, 3, 2, scale=0.3)
        start = head.weight.detach().clone()
        settings = clone(constraint).set_params(include_head=include_head)
        bound = bind(settings, layer_with(nn.Linear, 3, 3), head)
        bound.project()
        bound.settle()
        assert torch.equal(head.weight.detach(), start) != include_head
        assert ("head" in bound.layer_names) == include_head
    assert SVB().include_head and not Parseval().include_head


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5)])
def test_a_parseval_step_maps_every_singular_value(shape):
    layer = layer_with(nn.Linear, *shape)
    left, values, right = np.linalg.svd(layer.weight.detach().numpy(), full_matrices=False)
    bind(Parseval(0.02), layer).project()
    expected = (left * (1.02 * values - 0.02 * values**3)) @ right
    np.testing.assert_allclose(layer.weight.detach(), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("layer", "groups", "goal"),
    [
        (layer_with(nn.Linear, 6, 4), 1, 1.0),
        (layer_with(nn.Conv2d, 2, 4, 3, scale=0.1), 1, 1 / 3),
        (layer_with(nn.Conv2d, 2, 4, 3, stride=2, groups=2, scale=0.2), 2, 1 / 2),
        (layer_with(nn.Conv1d, 2, 4, 3, stride=3, scale=0.2), 1, 1.0),
        (layer_with(nn.Conv1d, 2, 4, 3, stride=2, dilation=2, scale=0.2), 1, 1 / 3**0.5),
    ],
    ids=str,
)
def test_many_parseval_steps_reach_a_tight_frame(layer, groups, goal):
    bound = bind(Parseval(0.2), layer)
    for _ in range(200):
        bound.project()
    np.testing.assert_allclose(spectrum(layer.weight, groups), goal, rtol=1e-6)
    before = layer.weight.detach().clone()
    bound.settle()
    assert torch.equal(layer.weight.detach(), before)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_tight_frame_of_kernels_stretches_nothing_under_zero_padding(stride):
    layer = layer_with(nn.Conv2d, 2, 4, 3, stride=stride, padding=1, scale=0.1)
    bound = bind(Parseval(0.2), layer)
    for _ in range(200):
        bound.project()
    inputs = torch.eye(2 * 36, dtype=torch.float64).view(-1, 2, 6, 6)
    with torch.no_grad():
        operator = layer(inputs).flatten(1).numpy()
    assert 0.3 < np.linalg.norm(operator, 2) <= 1 + 1e-6


def test_parseval_refuses_weights_that_it_would_blow_up():
    layer = layer_with(nn.Linear, 4, 4)
    layer.weight.data.copy_(5 * torch.eye(4))
    with pytest.raises(ValueError, match=r"Parseval\(beta=0\.1\).*'backbone'.* 5; .*below 3\.32"):
        bind(Parseval(0.1), layer)
    bind(Parseval(0.02), layer)


@pytest.mark.parametrize("constraint", [SVB(), Parseval()])
def test_other_layers_are_refused_by_name(constraint):
    backbone = nn.Sequential(layer_with(nn.Linear, 3, 3), nn.LayerNorm(3))
    message = rf"{type(constraint).__name__}.*'backbone\.1' \(LayerNorm\).*Linear and convolutions"
    with pytest.raises(ValueError, match=message):
        bind(constraint, backbone)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_left_to_the_training_loop(bad):
    layer = layer_with(nn.Linear, 3, 3)
    bound = bind(SVB(), layer)
    layer.weight.data[0, 0] = bad
    bound.settle()
    assert not layer.weight.isfinite().all()


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        (SVB(epsilon=0), r"epsilon=0 must be a number above 0"),
        (SVB(epsilon="wide"), r"epsilon='wide' must be a number above 0"),
        (SVB(epsilon=float("nan")), r"epsilon=nan must be a number above 0"),
        (SVB(every=0), r"every=0 must be a positive integer or None"),
        (SVB(every=1.5), r"every=1\.5 must be a positive integer or None"),
        (SVB(include_head="no"), r"include_head='no' must be True or False"),
        (Parseval(beta=0), r"beta=0 must be a number above 0 and below 0\.5"),
        (Parseval(beta=0.5), r"beta=0\.5 must be a number above 0 and below 0\.5"),
        (Parseval(beta=True), r"beta=True must be a number"),
        (Parseval(include_head=None), r"include_head=None must be True or False"),
    ],
)
def test_bad_settings_name_themselves(constraint, message):
    with pytest.raises(ValueError, match=message):
        bind(constraint, layer_with(nn.Linear, 3, 3))


def test_settings_clone():
    settings = {"epsilon": 0.2, "every": 5, "include_head": False}
    assert clone(SVB(**settings)).get_params() == settings
    assert clone(Parseval(beta=0.1)).get_params() == {"beta": 0.1, "include_head": False}

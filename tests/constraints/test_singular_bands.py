"""The fast projection into a band of singular values, against decompositions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from specreg_sklearn.constraints import SVB


def wide_layer(shape, spread, dtype=torch.float32):
    """A layer whose singular values lie in one plus or minus `spread`, in random directions."""
    rng = np.random.default_rng(0)
    left, _, right = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
    values = rng.uniform(1 - spread, 1 + spread, size=min(shape))
    layer = nn.utils.skip_init(nn.Linear, shape[1], shape[0], bias=False, dtype=dtype)
    layer.weight = nn.Parameter(torch.tensor((left * values) @ right, dtype=dtype))
    return layer


def bound_to(layer, epsilon):
    constraint = SVB(epsilon, every=1, include_head=False)
    return constraint.bind(layer, nn.Identity(), generator=torch.Generator())


@pytest.mark.parametrize("shape", [(80, 80), (70, 120), (120, 70)])
@pytest.mark.parametrize(("epsilon", "spread"), [(0.05, 0.08), (0.2, 0.3), (0.5, 0.45)])
def test_between_epochs_it_is_the_projection_to_a_part_of_the_band(shape, epsilon, spread):
    layer = wide_layer(shape, spread)
    left, values, right = np.linalg.svd(layer.weight.detach().numpy(), full_matrices=False)
    expected = (left * np.clip(values, 1 / (1 + epsilon), 1 + epsilon)) @ right
    bound_to(layer, epsilon).project()
    error = np.linalg.norm(layer.weight.detach().numpy() - expected, 2)
    assert error <= 0.16 * epsilon


def test_many_small_steps_do_not_leave_the_band():
    layer = wide_layer((100, 100), 0.04)
    bound = bound_to(layer, 0.05)
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        step = torch.randn(100, 100, generator=generator)
        with torch.no_grad():
            layer.weight += 0.004 * step / torch.linalg.matrix_norm(step, 2)
        bound.project()
    values = torch.linalg.svdvals(layer.weight.detach().double())
    assert values.max() <= 1.05 + 0.0075
    assert values.min() >= 1 / 1.05 - 0.0075
    assert values.max() - values.min() > 0.05  # nothing is pulled to one
    bound.settle()
    values = torch.linalg.svdvals(layer.weight.detach().double())
    assert values.max() <= 1.05 + 1e-6
    assert values.min() >= 1 / 1.05 - 1e-6


@pytest.mark.parametrize("factor", [0.0, 3.0, 1e20])
def test_far_from_the_band_the_decomposition_serves(factor):
    layer = wide_layer((70, 70), 0.2, torch.float64)
    layer.weight.data.mul_(factor)
    bound_to(layer, 0.05).project()
    values = torch.linalg.svdvals(layer.weight.detach())
    np.testing.assert_allclose(values, 1 / 1.05 if factor == 0 else 1.05, rtol=1e-9)

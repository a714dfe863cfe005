"""The iteration on plane waves against dense operators and against the symbol on a fine grid."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from specreg_sklearn.spectral import Convolution, FourierIteration, follow_convolution
from tests.grids import diagonal


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def convolution(shape, size, *, dtype=torch.float64, seed=0, **settings):
    groups = settings.get("groups", 1)
    kinds = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
    layer = kinds[len(shape) - 2](shape[1] * groups, shape[0], shape[2:], device="meta", **settings)
    weight = torch.randn(*shape, generator=seeded(seed), dtype=dtype)
    if size is None:
        return Convolution.from_layer(layer, weight=weight)
    return Convolution.from_layer(layer, (shape[1] * groups, *size), weight=weight)


def exact(operator):
    n_inputs = operator.n_inputs * math.prod(operator.size)
    unit = torch.eye(n_inputs, dtype=torch.float64).view(
        n_inputs, operator.n_inputs, *operator.size
    )
    return float(torch.linalg.svdvals(operator(unit).flatten(1))[0])


def symbol_norm(operator, n_points):
    """Norm on circular images, by definition: DFT of the taps of every phase of the stride."""
    weight, stride, gap = operator.weight.numpy(), operator.stride, operator.dilation
    phases = list(itertools.product(*map(range, stride)))
    grid = list(itertools.product(range(n_points), repeat=len(stride)))
    w = 2 * np.pi * np.array(grid) / n_points
    blocks = np.zeros((len(w), *weight.shape[:2], len(phases)), dtype=complex)
    for tap in itertools.product(*map(range, weight.shape[2:])):
        place = np.array(tap) * gap
        phase = phases.index(tuple(place % stride))
        waves = np.exp(1j * w @ (place // stride))
        blocks[..., phase] += waves[:, None, None] * weight[(..., *tap)]
    groups = np.split(blocks.reshape(len(w), len(weight), -1), operator.groups, axis=1)
    return max(np.linalg.norm(group, 2, axis=(1, 2)).max() for group in groups)


def settled(operator, **settings):
    iteration = FourierIteration(operator, generator=seeded(), **settings)
    iteration.refresh(operator.weight, 40)
    return iteration


@pytest.mark.parametrize(("stride", "dilation"), diagonal([1, 2, 3], [1, 2]))
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kernel", [(3, 3), (2, 3), (1, 5)])
def test_without_a_size_it_is_the_norm_of_the_symbol(stride, dilation, groups, kernel):
    settings = {"stride": stride, "dilation": dilation, "groups": groups}
    operator = convolution((4, 4 // groups, *kernel), None, **settings)
    estimate = settled(operator).estimate(operator.weight)
    # A trigonometric polynomial of degree n exceeds its values on N points by at most
    # 1 / cos(pi n / N) per axis (Ehlich and Zeller).
    n_points = 96
    on_grid = symbol_norm(operator, n_points)
    most = math.prod(math.cos(math.pi * dilation * (taps - 1) / n_points) for taps in kernel)
    assert 0.98 * on_grid <= estimate <= on_grid / math.sqrt(most)


@pytest.mark.parametrize(("stride", "dilation"), diagonal([1, 2, 3], [1, 2]))
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("padding", [0, 1, 3])
def test_with_zero_padding_and_a_size_it_never_exceeds_the_norm(stride, dilation, groups, padding):
    settings = {"stride": stride, "dilation": dilation, "groups": groups, "padding": padding}
    for size, positive in (((11, 9), False), ((6, 7), True)):
        operator = convolution((4, 4 // groups, 3, 3), size, **settings)
        if positive:
            operator = operator.with_weight(operator.weight.abs())
        iteration = settled(operator)
        assert iteration.estimate(operator.weight) <= exact(operator) * (1 + 1e-12)
        assert iteration.update(operator.weight).value <= exact(operator) ** 2 * (1 + 1e-12)


@pytest.mark.parametrize(("stride", "side"), [(1, 16), (2, 20), (2, 19)])
def test_it_comes_close_to_the_norm_on_images_worth_its_while(stride, side):
    operator = convolution((3, 2, 3, 3), (side, side), stride=stride, padding=1)
    assert settled(operator).estimate(operator.weight) == pytest.approx(exact(operator), rel=0.03)


@pytest.mark.parametrize("n", [12, 40])
def test_a_row_of_ones_has_the_closed_form(n):
    """Neighbours added up: the largest eigenvalue of the path is 1 + 2 cos(pi / (n + 1))."""
    operator = convolution((1, 1, 3), (n,), padding=1)
    ones = torch.ones_like(operator.weight)
    iteration = FourierIteration(operator.with_weight(ones), generator=seeded())
    expected = 1 + 2 * math.cos(math.pi / (n + 1))
    assert iteration.estimate(ones) == pytest.approx(expected, rel=1e-12)


def test_it_finds_a_frequency_between_the_points_of_the_grid():
    """A narrow filter at 2.5 steps of the grid of 8: the grid alone would miss 7 %."""
    angle = 2.5 * 2 * math.pi / 8
    weight = torch.zeros(2, 1, 3, dtype=torch.float64)
    for tap in range(3):  # a complex exponential, as two real channels
        weight[0, 0, tap] = math.cos(angle * tap)
        weight[1, 0, tap] = math.sin(angle * tap)
    operator = convolution((2, 1, 3), None).with_weight(weight)
    true = symbol_norm(operator, 720)
    assert settled(operator).estimate(weight) == pytest.approx(true, rel=2e-3)


def test_three_axes():
    operator = convolution((2, 2, 2, 2, 2), (4, 5, 4), padding=1)
    iteration = settled(operator)
    true = exact(operator)
    assert 0.85 * true < iteration.estimate(operator.weight) <= true * (1 + 1e-12)


def test_a_one_by_one_kernel_is_a_matrix():
    operator = convolution((5, 7, 1, 1), (20, 20))
    true = float(torch.linalg.svdvals(operator.weight[:, :, 0, 0])[0])
    assert settled(operator).estimate(operator.weight) == pytest.approx(true, rel=1e-9)


@pytest.mark.parametrize("settings", [{}, {"stride": 2}, {"groups": 2}, {"dilation": 2}])
def test_the_gradient_equals_central_differences_of_the_symbol(settings):
    """Positive taps peak at frequency 0, where the grid has a point."""
    groups = settings.get("groups", 1)
    operator = convolution((4, 4 // groups, 3), None, seed=2, **settings)
    operator = operator.with_weight(operator.weight.abs())
    gradient = settled(operator).update(operator.weight).gradient
    for seed in range(5):
        direction = torch.randn(operator.weight.shape, generator=seeded(seed), dtype=torch.float64)
        above, below = (
            symbol_norm(operator.with_weight(operator.weight + step * direction), 24) ** 2
            for step in (1e-5, -1e-5)
        )
        slope = float((gradient * direction).sum())
        assert slope == pytest.approx((above - below) / 2e-5, rel=1e-5)


def test_the_gradient_points_along_that_of_the_exact_norm_on_an_image():
    operator = convolution((3, 2, 3, 3), (14, 14), padding=1, seed=6)
    operator = operator.with_weight(operator.weight.abs())
    gradient = settled(operator).update(operator.weight).gradient
    slopes, exact_slopes = [], []
    for seed in range(5):
        direction = torch.randn(operator.weight.shape, generator=seeded(seed), dtype=torch.float64)
        above, below = (
            exact(operator.with_weight(operator.weight + step * direction)) ** 2
            for step in (1e-4, -1e-4)
        )
        exact_slopes.append((above - below) / 2e-4)
        slopes.append(float((gradient * direction).sum()))
    np.testing.assert_allclose(slopes, exact_slopes, atol=0.02 * max(map(abs, exact_slopes)))


def test_the_gradient_at_the_weight_is_twice_the_square():
    operator = convolution((5, 3, 3, 3), (20, 20), padding=1)
    top = settled(operator).update(operator.weight)
    assert float((top.gradient * operator.weight).sum()) == pytest.approx(2 * top.value, rel=2e-2)


def test_tied_groups_share_the_gradient():
    weight = torch.randn(1, 1, 3, 3, generator=seeded(), dtype=torch.float64).repeat(4, 1, 1, 1)
    operator = convolution((4, 1, 3, 3), (20, 20), groups=4, padding=1).with_weight(weight)
    gradient = FourierIteration(operator, generator=seeded()).update(weight).gradient
    torch.testing.assert_close(gradient, gradient[:1].expand(4, -1, -1, -1), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_taps_give_zero_and_wake_up_again(dtype):
    operator = convolution((3, 2, 3, 3), (20, 20), padding=1, dtype=dtype)
    asleep = torch.zeros_like(operator.weight)
    iteration = FourierIteration(operator.with_weight(asleep), generator=seeded())
    top = iteration.update(asleep)
    assert top.value == 0
    assert not top.gradient.any()
    assert iteration.estimate(asleep) == 0
    iteration.refresh(operator.weight, 40)
    expected = settled(operator).estimate(operator.weight)
    assert iteration.estimate(operator.weight) == pytest.approx(expected, rel=1e-3)


def test_a_direction_that_comes_up_is_found_at_once():
    """A strong rank-one bump at one frequency, of which the warm vectors know nothing."""
    operator = convolution((32, 32, 3, 3), None, dtype=torch.float32)
    weight = operator.weight / 60
    iteration = FourierIteration(operator.with_weight(weight), generator=seeded())
    left, right = (torch.randn(32, generator=seeded(s)) for s in (1, 2))
    bump = 0.02 * left[:, None, None, None] * right[:, None, None] * torch.ones(3, 3)
    estimates = [iteration.update(weight + bump).value ** 0.5 for _ in range(3)]
    true = float(torch.linalg.matrix_norm((weight + bump).sum((2, 3)), 2))
    assert estimates[-1] > 0.95 * true


def test_the_estimate_follows_a_training_run():
    """60 Adam steps of a small network with the penalty on, against ARPACK-free dense norms."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(12, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(8 * 36, 4),
        )
        y = torch.randint(0, 4, (64,))
        patterns = F.interpolate(torch.randn(4, 1, 4, 4), size=12, mode="bilinear")
        X = patterns[y] + 0.3 * torch.randn(64, 1, 12, 12)
    convolutions = [layer for layer in model if isinstance(layer, nn.Conv2d)]
    operators = [
        Convolution.from_layer(layer, (layer.in_channels, 12, 12)) for layer in convolutions
    ]
    iterations = [
        follow_convolution(operator, method="fourier", generator=seeded()) for operator in operators
    ]
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    errors = []
    for step in range(60):
        optimizer.zero_grad()
        F.cross_entropy(model(X), y).backward()
        for layer, operator, iteration in zip(convolutions, operators, iterations, strict=True):
            top = iteration.update(layer.weight)
            layer.weight.grad.add_(top.gradient, alpha=0.01)
            if step % 6 == 0:
                true = exact(operator.with_weight(layer.weight.detach().double()))
                errors.append(abs(top.value**0.5 / true - 1))
        optimizer.step()
    assert np.median(errors) < 0.05
    assert max(errors) < 0.10

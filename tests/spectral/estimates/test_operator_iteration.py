"""The iteration with the true convolution against the dense operator."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from specreg_sklearn.spectral import Convolution, ConvolutionIteration, follow_convolution


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def convolution(shape, size, *, dtype=torch.float64, seed=0, **settings):
    """Return an operator with random taps; `shape` is (n_outputs, n_inputs / groups, *kernel)."""
    groups = settings.get("groups", 1)
    kinds = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
    layer = kinds[len(size)](shape[1] * groups, shape[0], shape[2:], device="meta", **settings)
    weight = torch.randn(*shape, generator=seeded(seed), dtype=dtype)
    return Convolution.from_layer(layer, (shape[1] * groups, *size), weight=weight)


def dense(operator):
    n_inputs = operator.n_inputs * math.prod(operator.size)
    unit = torch.eye(n_inputs, dtype=torch.float64)
    double = operator.with_weight(operator.weight.double())
    return double(unit.view(n_inputs, operator.n_inputs, *operator.size)).flatten(1).T


def exact(operator):
    return float(torch.linalg.svdvals(dense(operator))[0])


GRID = [
    {"stride": stride, "dilation": dilation, "groups": groups, "padding": padding}
    for stride, dilation, groups, padding in itertools.product((1, 2, 3), (1, 2), (1, 2), (0, 1, 2))
]


@pytest.mark.parametrize("settings", GRID)
def test_the_estimate_reaches_the_norm_and_never_exceeds_it(settings):
    for kernel, size in (((3, 3), (7, 6)), ((2, 1), (5, 8))):
        operator = convolution((4, 4 // settings["groups"], *kernel), size, **settings)
        iteration = ConvolutionIteration(operator, generator=seeded())
        true = exact(operator)
        for _ in range(12):
            assert iteration.update(operator.weight).value ** 0.5 <= true * (1 + 1e-12)
        assert iteration.estimate(operator.weight) == pytest.approx(true, rel=2e-3)


@pytest.mark.parametrize("mode", ["circular", "reflect", "replicate"])
def test_other_kinds_of_padding(mode):
    operator = convolution((3, 2, 3, 3), (6, 5), padding=1, padding_mode=mode)
    iteration = ConvolutionIteration(operator, generator=seeded())
    iteration.refresh(operator.weight, 30)
    true = exact(operator)
    assert iteration.estimate(operator.weight) == pytest.approx(true, rel=1e-6)
    assert iteration.estimate(operator.weight) <= true * (1 + 1e-12)


@pytest.mark.parametrize(
    ("shape", "size"), [((3, 2, 3), (9,)), ((3, 2, 2, 3, 2), (3, 4, 4)), ((1, 1, 1, 1), (1, 1))]
)
def test_one_and_three_axes_and_single_pixels(shape, size):
    operator = convolution(shape, size)
    iteration = ConvolutionIteration(operator, generator=seeded())
    iteration.refresh(operator.weight, 30)
    assert iteration.estimate(operator.weight) == pytest.approx(exact(operator), rel=1e-6)


def test_a_transposed_layer_has_the_norm_of_its_dense_matrix():
    with torch.random.fork_rng():
        layer = nn.ConvTranspose2d(
            4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, bias=False
        )
    weight = torch.randn(layer.weight.shape, generator=seeded(1), dtype=torch.float64)
    operator = Convolution.from_layer(layer, (4, 3, 4), weight=weight)
    unit = torch.eye(48, dtype=torch.float64).view(48, 4, 3, 4)
    true = float(
        torch.linalg.svdvals(
            torch.conv_transpose2d(unit, weight, None, 2, 1, 1, groups=2).flatten(1)
        )[0]
    )
    iteration = ConvolutionIteration(operator, generator=seeded())
    iteration.refresh(weight, 30)
    assert iteration.estimate(weight) == pytest.approx(true, rel=1e-6)


def test_the_largest_group_counts_not_their_product():
    operator = convolution((4, 1, 3, 3), (6, 6), padding=1, groups=4)
    operator.weight.mul_(torch.tensor([0.5, 3.0, 1.0, 0.1], dtype=torch.float64).view(4, 1, 1, 1))
    alone = [
        exact(convolution((1, 1, 3, 3), (6, 6), padding=1).with_weight(operator.weight[i : i + 1]))
        for i in range(4)
    ]
    iteration = ConvolutionIteration(operator, generator=seeded())
    iteration.refresh(operator.weight, 20)
    assert iteration.estimate(operator.weight) == pytest.approx(max(alone), rel=1e-6)


@pytest.mark.parametrize("settings", [{"padding": 1}, {"stride": 2, "groups": 2}, {"dilation": 2}])
def test_the_gradient_equals_central_differences_of_the_exact_square(settings):
    groups = settings.get("groups", 1)
    operator = convolution((4, 4 // groups, 3, 3), (7, 7), seed=3, **settings)
    operator = operator.with_weight(operator.weight.abs())  # positive taps: a top that stands apart
    values = torch.linalg.svdvals(dense(operator))
    assert values[1] < 0.97 * values[0]
    iteration = ConvolutionIteration(operator, generator=seeded())
    iteration.refresh(operator.weight, 200)
    gradient = iteration.update(operator.weight).gradient
    for seed in range(5):
        direction = torch.randn(operator.weight.shape, generator=seeded(seed), dtype=torch.float64)
        above, below = (
            exact(operator.with_weight(operator.weight + step * direction)) ** 2
            for step in (1e-5, -1e-5)
        )
        slope = float((gradient * direction).sum())
        assert slope == pytest.approx((above - below) / 2e-5, rel=1e-5)


def test_the_gradient_at_the_weight_is_twice_the_square():
    operator = convolution((5, 3, 3, 3), (7, 7), padding=1)
    top = ConvolutionIteration(operator, generator=seeded()).update(operator.weight)
    assert float((top.gradient * operator.weight).sum()) == pytest.approx(2 * top.value, rel=1e-2)


def test_tied_directions_share_the_gradient():
    """A pixelwise identity has one singular value: each pair of channels in the block shares."""
    operator = convolution((6, 6, 1, 1), (1, 1))
    operator.weight.copy_(torch.eye(6).view(6, 6, 1, 1))
    top = ConvolutionIteration(operator, n_vectors=4, generator=seeded()).update(operator.weight)
    values = torch.linalg.svdvals(top.gradient[:, :, 0, 0])
    torch.testing.assert_close(values[:4], torch.full((4,), 0.5, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_taps_give_zero_and_wake_up_again(dtype):
    operator = convolution((3, 2, 3, 3), (5, 5), padding=1, dtype=dtype)
    asleep = torch.zeros_like(operator.weight)
    iteration = ConvolutionIteration(operator.with_weight(asleep), generator=seeded())
    top = iteration.update(asleep)
    assert top.value == 0
    assert not top.gradient.any()
    assert iteration.estimate(asleep) == 0
    iteration.refresh(operator.weight, 40)
    assert iteration.estimate(operator.weight) == pytest.approx(exact(operator), rel=1e-4)


@pytest.mark.parametrize("scale", [1e-15, 1e-20, 1e25])
@pytest.mark.parametrize("method", ["operator", "fourier"])
def test_single_precision_holds_far_from_one(scale, method):
    operator = convolution((3, 2, 3, 3), (12, 12), padding=1, dtype=torch.float32)
    usual = follow_convolution(operator, method=method, generator=seeded())
    scaled = operator.with_weight(operator.weight * scale)
    extreme = follow_convolution(scaled, method=method, generator=seeded())
    for _ in range(30):
        usual.update(operator.weight)
        top = extreme.update(scaled.weight)
    assert top.gradient.isfinite().all()
    expected = usual.estimate(operator.weight) * scale
    assert extreme.estimate(scaled.weight) == pytest.approx(expected, rel=1e-4)
    assert math.sqrt(top.value) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("method", ["operator", "fourier"])
def test_taps_that_are_not_finite_are_not_passed_over(method):
    operator = convolution((3, 2, 3, 3), (12, 12), padding=1)
    iteration = follow_convolution(operator, method=method, generator=seeded())
    broken = operator.weight.clone()
    broken[0, 0, 0, 0] = math.nan
    top = iteration.update(broken)
    assert math.isnan(top.value)
    assert top.gradient.isnan().all()
    assert math.isnan(iteration.estimate(broken))
    assert iteration.update(operator.weight).value > 0  # the warm vectors are unharmed


@pytest.mark.parametrize("method", ["operator", "fourier"])
def test_the_weight_is_left_alone_and_estimates_do_not_move(method):
    operator = convolution((3, 2, 3, 3), (12, 12), padding=1)
    weight = operator.weight.clone().requires_grad_()
    iteration = follow_convolution(operator, method=method, generator=seeded())
    first = iteration.estimate(weight)
    assert iteration.estimate(weight) == first
    iteration.update(weight)
    iteration.refresh(weight)
    assert torch.equal(weight.detach(), operator.weight)
    assert weight.requires_grad
    assert weight.grad is None


@pytest.mark.parametrize("method", ["operator", "fourier"])
def test_the_start_comes_from_the_generator_alone(method):
    operator = convolution((6, 5, 3, 3), (14, 14), padding=1)
    first, again, other = (
        follow_convolution(operator, method=method, n_vectors=1, generator=seeded(seed))
        .update(operator.weight)
        .gradient
        for seed in (4, 4, 5)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("n_steps", [1, 4])
def test_more_steps_a_call_come_closer(n_steps):
    operator = convolution((16, 16, 3, 3), (8, 8), padding=1)
    other = convolution((16, 16, 3, 3), (8, 8), padding=1, seed=1)
    few, many = (
        ConvolutionIteration(other, n_vectors=1, n_steps=n, generator=seeded())
        for n in (n_steps, n_steps + 3)
    )
    true = exact(operator)
    assert few.update(operator.weight).value < many.update(operator.weight).value <= true**2


def test_an_unknown_size_is_refused():
    operator = Convolution.from_layer(nn.Conv2d(1, 1, 3, device="meta"))
    with pytest.raises(ValueError, match="size of the images is not known"):
        ConvolutionIteration(operator)


@pytest.mark.parametrize(
    ("size", "settings", "kind"),
    [
        ((8, 8), {}, "ConvolutionIteration"),
        ((32, 32), {}, "FourierIteration"),
        ((32, 32), {"padding_mode": "reflect"}, "ConvolutionIteration"),
        ((32, 32), {"padding_mode": "replicate"}, "ConvolutionIteration"),
        ((32, 32), {"padding_mode": "circular"}, "FourierIteration"),
    ],
)
def test_the_automatic_choice(size, settings, kind):
    operator = convolution((3, 2, 3, 3), size, padding=1, **settings)
    assert type(follow_convolution(operator, generator=seeded())).__name__ == kind


def test_an_unknown_method_names_itself():
    with pytest.raises(ValueError, match=r"method='fft' must be one of .*'fourier'"):
        follow_convolution(convolution((3, 2, 3, 3), (9, 9)), method="fft")

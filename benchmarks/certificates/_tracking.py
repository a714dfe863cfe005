"""How closely the estimates that spectral penalties follow keep to the exact norms."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.certificates._trained import (
    IMAGE,
    STRENGTH,
    conv_backbone,
    images_in_classes,
    linear_backbone,
    readout,
    rows_in_classes,
    train,
)
from specreg_sklearn.spectral import (
    BlockPowerIteration,
    Convolution,
    convolution_norm,
    follow_convolution,
    matrix_norm,
    used_layers,
)


class Tracking(NamedTuple):
    """Relative distance of the estimate that training used from the exact norm, over steps."""

    layer: str
    median: float
    worst: float
    worst_step: int
    above: float


def track_convolutions(
    *, n_steps: int = 200, noise: float = 0.5, seed: int = 0, method: str = "auto"
) -> list[Tracking]:
    """Train the convolutional network with the penalty, and compare with the exact norms."""
    backbone, head = conv_backbone(seed), readout(128, seed)
    layers = used_layers(backbone, IMAGE)
    operators = [Convolution.from_layer(x.module, x.input_shape) for x in layers]
    generator = torch.Generator().manual_seed(seed)
    iterations = [follow_convolution(x, method=method, generator=generator) for x in operators]

    def penalise(index: int, weight: Tensor) -> float:
        top = iterations[index].update(weight)
        assert weight.grad is not None
        weight.grad.add_(top.gradient, alpha=STRENGTH)
        return top.value**0.5

    def exact(index: int, weight: Tensor) -> float:
        return convolution_norm(operators[index].with_weight(weight), tol=1e-3)

    weights = [layer.module.weight for layer in layers]
    rows = images_in_classes(noise, seed)
    errors = _errors(nn.Sequential(backbone, head), rows, weights, penalise, exact, n_steps)
    return [_summary(f"conv {i + 1}", row) for i, row in enumerate(errors)]


def track_linear(*, n_steps: int = 200, noise: float = 1.0, seed: int = 0) -> list[Tracking]:
    """Train 784-2000-10 with the penalty, and compare with the exact norm."""
    backbone, head = linear_backbone(seed), readout(2000, seed)
    weight = next(backbone.parameters())
    iteration = BlockPowerIteration(weight.detach(), generator=torch.Generator().manual_seed(seed))

    def penalise(index: int, weight: Tensor) -> float:
        top = iteration.update(weight)
        assert weight.grad is not None
        weight.grad.addmm_(top.images.T, top.mixing @ top.directions, alpha=2 * STRENGTH)
        return top.squared_norm**0.5

    rows = rows_in_classes(noise, seed)
    errors = _errors(
        nn.Sequential(backbone, head),
        rows,
        [weight],
        penalise,
        lambda index, weight: matrix_norm(weight, double=False),
        n_steps,
    )
    return [_summary("linear", errors[0])]


def _errors(
    model: nn.Module,
    rows: tuple[Tensor, Tensor],
    weights: list[Any],
    penalise: Callable[[int, Tensor], float],
    exact: Callable[[int, Tensor], float],
    n_steps: int,
) -> list[list[float]]:
    """Return the signed relative error of every estimate, per layer and step."""
    errors: list[list[float]] = [[] for _ in weights]

    @torch.no_grad()
    def compare() -> None:
        for index, weight in enumerate(weights):
            true = exact(index, weight)
            errors[index].append(penalise(index, weight) / true - 1)

    train(model, rows, n_steps, seed=7, before_update=compare)
    return errors


def _summary(name: str, errors: list[float]) -> Tracking:
    sizes = [abs(error) for error in errors]
    worst = max(sizes)
    return Tracking(name, statistics.median(sizes), worst, sizes.index(worst), max(errors))

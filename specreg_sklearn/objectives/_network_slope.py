"""How fast the logits of a network can move, as warm iterations see it during training."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from specreg_sklearn.spectral import (
    BlockPowerIteration,
    Convolution,
    NoLipschitzBound,
    SquaredNorm,
    UsedLayer,
    follow_convolution,
    module_lipschitz_bound,
    shares_of,
    used_layers,
)


class _Follower(Protocol):
    """What an iteration on one layer can do."""

    def refresh(self, weight: Tensor) -> None: ...


class FeatureSlope:
    """An estimate of the Lipschitz constant of a backbone: the product of its layers' norms.

    The norms come from warm power iterations, with convolutions as operators and batch norms
    folded in, times the steepest slopes of the activations. They never exceed the true norms, so
    their product steers training and proves nothing.

    Parameters
    ----------
    backbone : torch.nn.Module
        Maps rows to features.
    input_shape : tuple of int
        Shape of one row as the backbone wants it.
    generator : torch.Generator
        A CPU generator for the start vectors.

    Raises
    ------
    ValueError
        If a layer has no known norm or slope; the message names it.
    """

    def __init__(
        self, backbone: nn.Module, input_shape: tuple[int, ...], generator: torch.Generator
    ) -> None:
        layers = used_layers(backbone, input_shape, prefix="backbone")
        self._layers = [(layer, *_followed(layer, generator)) for layer in layers]
        self._activations = _steepest_activations(backbone)

    def __call__(self) -> Tensor | float:
        """Move the iterations on; return the product, with its gradient."""
        if not self._layers:
            return self._activations
        squares = torch.stack([_square(layer, see) for layer, see, _ in self._layers])
        if not bool((squares > 0).all()):
            return 0 * squares.sum()  # a layer has vanished; logarithms would give NaN
        return self._activations * (0.5 * squares.log().sum()).exp()

    def refresh(self) -> None:
        """Let the iterations catch up with weights that have moved without them."""
        for layer, _, follower in self._layers:
            if follower is not None:
                follower.refresh(layer.weight().detach())


def _followed(
    layer: UsedLayer, generator: torch.Generator
) -> tuple[Callable[[Tensor], SquaredNorm], _Follower | None]:
    """Return what sees the squared norm of a layer's weight, and what to refresh."""
    weight = layer.weight().detach()
    if weight.ndim == 1:
        return _largest_factor, None
    if isinstance(layer.module, nn.Linear):
        block = BlockPowerIteration(weight, generator=generator)

        def of_matrix(weight: Tensor) -> SquaredNorm:
            top = block.update(weight)
            return SquaredNorm(top.squared_norm, 2 * top.images.T @ (top.mixing @ top.directions))

        return of_matrix, block
    operator = Convolution.from_layer(layer.module, layer.input_shape, weight=weight)
    iteration = follow_convolution(operator, generator=generator)
    return iteration.update, iteration


def _square(layer: UsedLayer, see: Callable[[Tensor], SquaredNorm]) -> Tensor:
    """Return the squared norm as a scalar whose gradient is that of the iteration."""
    weight = layer.weight()
    top = see(weight.detach())
    linear = (top.gradient * weight).sum()
    return linear + (top.value - linear.detach())


def _largest_factor(factors: Tensor) -> SquaredNorm:
    """Return the squared norm of a diagonal: a batch norm that follows no layer."""
    squares = factors.square()
    top = float(squares.max())
    if top == 0 or not math.isfinite(top):
        return SquaredNorm(top, torch.zeros_like(factors))
    return SquaredNorm(top, 2 * shares_of(squares).to(factors.dtype) * factors)


def _steepest_activations(backbone: nn.Module) -> float:
    """Return the product of the steepest slopes of all activation layers."""
    product = 1.0
    for name, layer in backbone.named_modules(prefix="backbone"):
        if type(layer).__module__ == nn.ReLU.__module__:
            try:
                product *= module_lipschitz_bound(layer, (1,))
            except (NoLipschitzBound, TypeError, ValueError) as error:
                raise ValueError(
                    f"the activation {name!r} ({type(layer).__name__}) has no known slope: {error}"
                ) from error
    return product

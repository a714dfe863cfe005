"""How fast the logits of a network can move, as warm iterations see it during training."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from specreg_sklearn.certificates.networks import module_lipschitz_bound
from specreg_sklearn.certificates.stages import NoLipschitzBound
from specreg_sklearn.spectral import (
    BlockPowerIteration,
    Convolution,
    SquaredNorm,
    UsedLayer,
    follow_convolution,
    largest_square,
    used_layers,
)


class _Follower(Protocol):
    """Follows the squared norm of one layer's weight through training."""

    def update(self, weight: Tensor) -> SquaredNorm: ...

    def refresh(self, weight: Tensor) -> None: ...


class FeatureSlope:
    """An estimate of the Lipschitz constant of a backbone: the product of its layers' norms.

    The norms come from warm power iterations, with convolutions as operators and batch norms
    folded in, times the steepest slopes of the activations. They never exceed the true norms, so
    their product steers training and proves nothing. A layer without a known norm or slope raises
    ValueError, by its name.
    """

    def __init__(
        self, backbone: nn.Module, input_shape: tuple[int, ...], generator: torch.Generator
    ) -> None:
        layers = used_layers(backbone, input_shape, prefix="backbone")
        self._layers = [(layer, _follower_of(layer, generator)) for layer in layers]
        self._activations = _steepest_activations(backbone)

    def __call__(self) -> Tensor | float:
        """Move the iterations on; return the product, with its gradient."""
        if not self._layers:
            return self._activations
        squares = torch.stack([_square(layer, follower) for layer, follower in self._layers])
        if not bool((squares > 0).all()):
            return 0 * squares.sum()  # a layer has vanished; logarithms would give NaN
        return self._activations * (0.5 * squares.log().sum()).exp()

    def refresh(self) -> None:
        """Let the iterations catch up with weights that have moved without them."""
        for layer, follower in self._layers:
            follower.refresh(layer.weight().detach())


def _follower_of(layer: UsedLayer, generator: torch.Generator) -> _Follower:
    weight = layer.weight().detach()
    if weight.ndim == 1:
        return _DiagonalFollower()
    if isinstance(layer.module, nn.Linear):
        return _MatrixFollower(weight, generator)
    operator = Convolution.from_layer(layer.module, layer.input_shape, weight=weight)
    return follow_convolution(operator, generator=generator)


class _MatrixFollower:
    """A linear layer, with or without a batch norm behind it."""

    def __init__(self, weight: Tensor, generator: torch.Generator) -> None:
        self._block = BlockPowerIteration(weight, generator=generator)

    def update(self, weight: Tensor) -> SquaredNorm:
        return self._block.update(weight).square

    def refresh(self, weight: Tensor) -> None:
        self._block.refresh(weight)


class _DiagonalFollower:
    """A batch norm that follows no layer: its largest factor needs no iteration."""

    def update(self, weight: Tensor) -> SquaredNorm:
        return largest_square(weight)

    def refresh(self, weight: Tensor) -> None:
        pass


def _square(layer: UsedLayer, follower: _Follower) -> Tensor:
    """Return the squared norm as a scalar whose gradient is that of the iteration."""
    weight = layer.weight()
    top = follower.update(weight.detach())
    linear = (top.gradient * weight).sum()
    return linear + (top.value - linear.detach())


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

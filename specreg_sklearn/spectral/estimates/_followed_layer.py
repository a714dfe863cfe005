"""Follow the norm of a layer through training, whatever kind of layer it is."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from specreg_sklearn.spectral.estimates._follow import follow_convolution
from specreg_sklearn.spectral.estimates._fourier_iteration import FourierIteration
from specreg_sklearn.spectral.estimates._operator_iteration import ConvolutionIteration
from specreg_sklearn.spectral.estimates._power_iteration import BlockPowerIteration
from specreg_sklearn.spectral.estimates._ritz import (
    SquaredNorm,
    largest_square,
    without_norm,
)
from specreg_sklearn.spectral.layers import Convolution, UsedLayer


class FollowedLayer:
    """A layer as a row meets it, batch norm included, with a warm iteration on its weight.

    The settings are those of :func:`follow_convolution`. `operator` is what a convolution applied
    at the start, and None for other layers. A batch norm on its own needs no iteration.
    """

    def __init__(
        self,
        layer: UsedLayer,
        *,
        method: str = "auto",
        n_vectors: int | str = "auto",
        n_steps: int = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        self.layer = layer
        self.operator: Convolution | None = None
        self.iteration: BlockPowerIteration | ConvolutionIteration | FourierIteration | None = None
        weight = layer.weight().detach()
        if weight.ndim == 2:
            self.iteration = BlockPowerIteration(
                weight, n_vectors=n_vectors, n_steps=n_steps, generator=generator
            )
        elif weight.ndim > 2:
            self.operator = Convolution.from_layer(layer.module, layer.input_shape, weight=weight)
            self.iteration = follow_convolution(
                self.operator,
                method=method,
                n_vectors=n_vectors,
                n_steps=n_steps,
                generator=generator,
            )

    def update(self, weight: Tensor) -> SquaredNorm:
        """Move on with the folded weight; return its squared norm, NaN where it is not finite."""
        if self.iteration is None:
            return largest_square(weight)
        top = self.iteration.update(weight)
        if isinstance(top, SquaredNorm):
            return top
        return top.square if top.images.isfinite().all() else without_norm(weight, math.nan)

    def square(self) -> Tensor:
        """Move on; return the squared norm, a scalar whose gradient is that of the iteration."""
        weight = self.layer.weight()
        top = self.update(weight.detach())
        linear = (top.gradient * weight).sum()
        return linear + (top.value - linear.detach())

    def refresh(self) -> None:
        """Let the iteration catch up with a weight that has moved without it."""
        if self.iteration is not None:
            self.iteration.refresh(self.layer.weight().detach())

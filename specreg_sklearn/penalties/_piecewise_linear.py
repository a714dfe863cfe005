"""The input Jacobian of a network that is linear around almost every row, in closed form.

Between its kinks a network of linear layers and rectifiers is a product of matrices and of slopes
of 0 or 1. Pulling a direction of the outputs back to the inputs is then a chain of products, and so
is the gradient by the weights: the slopes are constants, as their own derivative is 0. Automatic
differentiation of a gradient gives the same numbers at several times the price.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

Slopes = list[Tensor]

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
# What changes no row in evaluation mode.
_PASSED = (nn.Identity, nn.Dropout)


class PiecewiseLinear:
    """A chain of linear layers with rectifiers between them.

    Parameters
    ----------
    layers : list of torch.nn.Linear
        From the inputs upwards.
    rectified : list of bool
        Whether a rectifier follows each layer.
    """

    def __init__(self, layers: list[nn.Linear], rectified: list[bool]) -> None:
        self._layers = layers
        self._rectified = rectified
        # Above the last rectifier nothing depends on the row.
        self._last = max((n for n, on in enumerate(rectified, start=1) if on), default=0)

    @classmethod
    def read(cls, *parts: nn.Module) -> Self | None:
        """Return parts of a network, one after the other, as a chain; None if they are none.

        Subclasses, parametrised layers and layers with hooks may compute something else.
        """
        layers: list[nn.Linear] = []
        rectified: list[bool] = []
        for layer in _in_order(*parts):
            kind = type(layer)
            if any(getattr(layer, name, None) for name in _HOOKS):
                return None
            if kind is nn.Linear:
                assert isinstance(layer, nn.Linear)
                layers.append(layer)
                rectified.append(False)
            elif kind is nn.ReLU and layers:
                rectified[-1] = True
            elif not (kind in _PASSED or (kind is nn.Flatten and not layers)):
                return None
        return cls(layers, rectified) if layers else None

    @torch.no_grad()
    def slopes(self, X: Tensor) -> Slopes:
        """Return 1 where a unit is on and 0 where it is off, for every rectifier from below.

        At a kink the slope is 0, as torch has it.
        """
        found: Slopes = []
        Z = X.flatten(1)
        for number in range(self._last):
            layer = self._layers[number]
            Z = linear(Z, layer.weight, layer.bias)
            if self._rectified[number]:
                found.append((Z > 0).to(Z.dtype))
                Z = Z.clamp_(min=0)
        return found

    def pulled_back(self, probe: Tensor, slopes: Slopes) -> Tensor:
        """Return ``probe @ J`` for the Jacobian J of each row: of shape (n_samples, n_inputs)."""
        return self._pull(probe, slopes)[0]

    @torch.no_grad()
    def add_gradient(self, probe: Tensor, slopes: Slopes, row_factors: Tensor | float) -> Tensor:
        """Add the gradient of ``sum over rows of factor * ||probe @ J||^2``; return the squares.

        The squares have shape (n_samples,) and come without their factors.
        """
        pulled, reached = self._pull(probe, slopes)
        squares = pulled.square().sum(1)
        factors = row_factors if isinstance(row_factors, float) else row_factors[:, None]
        slope = pulled.mul_(2 * factors)
        remaining = iter(slopes)
        for number, (layer, below) in enumerate(zip(self._layers, reached, strict=True)):
            weight = layer.weight
            if weight.requires_grad:
                if weight.grad is None:
                    weight.grad = below.mT @ slope
                else:
                    weight.grad.addmm_(below.mT, slope)
            if number + 1 < len(self._layers):
                slope = slope @ weight.mT
                if self._rectified[number]:
                    slope.mul_(next(remaining))
        return squares

    def _pull(self, probe: Tensor, slopes: Slopes) -> tuple[Tensor, list[Tensor]]:
        """Return the probe at the inputs, and at the upper end of each layer from below."""
        reached: list[Tensor] = []
        remaining = iter(reversed(slopes))
        for layer, rectified in zip(self._layers[::-1], self._rectified[::-1], strict=True):
            if rectified:
                probe = probe * next(remaining)
            reached.append(probe)
            probe = probe @ layer.weight
        return probe, reached[::-1]


def _in_order(*parts: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers that rows pass through one after the other."""
    for part in parts:
        if type(part) is nn.Sequential and not any(getattr(part, name) for name in _HOOKS):
            yield from _in_order(*part)
        else:
            yield part

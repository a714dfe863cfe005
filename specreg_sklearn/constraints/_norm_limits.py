"""How one layer is held at or below a norm."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from specreg_sklearn.spectral import BlockPowerIteration, UsedLayer, certified_norm, matrix_norm
from specreg_sklearn.spectral.estimates import FollowedLayer

# Rounds of power steps and cuts at the end of an epoch: what is left then is below one per cent.
_MOST_ROUNDS = 15


class Limit(ABC):
    """A limit on the norm of one layer, whose operator is linear in the parameter that moves."""

    def __init__(self, layer: UsedLayer, max_norm: float, settings: dict[str, Any]) -> None:
        # What sets the scale of a layer: the gains of its batch norm, if any.
        module = layer.batch_norm if layer.batch_norm is not None else layer.module
        if not isinstance(module.weight, Tensor):
            raise ValueError(
                f"SpectralNorm cannot hold the layer {layer.name!r}: the batch norm "
                f"({type(module).__name__}) has no gains to move; build it with affine=True."
            )
        self._parameter = module.weight
        self._layer = layer
        self._followed = FollowedLayer(layer, **settings)
        self._max_norm = max_norm

    @abstractmethod
    def cut(self) -> bool:
        """Take off what is seen above the limit; return whether there was anything."""

    def settle(self) -> None:
        """Cut until little is left, and scale the rest away."""
        for _ in range(_MOST_ROUNDS):
            self._followed.refresh()
            if not self.cut():
                break
        if not self._parameter.isfinite().all():
            return  # the training loop notices it and says so
        norm = self._norm()
        if norm > self._max_norm:
            self._parameter.mul_(self._max_norm / norm)

    def _norm(self) -> float:
        """Return the norm, or a number that it does not exceed."""
        weight = self._layer.weight().detach()
        if weight.ndim == 1:
            return float(weight.abs().max())
        if self._followed.operator is None:
            return matrix_norm(weight)
        # Much quicker than the exact norm, less than a per cent above it, and never below.
        return certified_norm(self._followed.operator.with_weight(weight))


class MatrixLimit(Limit):
    """A linear layer: its leading singular values are cut, all others stay as they are."""

    def cut(self) -> bool:
        """Cut the singular values that the block sees above the limit."""
        assert isinstance(self._followed.iteration, BlockPowerIteration)
        top = self._followed.iteration.update(self._parameter)
        gram = (top.images @ top.images.T).double()
        if not gram.isfinite().all():
            return False
        squares, rotation = torch.linalg.eigh(gram)
        above = squares > self._max_norm**2
        if not above.any():
            return False
        # Rows of the rotated block are right singular vectors, those of its images the left ones.
        rotation = rotation[:, above].T.to(self._parameter)
        excess = (1 - self._max_norm / squares[above].sqrt()).to(self._parameter)
        left, right = rotation @ top.images * excess[:, None], rotation @ top.directions
        self._parameter.sub_(left.T @ right)
        return True


class OperatorLimit(Limit):
    """A convolution, or a layer with a batch norm behind it.

    Cutting singular values would leave the set of convolutions. The smallest move of the taps that
    takes the norm to the limit, to first order, stays inside. Behind a layer with a batch norm it
    is the gains that move: they set the scale, and the batch norm would undo any other.
    """

    def cut(self) -> bool:
        """Move the parameter to where the estimated norm meets the limit, to first order."""
        with torch.enable_grad():
            weight = self._layer.weight()
        top = self._followed.update(weight.detach())
        norm = math.sqrt(top.value)
        if not norm > self._max_norm:
            return False
        gradient = top.gradient
        if weight is not self._parameter:
            (gradient,) = torch.autograd.grad(weight, self._parameter, gradient)
        slope = gradient / (2 * norm)
        self._parameter.sub_(slope * ((norm - self._max_norm) / float(slope.square().sum())))
        return True


class DiagonalLimit(Limit):
    """A batch norm on its own: every channel has a factor of its own."""

    def cut(self) -> bool:
        """Clip the factors; one round is exact."""
        factors = self._layer.weight().detach().abs()
        if not (factors > self._max_norm).any():
            return False
        self._parameter.mul_((self._max_norm / factors).clamp_max(1))
        return True


def layer_limit(layer: UsedLayer, max_norm: float, settings: dict[str, Any]) -> Limit:
    """Return the limit that fits a layer; `settings` go to its warm iteration."""
    kind: type[Limit] = OperatorLimit
    if isinstance(layer.module, nn.modules.batchnorm._NormBase):
        kind = DiagonalLimit
    elif isinstance(layer.module, nn.Linear) and layer.batch_norm is None:
        kind = MatrixLimit
    return kind(layer, max_norm, settings)

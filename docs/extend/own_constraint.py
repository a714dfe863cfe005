"""A constraint of one's own: no unit of a hidden layer has weights longer than a limit."""

from __future__ import annotations

import torch
from torch import nn

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.constraints import BoundConstraint, Constraint


class BoundRowNorms(BoundConstraint):
    """The constraint attached to the layers of one network."""

    def __init__(self, layers: list[tuple[str, nn.Linear]], limit: float) -> None:
        self.layer_names = tuple(name for name, _ in layers)
        self._weights = [layer.weight for _, layer in layers]
        self._limit = limit

    @torch.no_grad()
    def project(self) -> None:
        """Shorten the rows that are too long."""
        for weight in self._weights:
            lengths = weight.norm(dim=1, keepdim=True)
            weight.mul_(self._limit / lengths.clamp_min(self._limit))


class RowNorms(Constraint):
    """Keep the incoming weights of every hidden unit within a ball.

    Parameters
    ----------
    limit : float, default=1.0
        Radius of the ball.
    """

    def __init__(self, *, limit: float = 1.0) -> None:
        self.limit = limit

    def bind(
        self,
        backbone: nn.Module,
        head: nn.Module,
        *,
        generator: torch.Generator,
        input_shape: tuple[int, ...] | None = None,
    ) -> BoundRowNorms:
        """Attach the constraint to the linear layers up to the features."""
        if not self.limit > 0:
            raise ValueError(f"limit={self.limit!r} must be a positive number.")
        layers = []
        for name, layer in backbone.named_modules(prefix="backbone"):
            if next(layer.parameters(recurse=False), None) is None:
                continue  # an activation, or a container: nothing to hold
            if not isinstance(layer, nn.Linear):
                raise ValueError(
                    f"RowNorms cannot handle the layer {name!r} ({type(layer).__name__}); "
                    "torch.nn.Linear is accepted."
                )
            layers.append((name, layer))
        return BoundRowNorms(layers, self.limit)


encoder = SpectrallyRegularizedEncoder(constraint=RowNorms(limit=0.5), penalty=None)

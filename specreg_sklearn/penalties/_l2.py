"""The sum of squares of all weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from specreg_sklearn.penalties._penalty import BoundPenalty, Penalty, weighted_layers


class L2(Penalty):
    """The sum of squares of all weights of the backbone and the readout; biases are left out.

    There is no factor one half: ``alpha * sum(w ** 2)``.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.penalties import L2
    >>> backbone, head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
    >>> _ = torch.nn.init.eye_(backbone.weight), torch.nn.init.zeros_(head.weight)
    >>> L2().bind(backbone, head, generator=torch.Generator()).value().item()
    2.0
    """

    def bind(
        self, backbone: nn.Module, head: nn.Module, *, generator: torch.Generator
    ) -> BoundPenalty:
        """Attach the penalty to every weight matrix; see :meth:`Penalty.bind`."""
        return _BoundL2([*weighted_layers(backbone), ("head", head)])


class _BoundL2(BoundPenalty):
    def __init__(self, layers: list[tuple[str, nn.Module]]) -> None:
        self.layer_names = tuple(name for name, _ in layers)
        # Biases and gains have one axis; whatever has more is a weight.
        self._weights = [
            parameter
            for _, layer in layers
            for parameter in layer.parameters(recurse=False)
            if parameter.ndim > 1
        ]

    def value(self) -> Tensor:
        """Return the sum of squares, a scalar tensor."""
        return torch.stack([weight.square().sum() for weight in self._weights]).sum()

    @torch.no_grad()
    def add_gradient(self, strength: float) -> None:
        """Add ``2 * strength * weight`` to every gradient."""
        for weight in self._weights:
            if weight.grad is not None:
                weight.grad.add_(weight, alpha=2 * strength)

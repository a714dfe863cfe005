"""The squared distance to the weights at the start of the fit."""

from __future__ import annotations

from numbers import Real

import torch
from torch import Tensor, nn

from specreg_sklearn.penalties._penalty import BoundPenalty, Penalty, weighted_layers


class L2SP(Penalty):
    """The squared distance of the backbone's weights to where the fit started.

    ``R = sum of (w - w_start) ** 2 over the backbone + head_factor * sum of w ** 2 over the head``;
    biases are left out. The start is what the network holds when the fit begins: the weights of a
    trained backbone given as the encoder's `module`, or of the last fit with ``warm_start=True``;
    else the drawn ones. The head is new for a new task, so it is drawn to zero. The encoder's own
    `weight_decay` pulls all weights to zero: set it to 0 if nothing but the start shall attract
    them.

    Parameters
    ----------
    head_factor : float, default=1.0
        What the head's sum of squares counts in units of the distance.

    References
    ----------
    Li, Grandvalet, Davoine, "Explicit Inductive Bias for Transfer Learning with Convolutional
    Networks", arXiv:1802.01483.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.penalties import L2SP
    >>> backbone, head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
    >>> _ = torch.nn.init.eye_(backbone.weight), torch.nn.init.zeros_(head.weight)
    >>> bound = L2SP().bind(backbone, head, generator=torch.Generator())
    >>> bound.value().item()
    0.0
    >>> backbone.weight.data += 3
    >>> bound.value().item()
    36.0
    """

    def __init__(self, *, head_factor: float = 1.0) -> None:
        self.head_factor = head_factor

    def bind(
        self, backbone: nn.Module, head: nn.Module, *, generator: torch.Generator
    ) -> BoundPenalty:
        """Attach the penalty and note the weights as they are; see :meth:`Penalty.bind`."""
        if not isinstance(self.head_factor, Real) or not 0 <= self.head_factor < float("inf"):
            raise ValueError(f"head_factor={self.head_factor!r} must be a number, 0 or more.")
        layers = [*weighted_layers(backbone), ("head", head)]
        return _BoundL2SP(layers, float(self.head_factor))


class _BoundL2SP(BoundPenalty):
    def __init__(self, layers: list[tuple[str, nn.Module]], head_factor: float) -> None:
        self.layer_names = tuple(name for name, _ in layers)
        # (weight, where it is drawn to, factor); whatever has one axis is a bias or a gain.
        self._pulls: list[tuple[Tensor, Tensor, float]] = [
            (weight, torch.zeros_like(weight) if name == "head" else weight.detach().clone(), pull)
            for name, layer in layers
            for pull in [head_factor if name == "head" else 1.0]
            for weight in layer.parameters(recurse=False)
            if weight.ndim > 1
        ]

    def value(self) -> Tensor:
        """Return the weighted sum of squares, a scalar tensor."""
        terms = [pull * (weight - goal).square().sum() for weight, goal, pull in self._pulls]
        return torch.stack(terms).sum()

    @torch.no_grad()
    def add_gradient(self, strength: float) -> None:
        """Add ``2 * strength * factor * (weight - goal)`` to every gradient."""
        for weight, goal, pull in self._pulls:
            if weight.grad is not None:
                weight.grad.add_(weight - goal, alpha=2 * strength * pull)

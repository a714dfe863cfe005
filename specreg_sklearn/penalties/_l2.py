"""Sums of squares of the weights, or of their distances from where the fit started."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from specreg_sklearn.penalties._penalty import BoundPenalty, Penalty, weighted_layers
from specreg_sklearn.tables import check_number


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
        return _BoundL2(backbone, head, head_factor=1.0, from_start=False)


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
        check_number("head_factor", self.head_factor, 0, accepted="a number, 0 or more")
        return _BoundL2(backbone, head, head_factor=float(self.head_factor), from_start=True)


class _BoundL2(BoundPenalty):
    def __init__(
        self, backbone: nn.Module, head: nn.Module, *, head_factor: float, from_start: bool
    ) -> None:
        layers = [*weighted_layers(backbone), ("head", head)]
        self.layer_names = tuple(name for name, _ in layers)
        # (weight, where it started or None for zero, factor); one axis is a bias or a gain.
        self._terms: list[tuple[Tensor, Tensor | None, float]] = []
        for name, layer in layers:
            noted, factor = (False, head_factor) if name == "head" else (from_start, 1.0)
            for weight in layer.parameters(recurse=False):
                if weight.ndim > 1:
                    start = weight.detach().clone() if noted else None
                    self._terms.append((weight, start, factor))

    def value(self) -> Tensor:
        """Return the weighted sum of squares, a scalar tensor."""
        return torch.stack(
            [factor * _move(weight, start).square().sum() for weight, start, factor in self._terms]
        ).sum()

    @torch.no_grad()
    def add_gradient(self, strength: float) -> None:
        """Add ``2 * strength * factor * (weight - start)`` to every gradient."""
        for weight, start, factor in self._terms:
            if weight.grad is not None:
                weight.grad.add_(_move(weight, start), alpha=2 * strength * factor)


def _move(weight: Tensor, start: Tensor | None) -> Tensor:
    return weight if start is None else weight - start

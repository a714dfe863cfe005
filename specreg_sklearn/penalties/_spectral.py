"""Spectral penalties: the sum of squared operator norms, with or without the readout."""

from __future__ import annotations

from numbers import Integral

import torch
from torch import Tensor, nn

from specreg_sklearn.penalties._base import BoundPenalty, Penalty, PenaltyReport, weighted_layers
from specreg_sklearn.spectral import BlockPowerIteration, matrix_norm


class RepSpectral(Penalty):
    """The sum of squared spectral norms of the layers up to the feature space.

    ``R = sum over layers l < L of sigma_max(W_l) ** 2``. The readout ``W_L`` stays free, so that
    smooth features can serve under another readout. There is no factor one half; biases are left
    out.

    Parameters
    ----------
    n_vectors : int or "auto", default="auto"
        Vectors that follow the top of each layer's spectrum. "auto" takes 8 for layers of up to
        32768 weights and 4 for larger ones.
    n_power_iterations : int, default=1
        Power steps per training step. Raise it to 3 when a warning says that the estimate lags.

    References
    ----------
    Yang, Zavatone-Veth, Pehlevan, "Spectral regularization for adversarially-robust
    representation learning", arXiv:2405.17181.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.penalties import RepSpectral
    >>> backbone, head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    >>> for layer in (backbone, head):
    ...     _ = torch.nn.init.eye_(layer.weight)
    >>> bound = RepSpectral().bind(backbone, head, generator=torch.Generator().manual_seed(0))
    >>> bound.layer_names, round(float(bound.value().detach()), 6)
    (('backbone',), 1.0)
    """

    _covers_head = False

    def __init__(self, *, n_vectors: int | str = "auto", n_power_iterations: int = 1) -> None:
        self.n_vectors = n_vectors
        self.n_power_iterations = n_power_iterations

    def bind(
        self, backbone: nn.Module, head: nn.Module, *, generator: torch.Generator
    ) -> BoundPenalty:
        """Attach the penalty to the linear layers; see :meth:`Penalty.bind`."""
        if self.n_vectors != "auto":
            _check_positive("n_vectors", self.n_vectors)
        _check_positive("n_power_iterations", self.n_power_iterations)
        layers = list(weighted_layers(backbone))
        if self._covers_head:
            layers.append(("head", head))
        for name, layer in layers:
            if not isinstance(layer, nn.Linear):
                raise ValueError(
                    f"{type(self).__name__} cannot handle the layer {name!r} "
                    f"({type(layer).__name__}); torch.nn.Linear is accepted."
                )
        return _BoundSpectral(layers, self.n_vectors, self.n_power_iterations, generator)


def _check_positive(name: str, value: object) -> None:
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}={value!r} must be a positive integer.")


class LLSpectral(RepSpectral):
    """The sum of squared spectral norms of all layers, the readout included.

    ``R = sum over layers l <= L of sigma_max(W_l) ** 2``; otherwise as :class:`RepSpectral`.

    Parameters
    ----------
    n_vectors : int or "auto", default="auto"
        Vectors that follow the top of each layer's spectrum. "auto" takes 8 for layers of up to
        32768 weights and 4 for larger ones.
    n_power_iterations : int, default=1
        Power steps per training step.

    References
    ----------
    Yoshida, Miyato, "Spectral norm regularization for improving the generalizability of deep
    learning", arXiv:1705.10941.

    Examples
    --------
    >>> from specreg_sklearn.penalties import LLSpectral
    >>> LLSpectral(n_power_iterations=3)
    LLSpectral(n_power_iterations=3)
    """

    _covers_head = True


class _BoundSpectral(BoundPenalty):
    def __init__(
        self,
        layers: list[tuple[str, nn.Module]],
        n_vectors: int | str,
        n_steps: int,
        generator: torch.Generator,
    ) -> None:
        self.layer_names = tuple(name for name, _ in layers)
        # bind has checked that every layer is linear; torch types attributes of modules loosely.
        self._weights: list[Tensor] = [layer.weight for _, layer in layers]  # type: ignore[misc]
        self._iterations = [
            BlockPowerIteration(
                weight.detach(), n_vectors=n_vectors, n_steps=n_steps, generator=generator
            )
            for weight in self._weights
        ]

    def value(self) -> Tensor:
        """Return the estimated sum of squared norms; the gradient flows through the weights."""
        total = torch.zeros((), dtype=self._weights[0].dtype, device=self._weights[0].device)
        for weight, iteration in zip(self._weights, self._iterations, strict=True):
            top = iteration.update(weight.detach())
            # With the directions held fixed the gradient is that of sigma^2 (envelope theorem).
            images = top.directions @ weight.T
            shared = ((top.mixing @ images) * images).sum()
            total = total + shared + (top.squared_norm - shared.detach())
        return total

    @torch.no_grad()
    def add_gradient(self, strength: float) -> None:
        """Add the closed form of the gradient of ``strength * value()``."""
        for weight, iteration in zip(self._weights, self._iterations, strict=True):
            if weight.grad is not None:
                top = iteration.update(weight)
                mixed = top.mixing @ top.directions
                weight.grad.addmm_(top.images.T, mixed, alpha=2 * strength)

    def report(self) -> PenaltyReport:
        """Compare the warm estimate of every layer with the exact norm."""
        value, error = 0.0, 0.0
        for weight, iteration in zip(self._weights, self._iterations, strict=True):
            exact = matrix_norm(weight, double=False)
            value += exact**2
            if exact > 0:
                error = max(error, 1 - iteration.estimate(weight) / exact)
            iteration.refresh(weight)  # keeps the block near the top where training skips it
        return PenaltyReport(value, error)

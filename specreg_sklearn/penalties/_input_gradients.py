"""Penalties on the gradient with respect to the input: what they share."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from specreg_sklearn.penalties._batch_penalty import BoundOnRows


class BoundInputGradient(BoundOnRows):
    """The weighted mean over the rows of a batch of the size of a Jacobian, seen by probes.

    A probe is a direction of the outputs; pulling it back through the network costs one backward
    pass for the whole batch. Orthonormal probes that fill a space of directions give the exact
    squared Frobenius norm on it; fewer, drawn evenly, give an unbiased estimate.

    Parameters
    ----------
    basis : Tensor of shape (n_directions, n_outputs)
        Orthonormal directions that the norm is taken over.
    n_probes : int or None
        Probes a batch; None, or as many as there are directions, is exact.
    factor : float
        Multiplies the squared norm.
    generator : torch.Generator
        Draws the probes, for each row its own.
    """

    def __init__(
        self, basis: Tensor, n_probes: int | None, factor: float, generator: torch.Generator
    ) -> None:
        self._basis = basis
        self._n_probes = n_probes
        self._factor = factor
        self._generator = generator
        self._probes: Tensor | None = None

    @abstractmethod
    def _outputs(self, network: nn.Module, X: Tensor) -> Tensor:
        """Return what is differentiated, of shape (n_samples, n_outputs)."""

    def see_batch(
        self, network: nn.Module, X: Tensor, y: Tensor, sample_weight: Tensor | None
    ) -> None:
        """Keep the batch for the next value; see :meth:`BoundPenalty.see_batch`."""
        super().see_batch(network, X, y, sample_weight)
        self._probes = None

    def _of_batch(self, network: Any, X: Tensor, sample_weight: Tensor | None) -> Tensor:
        X = X.requires_grad_()
        outputs = self._outputs(network, X)
        if self._probes is None:
            self._probes = self._drawn_probes(outputs)
        squares = torch.zeros(len(X), dtype=outputs.dtype, device=outputs.device)
        for probe in self._probes:
            (pulled,) = torch.autograd.grad(outputs, X, grad_outputs=probe, create_graph=True)
            squares = squares + pulled.flatten(1).square().sum(1)
        scale = self._factor * len(self._basis) / max(1, len(self._probes))
        if sample_weight is None:
            return scale * squares.mean()
        return scale * (squares @ (sample_weight / sample_weight.sum()))

    def _drawn_probes(self, outputs: Tensor) -> Tensor:
        """Return probes of shape (n_probes, n_samples, n_outputs), orthonormal for every row."""
        n_directions = len(self._basis)
        basis = self._basis.to(outputs)
        if self._n_probes is None or self._n_probes >= n_directions:
            return basis[:, None, :].expand(-1, len(outputs), -1)
        shape = len(outputs), n_directions, self._n_probes
        draws = torch.randn(shape, generator=self._generator, dtype=torch.float64)
        return (torch.linalg.qr(draws).Q.to(outputs).mT @ basis).transpose(0, 1)


def checked_probes(value: object) -> None:
    """Raise unless `n_projections` is None or a positive integer."""
    if value is not None and (not isinstance(value, Integral) or value < 1):
        raise ValueError(f"n_projections={value!r} must be a positive integer, or None for all.")

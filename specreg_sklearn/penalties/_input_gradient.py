"""Penalties on the gradient with respect to the input: what they share."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral

import torch
from torch import Tensor, nn

from specreg_sklearn.penalties._base import BoundPenalty, PenaltyReport
from specreg_sklearn.spectral._modes import evaluated


class BoundInputGradient(BoundPenalty):
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
        self._batch: tuple[nn.Module, Tensor, Tensor | None] | None = None
        self._probes: Tensor | None = None
        self._sum = self._rows = 0.0

    @abstractmethod
    def _outputs(self, network: nn.Module, X: Tensor) -> Tensor:
        """Return what is differentiated, of shape (n_samples, n_outputs)."""

    def see_batch(
        self, network: nn.Module, X: Tensor, y: Tensor, sample_weight: Tensor | None
    ) -> None:
        """Keep the batch for the next value; see :meth:`BoundPenalty.see_batch`."""
        self._batch = network, X.detach(), sample_weight
        self._probes = None

    def value(self) -> Tensor:
        """Return the penalty on the last batch; the same batch gives the same number again."""
        if self._batch is None:
            raise RuntimeError(f"{type(self).__name__} needs a batch: call see_batch first.")
        network, X, sample_weight = self._batch
        with evaluated(network), torch.enable_grad():
            # In evaluation mode a row's outputs do not depend on the other rows of the batch.
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

    def add_gradient(self, strength: float) -> None:
        """Add the gradient of ``strength * value()`` and remember the value for the report."""
        value = self.value()
        network, X, sample_weight = self._batch  # type: ignore[misc]  # value has seen to it
        parameters = [p for p in network.parameters() if p.requires_grad]
        if value.requires_grad:  # not so where no weight is left to train
            (strength * value).backward(inputs=parameters)  # the rows need no gradient
        batch_weight = len(X) if sample_weight is None else float(sample_weight.sum())
        self._sum += batch_weight * float(value.detach())
        self._rows += batch_weight

    def report(self) -> PenaltyReport:
        """Return the mean over the batches since the last report, as the training loss is one.

        While the penalty is off this is its value on the last batch.
        """
        if self._rows:
            mean = self._sum / self._rows
        else:
            mean = float(self.value().detach())
        self._sum = self._rows = 0.0
        return PenaltyReport(value=mean, error=0.0)

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

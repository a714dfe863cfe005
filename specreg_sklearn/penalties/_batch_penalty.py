"""What the penalties on the rows of a batch share: which rows, which mode, which report."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from specreg_sklearn.modules import Network
from specreg_sklearn.penalties._penalty import BoundPenalty, PenaltyReport
from specreg_sklearn.spectral.layers import evaluated


class BoundOnRows(BoundPenalty):
    """A penalty on the last batch; its report is the mean over the batches of an epoch.

    The network is in evaluation mode while the penalty looks at it: what it makes of a row then
    does not depend on the other rows, and no running statistics move.
    """

    _batch: tuple[Network, Tensor, Tensor | None] | None = None
    _sum = _rows = 0.0

    @abstractmethod
    def _of_batch(self, network: Network, X: Tensor, sample_weight: Tensor | None) -> Tensor:
        """Return the penalty on the rows `X`, a scalar tensor."""

    def see_batch(
        self, network: Network, X: Tensor, y: Tensor, sample_weight: Tensor | None
    ) -> None:
        """Keep the batch for the next value; see :meth:`BoundPenalty.see_batch`."""
        self._batch = network, X.detach(), sample_weight

    def _seen(self) -> tuple[Network, Tensor, Tensor | None]:
        if self._batch is None:
            raise RuntimeError(f"{type(self).__name__} needs a batch: call see_batch first.")
        return self._batch

    def value(self) -> Tensor:
        """Return the penalty on the last batch; the same batch gives the same number again."""
        network, X, sample_weight = self._seen()
        with evaluated(network), torch.enable_grad():
            return self._of_batch(network, X, sample_weight)

    def add_gradient(self, strength: float) -> None:
        """Add the gradient of ``strength * value()`` and remember the value for the report."""
        network, X, sample_weight = self._seen()
        value = self._value_with_gradient(strength, network, X, sample_weight)
        batch_weight = len(X) if sample_weight is None else float(sample_weight.sum())
        self._sum += batch_weight * float(value.detach())
        self._rows += batch_weight

    def _value_with_gradient(
        self, strength: float, network: Network, X: Tensor, sample_weight: Tensor | None
    ) -> Tensor:
        """Add the gradient of ``strength * value``, and return the value; for closed forms."""
        value = self.value()
        parameters = [p for p in network.parameters() if p.requires_grad]
        if value.requires_grad:  # not so where no weight is left to train
            (strength * value).backward(inputs=parameters)  # the rows need no gradient
        return value

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

"""A penalty on data: the mean square of the logits of a batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.penalties import BoundPenalty, Penalty


class BoundLogitSquares(BoundPenalty):
    """The penalty attached to one network."""

    def see_batch(
        self, network: nn.Module, X: Tensor, y: Tensor, sample_weight: Tensor | None
    ) -> None:
        """Keep the batch."""
        self._batch = network, X, sample_weight

    def value(self) -> Tensor:
        """Return the weighted mean over the rows, with its gradient."""
        network, X, sample_weight = self._batch
        squares = network(X).square().mean(dim=1)
        if sample_weight is None:
            return squares.mean()
        return squares @ (sample_weight / sample_weight.sum())


class LogitSquares(Penalty):
    """The mean square of the logits."""

    def bind(
        self, backbone: nn.Module, head: nn.Module, *, generator: torch.Generator
    ) -> BoundLogitSquares:
        """Attach the penalty; it needs neither part in advance."""
        return BoundLogitSquares()


encoder = SpectrallyRegularizedEncoder(penalty=LogitSquares(), alpha=0.1)

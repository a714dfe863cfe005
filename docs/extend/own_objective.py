"""An objective of one's own: cross-entropy that lets go of rows that are learned already."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.objectives import Objective


class Focal(Objective):
    """``(1 - p) ** gamma`` times the log loss, where p is the probability of the true class.

    Parameters
    ----------
    gamma : float, default=1.0
        How little easy rows count; 0 is the log loss.
    """

    def __init__(self, *, gamma: float = 1.0) -> None:
        self.gamma = gamma

    def per_sample_loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        """Return one loss a row."""
        loss = cross_entropy(network(X), y, reduction="none")
        return (1 - (-loss).exp()) ** self.gamma * loss


encoder = SpectrallyRegularizedEncoder(objective=Focal(gamma=2.0))

"""An objective with state: the log loss of rows with noise that grows over the epochs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.objectives import BoundObjective, Objective


class Noise(Objective):
    """The log loss of rows with Gaussian noise.

    Parameters
    ----------
    scale : float, default=0.1
        Standard deviation of the noise once it has grown, in the units of the rows.
    """

    def __init__(self, *, scale: float = 0.1) -> None:
        self.scale = scale

    def check_rows(self, X):
        """Refuse bad settings before anything is trained."""
        if not self.scale >= 0:
            raise ValueError(f"scale={self.scale!r} must be a number of at least 0.")

    def bind(self, network, *, generator, n_epochs=1, labelled_share=1.0):
        """Return the part with state, one for each fit."""
        return BoundNoise(self.scale, generator, n_growing=n_epochs // 2)

    def per_sample_loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        """Score rows outside a fit, with the same noise every time."""
        bound = self.bind(network, generator=torch.Generator().manual_seed(0))
        return bound.per_sample_loss(network, X, y)


class BoundNoise(BoundObjective):
    """Knows the epoch, and draws."""

    def __init__(self, scale: float, generator: torch.Generator, n_growing: int) -> None:
        self.full_scale = self.scale = scale
        self.generator = generator
        self.n_warm_up_epochs = n_growing

    def begin_epoch(self, epoch: int) -> None:
        """Take the scale of the epoch."""
        self.scale = self.full_scale * min(1.0, (epoch + 1) / (self.n_warm_up_epochs + 1))

    def per_sample_loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        """Return one loss a row, with fresh noise."""
        noise = torch.randn(X.shape, generator=self.generator, dtype=X.dtype).to(X.device)
        return cross_entropy(network(X + self.scale * noise), y, reduction="none")


encoder = SpectrallyRegularizedEncoder(objective=Noise(scale=0.3))

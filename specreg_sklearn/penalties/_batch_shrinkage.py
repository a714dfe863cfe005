"""The smallest singular values of the features of a batch: for fine-tuning."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from specreg_sklearn.modules import Network
from specreg_sklearn.penalties._batch_penalty import BoundOnRows
from specreg_sklearn.penalties._penalty import BoundPenalty, Penalty
from specreg_sklearn.tables import check_count


class BatchSpectralShrinkage(Penalty):
    """The sum of the smallest squared singular values of the features of a batch.

    ``R = sum of the n_values smallest sigma_i(Z) ** 2`` where ``Z`` (n_samples, n_features_out)
    holds the features of the batch. Directions of the feature space that a new task hardly uses
    carry what the old task has left behind; shrinking them lets fine-tuning forget it.

    This is no spectral penalty on weights: it says nothing about moves of the input.

    Parameters
    ----------
    n_values : int, default=1
        How many singular values are shrunk, of ``min(n_samples, n_features_out)`` in a batch.

    References
    ----------
    Chen, Wang, Fu, Long, Wang, "Catastrophic Forgetting Meets Negative Transfer: Batch Spectral
    Shrinkage for Safe Transfer Learning", NeurIPS 2019.

    Examples
    --------
    Orthonormal features have singular values of one:

    >>> import torch
    >>> from specreg_sklearn.modules import Network
    >>> from specreg_sklearn.penalties import BatchSpectralShrinkage
    >>> network = Network(torch.nn.Identity(), torch.nn.Linear(3, 2), (3,))
    >>> penalty = BatchSpectralShrinkage(n_values=2)
    >>> bound = penalty.bind(network.backbone, network.head, generator=torch.Generator())
    >>> bound.see_batch(network, torch.eye(3), torch.zeros(3), None)
    >>> round(float(bound.value().detach()), 6)
    2.0
    """

    def __init__(self, *, n_values: int = 1) -> None:
        self.n_values = n_values

    def bind(
        self, backbone: nn.Module, head: nn.Module, *, generator: torch.Generator
    ) -> BoundPenalty:
        """Attach the penalty; see :meth:`Penalty.bind`."""
        check_count("n_values", self.n_values)
        return _BoundShrinkage(int(self.n_values))


class _BoundShrinkage(BoundOnRows):
    layer_names = ("backbone",)

    def __init__(self, n_values: int) -> None:
        self._n_values = n_values

    def _of_batch(self, network: Network, X: Tensor, sample_weight: Tensor | None) -> Tensor:
        features = network.features(X)
        # The smaller Gram matrix has every singular value that there is, squared.
        n_rows, n_columns = features.shape
        gram = features @ features.T if n_rows <= n_columns else features.T @ features
        return torch.linalg.eigvalsh(gram)[: self._n_values].clamp(min=0).sum()

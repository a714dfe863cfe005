"""The multinomial log loss."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from specreg_sklearn.objectives.base import Objective


class CrossEntropy(Objective):
    """The multinomial log loss of the logits, the usual objective of a classifier.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.objectives import CrossEntropy
    >>> undecided = torch.nn.Linear(3, 2)
    >>> _ = torch.nn.init.zeros_(undecided.weight), torch.nn.init.zeros_(undecided.bias)
    >>> loss = CrossEntropy().per_sample_loss(undecided, torch.ones(1, 3), torch.tensor([0]))
    >>> round(loss.item(), 4)  # log 2
    0.6931
    """

    def per_sample_loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        """Return ``-log softmax(network(X))[y]``; see :meth:`Objective.per_sample_loss`."""
        return cross_entropy(network(X), y, reduction="none")

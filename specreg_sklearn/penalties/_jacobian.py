"""The size of the input Jacobian on the rows of a batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from specreg_sklearn.penalties._input_gradients import BoundInputGradient, checked_probes
from specreg_sklearn.penalties._penalty import Penalty

_OUTPUTS = ("logits", "features")


class Jacobian(Penalty):
    r"""The mean squared Frobenius norm of the input Jacobian over the rows of a batch.

    ``R = mean over rows of ||d outputs / d x||_F ** 2``, weighted as the loss is. There is no
    factor one half. It acts on the slopes at the rows alone, where a spectral penalty acts on the
    worst slope anywhere. The network is differentiated in evaluation mode: batch norm with its
    running statistics, no dropout.

    Parameters
    ----------
    n_projections : int or None, default=1
        Random directions of the outputs that are pulled back for each row, one backward pass
        each. The estimate is unbiased; None, or as many as there are outputs, is exact.
    outputs : {"logits", "features"}, default="logits"
        What is differentiated: the logits, or the features that `transform` gives.

    References
    ----------
    Hoffman, Roberts, Yaida, "Robust Learning with Jacobian Regularization", arXiv:1908.02729.

    Examples
    --------
    The Jacobian of a linear network is its matrix, whatever the rows:

    >>> import torch
    >>> from specreg_sklearn.modules import Network
    >>> from specreg_sklearn.penalties import Jacobian
    >>> network = Network(torch.nn.Identity(), torch.nn.Linear(2, 2), (2,))
    >>> _ = network.head.weight.data.copy_(torch.tensor([[1.0, 2.0], [0.0, 3.0]]))
    >>> penalty = Jacobian(n_projections=None)
    >>> bound = penalty.bind(network.backbone, network.head, generator=torch.Generator())
    >>> bound.see_batch(network, torch.zeros(5, 2), torch.zeros(5), None)
    >>> bound.value().item()
    14.0
    """

    def __init__(self, *, n_projections: int | None = 1, outputs: str = "logits") -> None:
        self.n_projections = n_projections
        self.outputs = outputs

    @property
    def needs_readout(self) -> bool:
        """Whether the logits are differentiated, and not the features."""
        return self.outputs != "features"

    def bind(
        self, backbone: nn.Module, head: Any, *, generator: torch.Generator
    ) -> BoundInputGradient:
        """Attach the penalty to a network with a linear head; see :meth:`Penalty.bind`."""
        checked_probes(self.n_projections)
        if self.outputs not in _OUTPUTS:
            raise ValueError(f"outputs={self.outputs!r} must be one of {_OUTPUTS}.")
        if self.outputs == "features":
            basis = torch.eye(int(head.in_features), dtype=torch.float64)
            return _BoundFeatureJacobian(basis, self.n_projections, 1.0, generator)
        basis = torch.eye(len(head.weight), dtype=torch.float64)
        return BoundLogitJacobian(basis, self.n_projections, 1.0, generator)


class BoundLogitJacobian(BoundInputGradient):
    """Differentiates the logits."""

    def _outputs(self, network: nn.Module, X: Tensor) -> Tensor:
        return network(X)


class _BoundFeatureJacobian(BoundInputGradient):
    def _outputs(self, network: Any, X: Tensor) -> Tensor:
        return network.features(X)

"""Differences between the gradients of the logits, on the rows of a batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from specreg_sklearn.penalties._input_gradients import checked_probes
from specreg_sklearn.penalties._jacobian import BoundLogitJacobian
from specreg_sklearn.penalties._penalty import Penalty


class CrossLipschitz(Penalty):
    r"""The mean squared difference between the input gradients of two logits.

    With ``g_k`` the gradient of logit k and K classes,
    ``R = mean over rows of sum over k, l of ||g_k - g_l|| ** 2 / K ** 2``, weighted as the loss is.
    A row flips when the difference of two logits changes sign, so their gradients matter through
    their differences only. The network is differentiated in evaluation mode.

    Parameters
    ----------
    n_projections : int or None, default=None
        None is exact and costs K - 1 backward passes: the sum over pairs is the squared norm of
        the Jacobian on the directions that add up to zero. A number takes that many random such
        directions for each row, an unbiased estimate.

    References
    ----------
    Hein, Andriushchenko, "Formal Guarantees on the Robustness of a Classifier against Adversarial
    Manipulation", arXiv:1705.08475.

    Examples
    --------
    Two logits with gradients (1, 2) and (0, 3): the two ordered pairs give 2 each, over 4.

    >>> import torch
    >>> from specreg_sklearn.modules import Network
    >>> from specreg_sklearn.penalties import CrossLipschitz
    >>> network = Network(torch.nn.Identity(), torch.nn.Linear(2, 2), (2,))
    >>> _ = network.head.weight.data.copy_(torch.tensor([[1.0, 2.0], [0.0, 3.0]]))
    >>> bound = CrossLipschitz().bind(network.backbone, network.head, generator=torch.Generator())
    >>> bound.see_batch(network, torch.zeros(5, 2), torch.zeros(5), None)
    >>> round(bound.value().item(), 6)
    1.0
    """

    needs_readout = True

    def __init__(self, *, n_projections: int | None = None) -> None:
        self.n_projections = n_projections

    def bind(
        self, backbone: nn.Module, head: Any, *, generator: torch.Generator
    ) -> BoundLogitJacobian:
        """Attach the penalty to a network with a linear head; see :meth:`Penalty.bind`."""
        checked_probes(self.n_projections)
        n_classes = len(head.weight)
        if n_classes < 2:
            raise ValueError("CrossLipschitz compares logits; the head has only one.")
        # sum over pairs ||g_k - g_l||^2 = 2 K ||C J||_F^2, C the projection on zero-sum directions.
        basis = _zero_sum_directions(n_classes)
        return BoundLogitJacobian(basis, self.n_projections, 2 / n_classes, generator)


def _zero_sum_directions(n: int) -> torch.Tensor:
    """Return n - 1 orthonormal rows that add up to zero (Helmert's matrix without its first)."""
    rows = torch.tril(torch.ones(n - 1, n, dtype=torch.float64))
    for k in range(1, n):
        rows[k - 1, k] = -k
    return rows / rows.norm(dim=1, keepdim=True)

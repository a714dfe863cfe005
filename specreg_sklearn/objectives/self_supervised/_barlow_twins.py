"""Barlow Twins: the projections of two views agree, and their columns do not."""

from __future__ import annotations

from torch import Tensor

from specreg_sklearn.objectives.base import check_number
from specreg_sklearn.objectives.self_supervised._self_supervised_objective import (
    SelfSupervisedObjective,
)
from specreg_sklearn.objectives.self_supervised._views import Views

# What batch normalisation adds to a variance, against division by zero.
_VARIANCE_FLOOR = 1e-5


class BarlowTwins(SelfSupervisedObjective):
    r"""The cross-correlation matrix of the projections of two views should be the identity.

    With ``C = z1.T @ z2 / n`` of projections whose columns are standardised over the batch, the
    loss of the batch is ``sum_i (1 - C_ii)^2 + off_diagonal * sum_{i != j} C_ij^2``: two views of a
    row agree in every column, and no column repeats another.

    Parameters
    ----------
    off_diagonal : float, default=0.005
        Factor of the squared correlations between different columns.
    views : "auto" or Views, default="auto"
        How the views are made: :class:`ImageViews` where the backbone takes images, else
        :class:`TableViews`.

    References
    ----------
    Zbontar, Jing, Misra, LeCun, Deny, "Barlow Twins: Self-Supervised Learning via Redundancy
    Reduction", arXiv:2103.03230.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.objectives import BarlowTwins
    >>> white = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> BarlowTwins().losses(white, -white).mean().round()  # 4 for each of two columns
    tensor(8.)
    """

    against_collapse = (("raise", "off_diagonal"),)

    def __init__(self, off_diagonal: float = 0.005, *, views: str | Views = "auto") -> None:
        self.off_diagonal = off_diagonal
        self.views = views

    def _check_settings(self) -> None:
        check_number("off_diagonal", self.off_diagonal, 0)

    def losses(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of the batch, once a row; see :meth:`SelfSupervisedObjective.losses`."""
        correlations = _standardised(first).T @ _standardised(second) / len(first)
        diagonal = correlations.diagonal()
        on = (1 - diagonal).square().sum()
        off = correlations.square().sum() - diagonal.square().sum()
        return (on + self.off_diagonal * off).expand(len(first))


def _standardised(projections: Tensor) -> Tensor:
    centred = projections - projections.mean(dim=0)
    return centred / (centred.square().mean(dim=0) + _VARIANCE_FLOOR).sqrt()

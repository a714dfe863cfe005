"""What self-supervision asks of the projections of two views: Barlow Twins, SimCLR, VICReg."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss, normalize

from specreg_sklearn.objectives.self_supervised._self_supervised_objective import (
    SelfSupervisedObjective,
)
from specreg_sklearn.objectives.self_supervised._views import Views
from specreg_sklearn.tables import check_number

# What batch normalisation adds to a variance, against division by zero.
_STANDARDISATION_FLOOR = 1e-5
# Keeps the slope of the square root finite where a column is constant.
_VARIANCE_FLOOR = 1e-4


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

    def __init__(
        self, off_diagonal: float = 0.005, *, views: Views | Literal["auto"] = "auto"
    ) -> None:
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
    return centred / (centred.square().mean(dim=0) + _STANDARDISATION_FLOOR).sqrt()


class SimCLR(SelfSupervisedObjective):
    """Every view should pick its twin out of all views of the batch (NT-Xent).

    The loss of a view is the log loss of a softmax over the other ``2 n - 1`` views, with logits
    ``cosine similarity / temperature`` and the twin as the right answer; the loss of a row is the
    mean of its two views. Larger batches make the task harder and the features better.

    Parameters
    ----------
    temperature : float, default=0.5
        Small ones look at the nearest views alone.
    views : "auto" or Views, default="auto"
        How the views are made: :class:`ImageViews` where the backbone takes images, else
        :class:`TableViews`.

    References
    ----------
    Chen, Kornblith, Norouzi, Hinton, "A Simple Framework for Contrastive Learning of Visual
    Representations", arXiv:2002.05709.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.objectives import SimCLR
    >>> SimCLR().losses(torch.ones(3, 4), torch.ones(3, 4))  # log 5: a guess among the others
    tensor([1.6094, 1.6094, 1.6094])
    """

    against_collapse = (("lower", "temperature"),)

    def __init__(
        self, temperature: float = 0.5, *, views: Views | Literal["auto"] = "auto"
    ) -> None:
        self.temperature = temperature
        self.views = views

    def _check_settings(self) -> None:
        check_number("temperature", self.temperature, 0, closed="neither")

    def losses(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of every row; see :meth:`SelfSupervisedObjective.losses`."""
        n_rows = len(first)
        directions = normalize(torch.cat([first, second]))
        logits = directions @ directions.T / self.temperature
        logits.fill_diagonal_(-torch.inf)  # no view is its own twin
        twins = torch.arange(2 * n_rows, device=first.device).roll(n_rows)
        return cross_entropy(logits, twins, reduction="none").view(2, n_rows).mean(dim=0)


class VICReg(SelfSupervisedObjective):
    """Variance, invariance and covariance of the projections of two views.

    The loss of a batch of n rows and p projections is ``invariance * s + variance * (v1 + v2) +
    covariance * (c1 + c2)``, where s is the mean square of ``z1 - z2`` over rows and columns, v the
    mean over columns of ``max(0, gamma - sqrt(Var(z) + 1e-4))``, and c the sum of the squared
    covariances of different columns, divided by p. Variances and covariances divide by n - 1.

    Parameters
    ----------
    invariance : float, default=25.0
        Factor of the distance between the views.
    variance : float, default=25.0
        Factor of the spread that columns lack. It keeps the projections from becoming constant:
        with 0 they collapse.
    covariance : float, default=1.0
        Factor of the squared covariances between columns.
    gamma : float, default=1.0
        The standard deviation that every column should have.
    views : "auto" or Views, default="auto"
        How the views are made: :class:`ImageViews` where the backbone takes images, else
        :class:`TableViews`.

    References
    ----------
    Bardes, Ponce, LeCun, "VICReg: Variance-Invariance-Covariance Regularization for
    Self-Supervised Learning", arXiv:2105.04906.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.objectives import VICReg
    >>> constant = torch.zeros(4, 3)
    >>> VICReg().losses(constant, constant)[0]  # 25 * 2 * (1 - 0.01)
    tensor(49.5000)
    """

    against_collapse = (("raise", "variance"), ("raise", "covariance"))

    def __init__(
        self,
        invariance: float = 25.0,
        *,
        variance: float = 25.0,
        covariance: float = 1.0,
        gamma: float = 1.0,
        views: Views | Literal["auto"] = "auto",
    ) -> None:
        self.invariance = invariance
        self.variance = variance
        self.covariance = covariance
        self.gamma = gamma
        self.views = views

    def _check_settings(self) -> None:
        for name in ("invariance", "variance", "covariance"):
            check_number(name, getattr(self, name), 0)
        check_number("gamma", self.gamma, 0, closed="neither")

    def losses(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of the batch, once a row; see :meth:`SelfSupervisedObjective.losses`."""
        loss = self.invariance * mse_loss(first, second)
        for projections in (first, second):
            centred = projections - projections.mean(dim=0)
            covariances = centred.T @ centred / (len(centred) - 1)
            variances = covariances.diagonal()
            lacking = (self.gamma - (variances + _VARIANCE_FLOOR).sqrt()).clamp_min(0).mean()
            shared = (covariances.square().sum() - variances.square().sum()) / len(variances)
            loss = loss + self.variance * lacking + self.covariance * shared
        return loss.expand(len(first))

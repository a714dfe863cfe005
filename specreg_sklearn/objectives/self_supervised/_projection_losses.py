"""VICReg: views agree, every column varies, and columns do not repeat each other."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import mse_loss

from specreg_sklearn.objectives.base import check_number
from specreg_sklearn.objectives.self_supervised._self_supervised_objective import (
    SelfSupervisedObjective,
)
from specreg_sklearn.objectives.self_supervised._views import Views

# Keeps the slope of the square root finite where a column is constant.
_VARIANCE_FLOOR = 1e-4


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
        views: str | Views = "auto",
    ) -> None:
        self.invariance = invariance
        self.variance = variance
        self.covariance = covariance
        self.gamma = gamma
        self.views = views

    def _check_settings(self) -> None:
        for name in ("invariance", "variance", "covariance"):
            check_number(name, getattr(self, name), 0)
        check_number("gamma", self.gamma, 0, allow_low=False)

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

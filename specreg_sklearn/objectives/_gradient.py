"""The log loss, and how fast it rises: unified gradient regularisation."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from specreg_sklearn.objectives.base import (
    EpsilonBound,
    EpsilonObjective,
    Schedule,
    check_norm,
    check_share_of_epsilon,
)
from specreg_sklearn.objectives.perturbations import Loss, row_norms, same_in_both_modes, steepest
from specreg_sklearn.space import as_norm
from specreg_sklearn.spectral.layers import evaluated
from specreg_sklearn.tables import check_choice

Method: TypeAlias = Literal["finite_difference", "double_backprop"]


def loss_and_rise(
    loss: Loss, X: Tensor, *, epsilon: float, norm: float, step: float, method: Method
) -> tuple[Tensor, Tensor]:
    """Return the loss of each row, and ``epsilon`` times the dual norm of its gradient.

    `norm` is that of the moves, and `step` the length of the finite difference as a share of
    `epsilon`. Both results carry gradients to the weights, in the way of `method`.
    """
    with torch.enable_grad():
        rows = X.detach().requires_grad_()
        clean = loss(rows)
        exact = method == "double_backprop"
        (gradients,) = torch.autograd.grad(clean.sum(), rows, create_graph=exact, retain_graph=True)
        if exact:
            return clean, epsilon * row_norms(gradients, as_norm(norm).dual.order)
        # Held fixed, the steepest direction gives the gradient of the norm (envelope theorem).
        moved = loss(X.detach() + step * epsilon * steepest(gradients, norm))
    return clean, (moved - clean) / step


class BoundGradient(EpsilonBound):
    """Adds to the log loss of a batch what it would rise by to first order."""

    settings: Gradient

    def _loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        settings = self.settings
        label_loss = None if same_in_both_modes(network) else self._label_loss(network(X), y)
        with evaluated(network):
            clean, rise = loss_and_rise(
                lambda rows: self._label_loss(network(rows), y),
                X,
                epsilon=self.epsilon,
                norm=settings.norm,
                step=settings.step,
                method=settings.method,
            )
        return (clean if label_loss is None else label_loss) + rise


class Gradient(EpsilonObjective):
    r"""The log loss plus `epsilon` times the dual norm of its input gradient.

    ``loss(x, y) = CE(f(x), y) + epsilon * ||grad_x CE(f(x), y)||_q`` with ``1/norm + 1/q = 1``.
    This is what :class:`Adversarial` minimises to first order in `epsilon`, and exactly so where
    the loss is linear; it takes about three times as long as no regulariser. The slope is that
    in evaluation mode.

    Parameters
    ----------
    epsilon : float, default=0.1
        The longest move, in the units of `X`. 0 gives the same fit as ``"cross_entropy"``, bit
        for bit.
    norm : {1, 2, inf}, default=inf
        Norm of the moves.
    method : {"finite_difference", "double_backprop"}, default="finite_difference"
        "finite_difference" compares the loss with that of a row moved a little in the steepest
        direction: an error of second order, no second derivatives. "double_backprop" is exact.
    step : float, default=0.1
        How far "finite_difference" moves, as a share of epsilon, in (0, 1]; 1 is adversarial
        training with one step from the row itself.
    epsilon_schedule : {"constant", "linear"}, default="constant"
        "linear" lets epsilon grow from 0 over the warm-up.
    warm_up : float, default=0.3
        Share of `max_iter` that the growth takes, as for :class:`Adversarial`.

    References
    ----------
    Lyu, Huang, Liang, "A Unified Gradient Regularization Family for Adversarial Examples",
    arXiv:1511.06385. Finlay, Oberman, "Scaleable input gradient regularization for adversarial
    robustness", arXiv:1905.11468, for the finite difference.

    Examples
    --------
    A row on the boundary: the loss is log 2, its gradient half the slope of the logit.

    >>> import torch
    >>> from specreg_sklearn.objectives import Gradient
    >>> linear = torch.nn.Linear(2, 2)
    >>> _ = torch.nn.init.zeros_(linear.bias)
    >>> _ = linear.weight.data.copy_(torch.tensor([[0.0, 0.0], [3.0, -1.0]]))
    >>> row, label = torch.zeros(1, 2), torch.tensor([1])
    >>> objective = Gradient(epsilon=0.5, method="double_backprop")
    >>> round(objective.per_sample_loss(linear, row, label).item() - 0.693147, 4)  # .5 * 4 / 2
    1.0
    """

    _bound_kind = BoundGradient

    def __init__(
        self,
        epsilon: float = 0.1,
        *,
        norm: float = math.inf,
        method: Method = "finite_difference",
        step: float = 0.1,
        epsilon_schedule: Schedule = "constant",
        warm_up: float = 0.3,
    ) -> None:
        self.epsilon = epsilon
        self.norm = norm
        self.method = method
        self.step = step
        self.epsilon_schedule = epsilon_schedule
        self.warm_up = warm_up

    def _check_settings(self) -> None:
        check_norm(self.norm)
        check_choice("method", self.method, get_args(Method))
        check_share_of_epsilon("step", self.step)

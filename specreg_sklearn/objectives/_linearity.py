"""The loss after one steepest step, and how far the loss is from linear around the row."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from specreg_sklearn.objectives.base import EpsilonBound, EpsilonObjective, Schedule, check_norm
from specreg_sklearn.objectives.perturbations import Ascent, Ball, Loss
from specreg_sklearn.spectral.layers import evaluated
from specreg_sklearn.tables import check_flag, check_number


def linearity_error(loss: Loss, first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Return how far the loss between two rows is from the straight line, row by row.

    That is ``loss(c) - (1 - share) * loss(first) - share * loss(second)`` at ``c = (1 - share) *
    first + share * second``, with one share a row. `loss` is asked once, for all three.
    """
    between = torch.lerp(first, second, share.view(-1, *(1,) * (first.ndim - 1)))
    at_between, at_first, at_second = loss(torch.cat([between, first, second])).chunk(3)
    return at_between - torch.lerp(at_first, at_second, share)


class BoundLinearity(EpsilonBound):
    """Scores rows after one steepest step, and adds the squared distance from linear."""

    settings: Linearity

    def _loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        def loss(rows: Tensor) -> Tensor:
            return self._label_loss(network(rows), y.repeat(len(rows) // len(y)))

        settings = self.settings
        ball = Ball(X, settings.norm, self.epsilon)
        one_step = Ascent(n_steps=1, step_size=self.epsilon, start_share=0.0, use_best=False)
        first, second = (ball.drawn(self.generator) for _ in range(2))
        share = torch.rand(len(X), generator=self.generator, dtype=X.dtype).to(X.device)
        with evaluated(network):
            scored = one_step.worst(loss, ball, self.generator) if settings.one_step else X
            error = linearity_error(loss, first, second, share)
        return self._label_loss(network(scored), y) + settings.beta * error.square()


class Linearity(EpsilonObjective):
    r"""The log loss after one steepest step, kept honest by a loss that is linear nearby.

    ``loss(x, y) = CE(f(x + epsilon * v), y) + beta * e ** 2``. The move v is the steepest one of
    norm 1 at x, and ``e = l(c) - (1 - a) l(x_a) - a l(x_b)`` with ``c = (1 - a) x_a + a x_b``
    compares the loss l between two rows drawn from the ball around x with the straight line, at
    an even draw a from [0, 1]. One step alone is a weak attack wherever the loss bends, and
    training learns to bend it; the second term takes that way out. About five times as long as no
    regulariser. All but the scored rows are seen in evaluation mode.

    Parameters
    ----------
    epsilon : float, default=0.1
        Radius of the ball, in the units of `X`. 0 gives the same fit as ``"cross_entropy"``, bit
        for bit.
    norm : {1, 2, inf}, default=inf
        Norm of the moves.
    beta : float, default=100.0
        Factor of the squared distance from linear.
    one_step : bool, default=True
        Score rows after the step; False scores clean rows, and asks for linearity alone.
    epsilon_schedule : {"constant", "linear"}, default="constant"
        "linear" lets epsilon grow from 0 over the warm-up.
    warm_up : float, default=0.3
        Share of `max_iter` that the growth takes, as for :class:`Adversarial`.

    References
    ----------
    Abad Rocamora, Liu, Chrysos, Olmos, Cevher, "Efficient local linearity regularization to
    overcome catastrophic overfitting", arXiv:2401.11618.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.objectives import Adversarial, Linearity
    >>> linear = torch.nn.Linear(2, 2)
    >>> _ = torch.nn.init.zeros_(linear.bias)
    >>> _ = linear.weight.data.copy_(torch.tensor([[0.0, 0.0], [30.0, -10.0]]))
    >>> row, label = torch.tensor([[-1.0, 1.0]]), torch.tensor([1])
    >>> loss = Linearity(epsilon=0.5).per_sample_loss(linear, row, label)
    >>> round(loss.item(), 4)  # far on the wrong side the log loss is linear: 40 + 0.5 * 40
    60.0
    """

    _bound_kind = BoundLinearity

    def __init__(
        self,
        epsilon: float = 0.1,
        *,
        norm: float = math.inf,
        beta: float = 100.0,
        one_step: bool = True,
        epsilon_schedule: Schedule = "constant",
        warm_up: float = 0.3,
    ) -> None:
        self.epsilon = epsilon
        self.norm = norm
        self.beta = beta
        self.one_step = one_step
        self.epsilon_schedule = epsilon_schedule
        self.warm_up = warm_up

    def _check_settings(self) -> None:
        check_norm(self.norm)
        check_number("beta", self.beta, 0)
        check_flag("one_step", self.one_step)

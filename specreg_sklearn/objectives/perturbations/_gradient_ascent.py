"""Projected gradient ascent (PGD): the worst rows in a ball, and the divergence it can raise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax

from specreg_sklearn.modules import Network
from specreg_sklearn.objectives.perturbations._balls import BALLS

# "auto" moves by 2.5 radii in all: from any start across the whole ball, and a little more.
_RADII_MOVED = 2.5

# Layers that do in training what they do in evaluation; of others, nothing is assumed.
_SAME_IN_BOTH_MODES = {
    Network, nn.Sequential, nn.ModuleList, nn.Linear, nn.Identity, nn.Flatten, nn.Unflatten,
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.LayerNorm, nn.GroupNorm, nn.ReLU, nn.LeakyReLU,
    nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus,
}  # fmt: skip

Loss: TypeAlias = Callable[[Tensor], Tensor]
"""Maps rows to one loss each; a row's loss must not depend on the other rows."""

FeatureRange: TypeAlias = tuple[ArrayLike, ArrayLike]
"""The box that rows stay in: its low sides and its high ones."""


class Ball:
    """The rows within `epsilon` of each row of a batch `X`, inside the box of `feature_range`."""

    def __init__(
        self, X: Tensor, norm: float, epsilon: float, feature_range: FeatureRange | None = None
    ) -> None:
        self.X = X
        self._shape = BALLS[norm]
        self.epsilon = epsilon
        self._low, self._high = _sides(feature_range, X)
        if self._shape.is_box:  # one box instead of a ball and a box
            low, high = X - epsilon, X + epsilon
            self._low = low if self._low is None else torch.maximum(low, self._low)
            self._high = high if self._high is None else torch.minimum(high, self._high)

    def nearest(self, rows: Tensor) -> Tensor:
        """Project onto the ball, then clip to the box: both hold if the centre is in the box."""
        if not self._shape.is_box:
            rows = self.X + self._shape.nearest(rows - self.X, self.epsilon)
        if self._low is None:
            return rows
        return torch.clamp(rows, self._low, self._high)

    def ascended(self, rows: Tensor, gradients: Tensor, step: float) -> Tensor:
        """Take one step of length `step` in the steepest direction, and project."""
        if not self._shape.is_box and self._low is not None and self._high is not None:
            # Coordinates at a side of the box that want to leave it would waste the step.
            stuck = (rows <= self._low) & (gradients < 0) | (rows >= self._high) & (gradients > 0)
            gradients = gradients.masked_fill(stuck, 0)
        return self.nearest(rows + step * self._shape.steepest(gradients))

    def drawn(self, generator: torch.Generator, share: float = 1.0) -> Tensor:
        """Draw a row evenly from `share` of every ball, clipped to the box."""
        radius = share * self.epsilon
        return self.nearest(self.X + self._shape.drawn(self.X, radius, generator))


@dataclass(frozen=True)
class Ascent:
    """How the worst rows are looked for.

    `step_size` is a length in the norm of the ball; "auto" is ``2.5 * epsilon / n_steps``. The
    first start is drawn from `start_share` of the ball, which is the row itself for 0, and those of
    restarts anywhere in it. With `use_best` the row with the highest loss of all that were seen is
    kept, and not the last one; `sees_clean` counts the clean row among them, which is of no use
    where no loss is below the clean one.
    """

    n_steps: int = 10
    step_size: float | Literal["auto"] = "auto"
    start_share: float = 1.0
    n_restarts: int = 1
    use_best: bool = True
    sees_clean: bool = True

    def worst(self, loss: Loss, ball: Ball, generator: torch.Generator) -> Tensor:
        """Return the worst row found for each row, detached."""
        step = self._step_length(ball.epsilon)
        keeps_best = self.use_best or self.n_restarts > 1
        best, highest = ball.X, None
        if self.use_best and self.sees_clean and self.start_share:  # without, the first step does
            highest = _value(loss, ball.X)
        for restart in range(self.n_restarts):
            share = 1.0 if restart else self.start_share
            rows = ball.drawn(generator, share) if share else ball.X
            for _ in range(self.n_steps):
                values, gradients = value_and_gradient(loss, rows)
                if self.use_best:
                    best, highest = _better_of(best, highest, rows, values)
                rows = ball.ascended(rows, gradients, step)
            if not keeps_best:
                return rows
            best, highest = _better_of(best, highest, rows, _value(loss, rows))
        return best

    def _step_length(self, epsilon: float) -> float:
        if self.step_size == "auto":
            return _RADII_MOVED * epsilon / self.n_steps
        return float(self.step_size)


def _better_of(
    best: Tensor, highest: Tensor | None, rows: Tensor, values: Tensor
) -> tuple[Tensor, Tensor]:
    """Return, row by row, the one with the higher loss; a NaN never wins."""
    if highest is None:
        return rows, values
    better = values > highest
    chosen = torch.where(better.view(-1, *(1,) * (rows.ndim - 1)), rows, best)
    return chosen, torch.where(better, values, highest)


def _value(loss: Loss, rows: Tensor) -> Tensor:
    with torch.no_grad():
        return loss(rows)


def value_and_gradient(loss: Loss, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the losses and their gradients with respect to the rows; weights get none."""
    with torch.enable_grad():
        rows = rows.detach().requires_grad_()
        values = loss(rows)
        (gradients,) = torch.autograd.grad(values.sum(), rows)
    return values.detach(), gradients


def input_gradient(loss: Loss, rows: Tensor) -> Tensor:
    """Return the gradient of each row's loss with respect to the row, detached."""
    return value_and_gradient(loss, rows)[1]


def divergence(logits: Tensor, moved_logits: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of each row in nats, ``sum p * log(p / q)``.

    Both are given as logits (n_samples, n_classes), and gradients flow to both.
    """
    log_p, log_q = log_softmax(logits, dim=1), log_softmax(moved_logits, dim=1)
    return kl_div(log_q, log_p, reduction="none", log_target=True).sum(1)


def same_in_both_modes(network: nn.Module) -> bool:
    """Tell whether a forward pass surely does not depend on ``network.training``."""
    return all(type(module) in _SAME_IN_BOTH_MODES for module in network.modules())


def _sides(feature_range: FeatureRange | None, X: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Return the sides of the box as tensors that broadcast against `X`."""
    if feature_range is None:
        return None, None
    low, high = (
        torch.as_tensor(np.asarray(side), dtype=X.dtype, device=X.device) for side in feature_range
    )
    low, high = (side.view(1, *X.shape[1:]) if side.ndim else side for side in (low, high))
    return low, high

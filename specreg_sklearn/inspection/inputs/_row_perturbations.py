"""Perturbations of rows: drawn at random, applied, and driven to where a quantity is largest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from specreg_sklearn.inspection.model import ModelView
from specreg_sklearn.objectives.perturbations import steepest, value_and_gradient

RowLoss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From logits and class codes to one number a row."""

# Share of the way towards the best point of the linear model, after each failure.
_SHRINK = 0.5


class PerturbableRows:
    """Rows, and what they become under perturbations that are given in units of a scale.

    Columns whose unit is 0 cannot change: the `shape` of the perturbations leaves them out.
    """

    def __init__(self, x: Tensor, units: np.ndarray) -> None:
        self.x = x
        free = np.flatnonzero(units > 0)
        self.shape = len(x), len(free)
        self._free = None if len(free) == len(units) else torch.from_numpy(free)
        self._units = torch.from_numpy(units[free])

    def after(self, perturbations: Tensor) -> Tensor:
        """Return the perturbed rows; gradients flow to the perturbations."""
        steps = perturbations * self._units
        if self._free is None:
            return self.x + steps
        return self.x.index_add(1, self._free, steps)


class LossOfRows:
    """The loss of a model at rows with fixed class codes."""

    def __init__(self, view: ModelView, loss: RowLoss, codes: np.ndarray) -> None:
        self.view, self.loss, self.codes = view, loss, torch.from_numpy(codes)

    def __call__(self, rows: Tensor) -> Tensor:
        values = self.loss(self.view.logits(rows), self.codes)
        if values.shape != (len(rows),):
            raise ValueError(
                f"loss must return one number a row: it gave shape {tuple(values.shape)} for "
                f"{len(rows)} rows."
            )
        return values


def row_loss(loss: Literal["cross_entropy"] | RowLoss) -> RowLoss:
    """Return the loss that a user asked for."""
    if isinstance(loss, str) and loss == "cross_entropy":
        return lambda logits, codes: cross_entropy(logits, codes, reduction="none")
    if isinstance(loss, str) or not callable(loss):
        raise ValueError(
            f"loss={loss!r} is not accepted; give 'cross_entropy' or a function of logits and "
            "class codes that returns one loss a row."
        )
    return loss


def random_perturbations(
    shape: tuple[int, int], radius: float, norm: float, generator: torch.Generator
) -> Tensor:
    """Return perturbations on the surface of a ball: isotropic for L2, corners for Linf."""
    normal = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return radius * steepest(normal, norm)


def ascend(
    quantity: Callable[[Tensor], Tensor],
    start: Tensor,
    *,
    radius: float,
    norm: float,
    n_steps: int,
    on_sphere: bool = False,
) -> Tensor:
    """Raise a quantity of perturbations within a ball, by conditional gradient steps.

    Each step goes towards the point of the ball that the gradient favours: all the way at first,
    which is a power iteration where the quantity is a norm of a linear map, and half as far after
    every failure. Steps that do not raise the quantity are not taken.

    `norm` is 2 or inf; a step takes one gradient and one value. Returned is the best quantity of
    every row. With `on_sphere` the L2 length of perturbations stays at `radius`.
    """
    best = start
    values, slope = value_and_gradient(quantity, start)
    share = torch.ones(len(start), 1, dtype=start.dtype)
    for _ in range(n_steps):
        tried = (1 - share) * best + share * radius * steepest(slope, norm)
        if on_sphere:
            tried = radius * steepest(tried, 2)
        new_values, new_slope = value_and_gradient(quantity, tried)
        better = new_values > values
        best = torch.where(better[:, None], tried, best)
        slope = torch.where(better[:, None], new_slope, slope)
        values = torch.where(better, new_values, values)
        share = torch.where(better[:, None], share, share * _SHRINK)
    return values

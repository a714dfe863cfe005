"""Look for the move that raises a quantity most, from where random moves leave off."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from specreg_sklearn.objectives.perturbations import steepest

# Share of the way towards the best point of the linear model, after each failure.
_SHRINK = 0.5


def ascend(
    quantity: Callable[[Tensor], Tensor],
    start: Tensor,
    *,
    radius: float,
    norm: float,
    n_steps: int,
    on_sphere: bool = False,
) -> tuple[Tensor, Tensor]:
    """Raise a quantity of moves within a ball, by conditional gradient steps.

    Each step goes towards the point of the ball that the gradient favours: all the way at first,
    which is a power iteration where the quantity is a norm of a linear map, and half as far after
    every failure. Moves that do not raise the quantity are not made.

    Parameters
    ----------
    quantity : callable
        From moves of shape (n_samples, n_features) to one number a row; differentiable.
    start : Tensor of shape (n_samples, n_features)
        Moves to start from, inside the ball.
    radius, norm : float
        The ball; `norm` is 2 or inf.
    n_steps : int
        Steps: one gradient and one value each.
    on_sphere : bool, default=False
        Keep the length at `radius`.

    Returns
    -------
    moves : Tensor of shape (n_samples, n_features)
        The best moves.
    values : Tensor of shape (n_samples,)
        Their quantity.
    """
    moves = start
    values, slope = value_and_gradient(quantity, start)
    share = torch.ones(len(start), 1, dtype=start.dtype)
    for _ in range(n_steps):
        moved = (1 - share) * moves + share * radius * steepest(slope, norm)
        if on_sphere:
            moved = scaled_to(moved, radius)
        new_values, new_slope = value_and_gradient(quantity, moved)
        better = new_values > values
        moves = torch.where(better[:, None], moved, moves)
        slope = torch.where(better[:, None], new_slope, slope)
        values = torch.where(better, new_values, values)
        share = torch.where(better[:, None], share, share * _SHRINK)
    return moves, values


def scaled_to(moves: Tensor, radius: float) -> Tensor:
    """Return moves of length `radius` in the same directions; zero stays zero."""
    return radius * steepest(moves, 2)


def random_moves(
    shape: tuple[int, int], radius: float, norm: float, generator: torch.Generator
) -> Tensor:
    """Return moves on the surface of a ball: isotropic for L2, corners for Linf."""
    normal = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return radius * steepest(normal, norm)


def value_and_gradient(
    quantity: Callable[[Tensor], Tensor], moves: Tensor
) -> tuple[Tensor, Tensor]:
    """Return one value a row, and its gradient with respect to the row."""
    point = moves.detach().clone().requires_grad_()
    with torch.enable_grad():
        values = quantity(point)
        (slope,) = torch.autograd.grad(values.sum(), point)
    return values.detach(), slope

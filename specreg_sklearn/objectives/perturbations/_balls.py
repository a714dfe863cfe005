"""Balls of the L1, L2 and Linf norm: nearest points, steepest directions, even draws."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def dual_norm(norm: float) -> float:
    """Return the order q with ``1/norm + 1/q = 1``."""
    return {1: math.inf, 2: 2, math.inf: 1}[norm]


def row_norms(rows: Tensor, norm: float) -> Tensor:
    """Return the norm of every row: shape (n_samples,)."""
    return torch.linalg.vector_norm(rows.flatten(1), ord=norm, dim=1)


def nearest_in_ball(moves: Tensor, norm: float, radius: float) -> Tensor:
    """Return the Euclidean projection of every row onto the ball of a norm around 0.

    Parameters
    ----------
    moves : Tensor of shape (n_samples, ...)
        Rows.
    norm : {1, 2, inf}
        Norm of the ball.
    radius : float
        Its radius.

    Returns
    -------
    Tensor of the shape of `moves`
        The nearest points; rows inside the ball stay.
    """
    if norm == math.inf:
        return moves.clamp(-radius, radius)
    if norm == 2:
        if radius == 0:
            return torch.zeros_like(moves)
        excess = (row_norms(moves, 2) / radius).clamp_min(1)  # one exactly inside the ball
        return moves / excess.view(-1, *(1,) * (moves.ndim - 1))
    return _nearest_in_l1_ball(moves.flatten(1), radius).view_as(moves)


def _nearest_in_l1_ball(moves: Tensor, radius: float) -> Tensor:
    """Lower all absolute values by the one threshold that brings their sum down to the radius.

    The threshold rises to that of the entries above it, until none of them drops below: a few
    rounds, where a sort of wide rows takes several times as long (C. Michelot, Journal of
    Optimization Theory and Applications 50, 1986).
    """
    sizes = moves.abs()
    threshold = torch.zeros_like(sizes[:, :1])  # rows inside the ball keep it
    n_above: Tensor | None = None
    while True:
        above = sizes > threshold
        fewer = above.sum(1, keepdim=True)
        if n_above is not None and torch.equal(fewer, n_above):
            return moves.sign() * (sizes - threshold).clamp_min(0)
        excess = (sizes * above).sum(1, keepdim=True) - radius
        threshold = torch.maximum(threshold, excess / fewer.clamp_min(1))
        n_above = fewer


def steepest(gradients: Tensor, norm: float) -> Tensor:
    """Return the move of norm one along which a linear function rises fastest, row by row.

    Parameters
    ----------
    gradients : Tensor of shape (n_samples, ...)
        Gradients of the function.
    norm : {1, 2, inf}
        Norm of the move.

    Returns
    -------
    Tensor of the shape of `gradients`
        ``argmax <v, g>`` over ``||v|| <= 1``, whose value is the dual norm of g; 0 where g is 0.
        For L1 it is a single coordinate.
    """
    if norm == math.inf:
        return gradients.sign()
    flat = gradients.flatten(1)
    if norm == 2:
        # Squares of the tiny gradients of confident rows would vanish in single precision.
        largest = flat.abs().amax(1, keepdim=True)
        scaled = flat / torch.where(largest > 0, largest, 1)
        lengths = row_norms(scaled, 2)[:, None]
        return (scaled / lengths.clamp_min(1)).view_as(gradients)
    chosen = flat.abs().argmax(1, keepdim=True)
    signs = flat.gather(1, chosen).sign()
    return torch.zeros_like(flat).scatter_(1, chosen, signs).view_as(gradients)


def drawn_in_ball(like: Tensor, norm: float, radius: float, generator: torch.Generator) -> Tensor:
    """Draw one point a row, evenly over the ball of a norm around 0.

    Parameters
    ----------
    like : Tensor of shape (n_samples, ...)
        Gives shape, dtype and device.
    norm : {1, 2, inf}
        Norm of the ball.
    radius : float
        Its radius.
    generator : torch.Generator
        A CPU generator; draws are made there and moved.

    Returns
    -------
    Tensor of the shape of `like`
        The points.
    """
    n_rows, n_features = len(like), math.prod(like.shape[1:])
    shape, dtype = (n_rows, n_features), like.dtype
    if norm == math.inf:
        points = torch.rand(shape, generator=generator, dtype=dtype).mul_(2 * radius).sub_(radius)
    elif norm == 2:
        directions = torch.randn(shape, generator=generator, dtype=dtype)
        lengths = row_norms(directions, 2)[:, None].clamp_min(torch.finfo(dtype).tiny)
        sizes = torch.rand((n_rows, 1), generator=generator, dtype=dtype) ** (1 / n_features)
        points = directions * (radius * sizes / lengths)
    else:
        # Of d + 1 exponential shares of one, the first d are spread evenly over the simplex.
        shares = torch.empty(n_rows, n_features + 1, dtype=dtype)
        shares.exponential_(generator=generator)
        shares = shares / shares.sum(1, keepdim=True)
        signs = torch.randint(2, shape, generator=generator) * 2 - 1
        points = radius * signs * shares[:, :-1]
    return points.to(like.device).view_as(like)

"""Balls of the L1, L2 and Linf norm: nearest points, steepest directions, even draws."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Generator, Tensor


class BallShape(ABC):
    """What a search by gradient steps must know of the ball of a norm around 0.

    Where `is_box`, clipping is all that a projection does.
    """

    is_box: ClassVar[bool] = False

    @abstractmethod
    def nearest(self, moves: Tensor, radius: float) -> Tensor:
        """Project every row of shape (n_samples, ...) onto the ball; rows inside stay."""

    @abstractmethod
    def steepest(self, gradients: Tensor) -> Tensor:
        """Return moves of norm one; see :func:`steepest`."""

    def drawn(self, like: Tensor, radius: float, generator: Generator) -> Tensor:
        """Draw one point a row, evenly over the ball; of the shape, dtype and device of `like`."""
        # A CPU generator draws on the CPU.
        points = self._drawn(like.flatten(1), radius, generator)
        return points.to(like.device).view_as(like)

    @abstractmethod
    def _drawn(self, like: Tensor, radius: float, generator: Generator) -> Tensor: ...


class _L1(BallShape):
    def nearest(self, moves: Tensor, radius: float) -> Tensor:
        """Lower all absolute values by the one threshold that brings their sum to the radius.

        The threshold rises to that of the entries above it, until none of them drops below: a few
        rounds, where a sort of wide rows takes several times as long (C. Michelot, Journal of
        Optimization Theory and Applications 50, 1986).
        """
        sizes = moves.flatten(1).abs()
        threshold = torch.zeros_like(sizes[:, :1])  # rows inside the ball keep it
        n_above: Tensor | None = None
        while True:
            above = sizes > threshold
            fewer = above.sum(1, keepdim=True)
            if n_above is not None and torch.equal(fewer, n_above):
                return moves.sign() * (sizes - threshold).clamp_min(0).view_as(moves)
            excess = (sizes * above).sum(1, keepdim=True) - radius
            threshold = torch.maximum(threshold, excess / fewer.clamp_min(1))
            n_above = fewer

    def steepest(self, gradients: Tensor) -> Tensor:
        flat = gradients.flatten(1)
        chosen = flat.abs().argmax(1, keepdim=True)
        signs = flat.gather(1, chosen).sign()
        return torch.zeros_like(flat).scatter_(1, chosen, signs).view_as(gradients)

    def _drawn(self, like: Tensor, radius: float, generator: Generator) -> Tensor:
        # Of d + 1 exponential shares of one, the first d are spread evenly over the simplex.
        n_rows, length = like.shape
        shares = torch.empty(n_rows, length + 1, dtype=like.dtype).exponential_(generator=generator)
        shares = shares / shares.sum(1, keepdim=True)
        signs = torch.randint(2, like.shape, generator=generator) * 2 - 1
        return radius * signs * shares[:, :-1]


class _L2(BallShape):
    def nearest(self, moves: Tensor, radius: float) -> Tensor:
        if radius == 0:
            return torch.zeros_like(moves)
        excess = (row_norms(moves, 2) / radius).clamp_min(1)  # one exactly inside the ball
        return moves / excess.view(-1, *(1,) * (moves.ndim - 1))

    def steepest(self, gradients: Tensor) -> Tensor:
        flat = gradients.flatten(1)
        # Squares of the tiny gradients of confident rows would vanish in single precision.
        largest = flat.abs().amax(1, keepdim=True)
        scaled = flat / torch.where(largest > 0, largest, 1)
        lengths = row_norms(scaled, 2)[:, None]
        return (scaled / lengths.clamp_min(1)).view_as(gradients)

    def _drawn(self, like: Tensor, radius: float, generator: Generator) -> Tensor:
        n_rows, length = like.shape
        directions = torch.randn(like.shape, generator=generator, dtype=like.dtype)
        lengths = row_norms(directions, 2)[:, None].clamp_min(torch.finfo(like.dtype).tiny)
        sizes = torch.rand((n_rows, 1), generator=generator, dtype=like.dtype) ** (1 / length)
        return directions * (radius * sizes / lengths)


class _Linf(BallShape):
    is_box = True

    def nearest(self, moves: Tensor, radius: float) -> Tensor:
        return moves.clamp(-radius, radius)

    def steepest(self, gradients: Tensor) -> Tensor:
        return gradients.sign()

    def _drawn(self, like: Tensor, radius: float, generator: Generator) -> Tensor:
        points = torch.rand(like.shape, generator=generator, dtype=like.dtype)
        return points.mul_(2 * radius).sub_(radius)


BALLS: dict[float, BallShape] = {1: _L1(), 2: _L2(), math.inf: _Linf()}
"""By the order of the norm. Where gradient steps are taken, these norms are accepted."""


def row_norms(rows: Tensor, norm: float) -> Tensor:
    """Return the norm of every row: shape (n_samples,)."""
    return torch.linalg.vector_norm(rows.flatten(1), ord=norm, dim=1)


def steepest(gradients: Tensor, norm: float) -> Tensor:
    """Return the move of norm one along which a linear function rises fastest, row by row.

    It is ``argmax <v, g>`` over ``||v|| <= 1``, whose value is the dual norm of g; 0 where g is 0.
    For L1 it is a single coordinate.
    """
    return BALLS[norm].steepest(gradients)

"""What warm iterations share: steps of a block, and ties of the top."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

WARM_UP_STEPS = 15
REFRESH_STEPS = 3
MOST_VECTORS = 64  # beyond, the power of evenly tied values would underflow
# Tied directions share the gradient in proportion to their squared values raised to this power: a
# direction 2 % below the top in its squared value gets half a percent, one at 5 % nothing.
SHARING_POWER = 256
_LEAST_SHARE = 1e-3
# Squared norms over the squared scale of the images, and what computes the shared gradient.
Top = tuple[Tensor, Callable[[], Tensor]]


class SquaredNorm(NamedTuple):
    """The square of an operator norm as an iteration sees it, and where it grows.

    The square is quadratic in the weight W: ``(gradient * W).sum()`` is ``2 * value``, up to near
    ties.

    Parameters
    ----------
    value : float
        The square.
    gradient : Tensor
        Its gradient, of the shape of W.
    """

    value: float
    gradient: Tensor


def without_norm(weight: Tensor, scale: float) -> SquaredNorm:
    """Return the answer for taps that are all zero, or not finite."""
    nothing = 0.0 if scale == 0 else math.nan
    return SquaredNorm(nothing, torch.full_like(weight, nothing))


def is_usable(scale: float) -> bool:
    """Tell whether images of this largest entry can be divided by it."""
    return 0 < scale < math.inf


def shares_of(squares: Tensor) -> Tensor:
    """Share a gradient among n directions by their squared values: those that tie at the top.

    Shares add up to 1, in double precision; a top that stands apart gets it all.
    """
    squares = squares.double()
    shares = (squares / squares.max()) ** SHARING_POWER
    shares = torch.where(shares < _LEAST_SHARE, 0.0, shares)
    return shares / shares.sum()


def largest_square(weight: Tensor) -> SquaredNorm:
    """Return the squared norm of a diagonal operator, such as a batch norm on its own.

    Parameters
    ----------
    weight : Tensor of shape (n_channels,)
        The factors.

    Returns
    -------
    SquaredNorm
        The largest square and its gradient, which near ties share.
    """
    squares = weight.square()
    top = float(squares.max())
    if top == 0 or not math.isfinite(top):
        return SquaredNorm(top, torch.zeros_like(weight))
    return SquaredNorm(top, 2 * shares_of(squares).to(weight.dtype) * weight)


def largest_entry(images: Tensor) -> float:
    """Return the largest absolute entry; NaN where there is one."""
    return float(
        torch.view_as_real(images).abs().max() if images.is_complex() else images.abs().max()
    )


def improve(
    vectors: Tensor, images: Tensor, back: Tensor, apply: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Return the best block in the span of a block and of its power step, with its images.

    A plain power step forgets the block it started from. Keeping both and letting Rayleigh-Ritz
    choose finds a direction that has just come up several times sooner: over 200 Adam steps of a
    small convolutional network the worst lag fell from 11 to 2 %, at the same three products.

    `vectors` (..., r, n) are orthonormal rows, real or complex, `images` (..., r, m) are
    ``apply(vectors)``, and `back` (..., r, n) is the adjoint at the images, in any scale. The
    result has the same shapes, with the smallest image first.
    """
    n_rows, length = vectors.shape[-2:]
    if n_rows < length:
        back = back / max(largest_entry(back), torch.finfo(images.dtype).tiny)
        # Householder reflections complete the basis also where `back` adds nothing to it.
        basis = torch.linalg.qr(torch.cat([vectors, back], -2).mT).Q.mT
        fresh = basis[..., n_rows:, :]
        vectors = torch.cat([vectors, fresh], -2)
        images = torch.cat([images, apply(fresh)], -2)
    mixing = top_of(images)[1][..., -n_rows:].mT
    return mixing @ vectors, mixing @ images


def top_of(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return squared singular values of row blocks, ascending, and how rows mix to reach them."""
    return torch.linalg.eigh(images.conj() @ images.mT)


class WarmIteration(ABC):
    """Follow the squared norm of a convolution from step to step.

    Subclasses set `vectors`, orthonormal rows of shape (..., r, n), and `n_steps`.
    """

    vectors: Tensor
    n_steps: int

    @torch.no_grad()
    def update(self, weight: Tensor) -> SquaredNorm:
        """Move the vectors on with `weight`, and return its squared norm with the gradient.

        Parameters
        ----------
        weight : Tensor of shape (n_outputs, n_inputs / groups, *kernel)
            The taps as they are now.

        Returns
        -------
        SquaredNorm
            Value and gradient. Zero taps give 0 and a zero gradient.
        """
        weight = weight.detach()
        images, scale = self._step(weight, self.n_steps)
        if not is_usable(scale):
            return without_norm(weight, scale)
        squares, gradient = self._top(weight, images, scale)
        return SquaredNorm(float(squares.max()) * scale**2, gradient())

    @torch.no_grad()
    def refresh(self, weight: Tensor, n_steps: int = REFRESH_STEPS) -> None:
        """Take a few steps on `weight` outside the training loop."""
        self._step(weight.detach(), n_steps)

    @torch.no_grad()
    def estimate(self, weight: Tensor) -> float:
        """Return the estimate of the norm of `weight` without moving on."""
        weight = weight.detach()
        images, scale = self._step(weight, 0)
        if not is_usable(scale):
            return scale
        return scale * math.sqrt(float(self._top(weight, images, scale)[0].max()))

    def _step(self, weight: Tensor, n_steps: int) -> tuple[Tensor, float]:
        """Move the vectors on; return their images over their scale, and the scale."""
        images = self._apply(weight, self.vectors)
        scale = largest_entry(images)
        if not is_usable(scale):
            return images, scale
        # Squares of scaled entries stay inside the range of single precision.
        images = images / scale
        for _ in range(n_steps):
            self.vectors, images = improve(
                self.vectors,
                images,
                self._adjoint(weight, images),
                lambda vectors: self._apply(weight, vectors) / scale,
            )
        return images, scale

    @abstractmethod
    def _apply(self, weight: Tensor, vectors: Tensor) -> Tensor:
        """Return the images (..., k, m) of rows (..., k, n)."""

    @abstractmethod
    def _adjoint(self, weight: Tensor, images: Tensor) -> Tensor:
        """Send images (..., k, m) back to rows (..., k, n)."""

    @abstractmethod
    def _top(self, weight: Tensor, images: Tensor, scale: float) -> Top:
        """Return the top of these images, over their scale."""

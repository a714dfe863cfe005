"""A warm block power iteration: the top singular direction at the price of two products a step."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from specreg_sklearn.spectral.estimates._ritz import (
    MOST_VECTORS,
    REFRESH_STEPS,
    SHARING_POWER,
    WARM_UP_STEPS,
    SquaredNorm,
    improve,
    is_usable,
    largest_entry,
)

# A block of 8 follows the spectrum far better than one of 4 and costs the same on small matrices,
# where calls and not products take the time; on larger ones it costs a third more.
_SMALL_MATRIX = 2**15
# On large ones a block also keeps what it knew before each step, and the best of both goes on: an
# optimizer moves such layers fast, and over 200 steps of Adam the estimate lags half as much.
_LARGE_MATRIX = 2**17


class TopSubspace(NamedTuple):
    """The top of a matrix's spectrum, as a block power iteration sees it.

    `directions` (r, n_inputs) are orthonormal rows, `images` (r, n_outputs) equal
    ``directions @ weight.T``, and `mixing` (r, r) is symmetric, positive semidefinite, of trace 1:
    ``2 * images.T @ mixing @ directions`` is a (sub)gradient of the squared spectral norm.
    """

    directions: Tensor
    images: Tensor
    mixing: Tensor

    @property
    def squared_norm(self) -> float:
        """The estimate of the squared spectral norm: the largest one in the block."""
        return float(torch.linalg.matrix_norm(self.images.double(), ord=2)) ** 2

    @property
    def square(self) -> SquaredNorm:
        """The squared norm with its gradient, as iterations for convolutions give it."""
        return SquaredNorm(self.squared_norm, 2 * self.images.T @ (self.mixing @ self.directions))


class BlockPowerIteration:
    """Follow the top of the spectrum of a matrix that changes a little at every training step.

    One vector lags as soon as a spectral penalty acts, because the penalty flattens the top of the
    spectrum and the leading directions swap. A block of a few orthonormal vectors, combined by
    Rayleigh-Ritz, keeps up. Vectors lie in rows: products with a row block are several times
    faster than with a column block.

    Parameters
    ----------
    weight : Tensor of shape (n_outputs, n_inputs)
        The matrix at the start; 15 steps are taken on it.
    n_vectors : int or "auto", default="auto"
        Rows of the block, capped by the sides of `weight` and by 64. "auto" takes 8 for matrices
        of up to 32768 entries, 4 for larger ones and 3 beyond 131072.
    n_steps : int, default=1
        Power steps that one call of :meth:`update` takes.
    generator : torch.Generator, default=None
        A CPU generator that draws the start block.

    Notes
    -----
    Where leading singular values tie, any convex mix of their gradients is a subgradient, and a
    penalty drives training towards ties. Picking one direction there makes training chatter
    between them: rounding errors of 1e-16 grew to 1e-3 within 200 epochs. Leading directions
    therefore share the gradient in proportion to a high power of their squared values, which is
    smooth at ties; a top value that stands apart gets the exact gradient.

    With orthonormal rows V the estimate is the largest singular value of ``V W^T``. It never
    exceeds the true norm (up to rounding): good for steering, never for a certificate.

    References
    ----------
    Y. Saad, "Numerical Methods for Large Eigenvalue Problems", 2nd ed., 2011, chapter 5 (subspace
    iteration with projection).

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.spectral import BlockPowerIteration
    >>> weight = torch.diag(torch.arange(1.0, 9.0))
    >>> iteration = BlockPowerIteration(weight, generator=torch.Generator().manual_seed(0))
    >>> for _ in range(20):
    ...     top = iteration.update(weight)
    >>> round(top.squared_norm, 3)
    64.0
    """

    def __init__(
        self,
        weight: Tensor,
        *,
        n_vectors: int | str = "auto",
        n_steps: int = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        self._keeps_block = weight.numel() > _LARGE_MATRIX
        if n_vectors == "auto":
            n_vectors = 8 if weight.numel() <= _SMALL_MATRIX else 3 if self._keeps_block else 4
        n_rows = min(int(n_vectors), MOST_VECTORS, *weight.shape)
        start = torch.randn(weight.shape[1], n_rows, generator=generator, dtype=torch.float64)
        self.block = torch.linalg.qr(start).Q.T.contiguous().to(weight)
        self.n_steps = n_steps
        self.refresh(weight, WARM_UP_STEPS)

    def update(self, weight: Tensor) -> TopSubspace:
        """Return the top of the spectrum of `weight` and move the block on.

        Parameters
        ----------
        weight : Tensor of shape (n_outputs, n_inputs)
            The matrix as it is now.

        Returns
        -------
        TopSubspace
            Directions, images and mixing. A zero matrix gives norm 0 and a zero gradient.
        """
        weight = weight.detach()
        if self._keeps_block:
            images = self._improve(weight, self.n_steps)
        else:
            self.refresh(weight, self.n_steps - 1)
            images = self.block @ weight.T
        directions = self.block
        # Directions and images come from the same product: no further pass over the weight.
        gram = (images @ images.T).double()
        size = float(gram.norm())
        if not math.isfinite(size):  # squares beyond the range of single precision
            gram = images.double() @ images.double().T
            size = float(gram.norm())
        if size == 0:
            return TopSubspace(directions, images, torch.zeros_like(gram).to(images))
        shares = torch.linalg.matrix_power(gram / size, SHARING_POWER)
        mixing = (shares / shares.trace()).to(images.dtype)
        if not self._keeps_block:
            self._advance(weight, images, scale=size**-0.5)
        return TopSubspace(directions, images, mixing)

    def refresh(self, weight: Tensor, n_steps: int = REFRESH_STEPS) -> None:
        """Take a few power steps on `weight` outside the training loop."""
        weight = weight.detach()
        if self._keeps_block:
            self._improve(weight, n_steps)
            return
        for _ in range(n_steps):
            images = self.block @ weight.T
            size = float(torch.linalg.vector_norm(images))
            if 0 < size < math.inf:
                self._advance(weight, images, scale=1 / size)

    def estimate(self, weight: Tensor) -> float:
        """Return the block's estimate of the norm of `weight` without moving on."""
        return float(torch.linalg.matrix_norm((self.block @ weight.detach().T).double(), ord=2))

    def _advance(self, weight: Tensor, images: Tensor, *, scale: float) -> None:
        """One power step; `scale` keeps the product within the range of single precision."""
        # LAPACK returns the basis column by column: its transpose is a contiguous row block.
        self.block = torch.linalg.qr(((images * scale) @ weight).T).Q.T

    def _improve(self, weight: Tensor, n_steps: int) -> Tensor:
        """Move on to the best block in the span of this one and its power step.

        Returns the images of the new block.
        """
        images = self.block @ weight.T
        for _ in range(n_steps):
            scale = largest_entry(images)
            if not is_usable(scale):
                break
            apply = partial(_images, weight, scale)
            images = images / scale
            self.block, images = improve(self.block, images, images @ weight, apply)
            images = images * scale
        return images


def _images(weight: Tensor, scale: float, rows: Tensor) -> Tensor:
    return rows @ weight.T / scale

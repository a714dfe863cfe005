"""A warm block power iteration: the top singular direction at the price of two products a step."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_WARM_UP_STEPS = 15
_REFRESH_STEPS = 3


class TopDirection(NamedTuple):
    """The best known direction of a matrix: ``image = weight @ direction``, ``norm = |image|``."""

    direction: Tensor
    image: Tensor
    squared_norm: Tensor


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
    n_vectors : int, default=4
        Rows of the block, capped by the sides of `weight`.
    n_steps : int, default=1
        Power steps that one call of :meth:`update` takes.
    generator : torch.Generator, default=None
        A CPU generator that draws the start block.

    Notes
    -----
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
    >>> round(iteration.update(weight).squared_norm.item(), 3)
    64.0
    """

    def __init__(
        self,
        weight: Tensor,
        *,
        n_vectors: int = 4,
        n_steps: int = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        n_rows = min(n_vectors, *weight.shape)
        start = torch.randn(weight.shape[1], n_rows, generator=generator, dtype=torch.float64)
        self.block = torch.linalg.qr(start).Q.T.contiguous().to(weight)
        self.n_steps = n_steps
        self.refresh(weight, _WARM_UP_STEPS)

    @torch.no_grad()
    def update(self, weight: Tensor) -> TopDirection:
        """Return the top direction of `weight` and move the block on.

        Parameters
        ----------
        weight : Tensor of shape (n_outputs, n_inputs)
            The matrix as it is now.

        Returns
        -------
        TopDirection
            Unit `direction` (n_inputs,), `image` (n_outputs,) = ``weight @ direction``, and
            `squared_norm`, a scalar tensor. All zero images give norm 0.
        """
        self.refresh(weight, self.n_steps - 1)
        images = self.block @ weight.T
        # Rayleigh-Ritz inside the block. The direction and its image come from the same product,
        # so no further pass over the weight is needed.
        mixing = _leading_row(images)
        direction, image = mixing @ self.block, mixing @ images
        self._advance(weight, images)
        return TopDirection(direction, image, image @ image)

    @torch.no_grad()
    def refresh(self, weight: Tensor, n_steps: int = _REFRESH_STEPS) -> None:
        """Take a few power steps on `weight` outside the training loop."""
        for _ in range(n_steps):
            self._advance(weight, self.block @ weight.T)

    @torch.no_grad()
    def estimate(self, weight: Tensor) -> float:
        """Return the block's estimate of the norm of `weight` without moving on."""
        return float(torch.linalg.matrix_norm((self.block @ weight.T).double(), ord=2))

    def _advance(self, weight: Tensor, images: Tensor) -> None:
        """One power step: the block becomes an orthonormal basis of ``images @ weight``."""
        block = images @ weight
        size = block.norm()
        # A zero or overflowing product says nothing about directions: keep those at hand.
        if 0 < size < torch.inf:
            self.block = torch.linalg.qr((block / size).T).Q.T.contiguous()


def _leading_row(images: Tensor) -> Tensor:
    size = images.norm().clamp_min(torch.finfo(images.dtype).tiny)
    scaled = images / size  # fp32 would overflow in the Gram matrix
    return torch.linalg.eigh(scaled @ scaled.T).eigenvectors[:, -1]

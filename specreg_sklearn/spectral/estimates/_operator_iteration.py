"""A warm block iteration with a convolution as it is, borders and all."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from specreg_sklearn.spectral.estimates._ritz import (
    MOST_VECTORS,
    WARM_UP_STEPS,
    Top,
    WarmIteration,
    shares_of,
    top_of,
)
from specreg_sklearn.spectral.layers import Convolution

# Up to so many weights a block has so many images; larger kernels get one. Calls and not products
# take the time of small ones; of large ones the reading of the weights does.
_BLOCKS = {2**15: 8, 2**17: 4, 2**20: 2}


class ConvolutionIteration(WarmIteration):
    """Follow the top of the spectrum of a convolution on images of one size.

    Subspace iteration with the true operator and its adjoint, whatever stride, dilation, groups
    and padding: a few orthonormal images are convolved and sent back, and of the images before and
    after the best ones are kept. A step costs as much as so many images in a training step. That
    pays on small images; on large ones :class:`FourierIteration` is cheaper and follows better.

    Parameters
    ----------
    operator : Convolution
        The layer with the size of its images, and the weight at the start; 15 steps are taken.
    n_vectors : int or "auto", default="auto"
        Images in the block, capped by the sides of the operator and by 64. "auto" takes 8 for
        kernels of up to 32768 weights, 4 for up to 131072, 2 for up to a million, else 1.
    n_steps : int, default=1
        Steps that one call of :meth:`update` takes.
    generator : torch.Generator, default=None
        A CPU generator that draws the start images.

    Raises
    ------
    ValueError
        If the operator does not know the size of its images.

    Notes
    -----
    The images are orthonormal and the operator is the true one: the estimate never exceeds the
    norm (up to rounding). Groups need no care: the top image lives in the group with the largest
    norm. Near ties share the gradient as in :class:`BlockPowerIteration`.

    References
    ----------
    Y. Saad, "Numerical Methods for Large Eigenvalue Problems", 2nd ed., 2011, chapters 5 and 6.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.spectral import Convolution, ConvolutionIteration
    >>> layer = torch.nn.Conv1d(1, 1, 3, padding=1)
    >>> _ = torch.nn.init.constant_(layer.weight, 3.0)  # three times a pixel and its neighbours
    >>> operator = Convolution.from_layer(layer, (1, 4))
    >>> iteration = ConvolutionIteration(operator, generator=torch.Generator().manual_seed(0))
    >>> round(iteration.estimate(layer.weight), 3)  # 3 + 6 cos(pi / 5)
    7.854
    """

    def __init__(
        self,
        operator: Convolution,
        *,
        n_vectors: int | str = "auto",
        n_steps: int = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        weight = operator.weight.detach()
        self._operator = operator.with_weight(weight)
        self._input_shape = (operator.n_inputs, *operator.known_size)
        self._output_shape = (len(weight), *operator.output_size)
        sides = math.prod(self._input_shape), math.prod(self._output_shape)
        if n_vectors == "auto":
            n_vectors = next((n for most, n in _BLOCKS.items() if weight.numel() <= most), 1)
        n_rows = min(int(n_vectors), MOST_VECTORS, *sides)
        start = torch.randn(sides[0], n_rows, generator=generator, dtype=torch.float64)
        self.vectors = torch.linalg.qr(start).Q.T.contiguous().to(weight)
        self.n_steps = n_steps
        self.refresh(weight, WARM_UP_STEPS)

    def _apply(self, weight: Tensor, vectors: Tensor) -> Tensor:
        images = vectors.view(-1, *self._input_shape)
        return self._operator.with_weight(weight)(images).flatten(1)

    def _adjoint(self, weight: Tensor, images: Tensor) -> Tensor:
        rows = images.view(-1, *self._output_shape)
        return self._operator.with_weight(weight).adjoint(rows).flatten(1)

    def _top(self, weight: Tensor, images: Tensor, scale: float) -> Top:
        values, mixing = top_of(images.double())

        def gradient() -> Tensor:
            shares = shares_of(values)
            kept = shares > 0
            rotation = mixing[:, kept].T.to(weight.dtype)
            parts = (2 * shares[kept] * scale).to(weight.dtype)[:, None]
            y = parts * (rotation @ images)
            return self._weight_gradient(weight, rotation @ self.vectors, y)

        return values, gradient

    def _weight_gradient(self, weight: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Return the gradient of ``<A x, y>`` with respect to the taps of A."""
        operator = self._operator
        windows = operator._pad(x.view(-1, *self._input_shape))
        for axis, (taps, gap, step) in enumerate(
            zip(operator.kernel, operator.dilation, operator.stride, strict=True), start=2
        ):
            windows = windows.unfold(axis, gap * (taps - 1) + 1, step)[..., ::gap]
        # One matrix product: on small images far quicker than torch's backward convolution.
        n_axes, groups = len(operator.stride), operator.groups
        columns = windows.movedim(1, n_axes + 1).flatten(0, n_axes).unflatten(1, (groups, -1))
        rows = y.view(-1, *self._output_shape).movedim(1, -1).flatten(0, -2)
        rows = rows.unflatten(1, (groups, -1)).permute(1, 2, 0)
        return (rows @ columns.flatten(2).transpose(0, 1)).view_as(weight)

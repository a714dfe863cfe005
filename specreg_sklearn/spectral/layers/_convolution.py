"""A convolution as a linear operator: what it does to an image, and its adjoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.conv import _ConvNd

from specreg_sklearn.spectral.layers._eval_mode import weight_of

_CONVOLVE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True)
class Convolution:
    """The linear part of a convolution layer, on images of one size or of any size.

    A transposed convolution is the adjoint of an ordinary one and has the same norm. It is stored
    as that ordinary convolution, with `transposed` set.

    Parameters
    ----------
    weight : Tensor of shape (n_outputs, n_inputs / groups, *kernel)
        Taps of the ordinary convolution.
    stride : tuple of int
        One entry per spatial axis, as in what follows.
    padding : tuple of (int, int)
        Rows added before and after the image, per spatial axis.
    padding_mode : {"zeros", "circular", "reflect", "replicate"}
        What they hold.
    dilation : tuple of int
        Distances between taps.
    groups : int
        Blocks of channels that do not see each other.
    size : tuple of int or None
        Spatial size of the ordinary convolution's input; None if unknown.
    transposed : bool
        The layer applies the adjoint of this convolution.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.spectral import Convolution
    >>> layer = torch.nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False)
    >>> operator = Convolution.from_layer(layer, (2, 7, 7))
    >>> x, y = torch.randn(1, 2, 7, 7), torch.randn(1, 3, 4, 4)
    >>> bool(torch.allclose((operator(x) * y).sum(), (x * operator.adjoint(y)).sum(), atol=1e-4))
    True
    """

    weight: Tensor
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    padding_mode: str
    dilation: tuple[int, ...]
    groups: int
    size: tuple[int, ...] | None = None
    transposed: bool = False

    @classmethod
    def from_layer(
        cls,
        layer: nn.Module,
        input_shape: tuple[int, ...] | None = None,
        *,
        weight: Tensor | None = None,
    ) -> Convolution:
        """Read a layer of torch.

        Parameters
        ----------
        layer : torch.nn.Conv1d, Conv2d, Conv3d or one of their transposes
            The layer; its bias does not matter.
        input_shape : tuple of int, default=None
            Shape (n_channels, *size) of one input of the layer.
        weight : Tensor, default=None
            Used in place of ``layer.weight``, for instance with a batch norm folded in.

        Returns
        -------
        Convolution
            The operator; gradients flow through `weight`.

        Raises
        ------
        TypeError
            If the layer is no convolution.
        ValueError
            If `input_shape` does not fit the layer.
        """
        if not isinstance(layer, CONVOLUTIONS + TRANSPOSED):
            raise TypeError(f"A {type(layer).__name__} layer is not a convolution.")
        transposed = isinstance(layer, TRANSPOSED)
        size = None
        if input_shape is not None:
            size = _checked_size(layer, tuple(input_shape))
            if transposed:
                size = _transposed_size(layer, size)
        return cls(
            weight=weight_of(layer) if weight is None else weight,
            stride=tuple(layer.stride),
            padding=_padding(layer),
            padding_mode=layer.padding_mode,
            dilation=tuple(layer.dilation),
            groups=layer.groups,
            size=size,
            transposed=transposed,
        )

    @property
    def kernel(self) -> tuple[int, ...]:
        """Taps per spatial axis."""
        return tuple(self.weight.shape[2:])

    @property
    def n_inputs(self) -> int:
        """Channels that the ordinary convolution reads."""
        return self.weight.shape[1] * self.groups

    @property
    def output_size(self) -> tuple[int, ...]:
        """Spatial size of the ordinary convolution's output."""
        axes = zip(
            self.known_size, self.padding, self.dilation, self.kernel, self.stride, strict=True
        )
        return tuple(
            (side + sum(pad) - gap * (taps - 1) - 1) // step + 1
            for side, pad, gap, taps, step in axes
        )

    def with_weight(self, weight: Tensor) -> Convolution:
        """Return the same operator with other taps."""
        return replace(self, weight=weight)

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the ordinary convolution to images of shape (n, n_inputs, *size)."""
        convolve = _CONVOLVE[len(self.stride)]
        symmetric = all(before == after for before, after in self.padding)
        if self.padding_mode == "zeros" and symmetric:
            padding = tuple(before for before, _ in self.padding)
            return convolve(x, self.weight, None, self.stride, padding, self.dilation, self.groups)
        return convolve(self._pad(x), self.weight, None, self.stride, 0, self.dilation, self.groups)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the adjoint to images of shape (n, n_outputs, *output_size)."""
        size = self.known_size
        padded = (side + sum(pad) for side, pad in zip(size, self.padding, strict=True))
        full = self._adjoint_of_valid(y, tuple(padded))
        if self.padding_mode == "zeros":
            # Entries that the convolution would read from the padding are cropped.
            return F.pad(full, _torch_order([(-before, -after) for before, after in self.padding]))
        start = torch.zeros(len(y), self.n_inputs, *size, dtype=y.dtype, device=y.device)
        return torch.func.vjp(self._pad, start)[1](full)[0]

    def _adjoint_of_valid(self, y: Tensor, size: tuple[int, ...]) -> Tensor:
        """Apply the adjoint of the convolution without padding on images of `size`."""
        # Trailing entries that no window covers come back as zeros.
        missing = tuple(
            side - ((out - 1) * step + gap * (taps - 1) + 1)
            for side, out, step, gap, taps in zip(
                size, y.shape[2:], self.stride, self.dilation, self.kernel, strict=True
            )
        )
        transpose = _TRANSPOSE[len(self.stride)]
        x = transpose(y, self.weight, None, self.stride, 0, 0, self.groups, self.dilation)
        return F.pad(x, _torch_order([(0, extra) for extra in missing])) if any(missing) else x

    def _pad(self, x: Tensor) -> Tensor:
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        return F.pad(x, _torch_order(self.padding), mode=mode)

    @property
    def known_size(self) -> tuple[int, ...]:
        """The size, which must be known."""
        if self.size is None:
            raise ValueError("The size of the images is not known: give input_shape=(C, *size).")
        return self.size


def _padding(layer: _ConvNd) -> tuple[tuple[int, int], ...]:
    if layer.padding == "valid":
        return tuple((0, 0) for _ in layer.kernel_size)
    if isinstance(layer.padding, str):  # "same"
        totals = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(layer, TRANSPOSED):
        # Where a dilation allows output_padding of whole strides, the ordinary convolution would
        # have more outputs than the transposed one has inputs: it starts fewer windows.
        return tuple(
            (side, side - extra // step * step)
            for side, extra, step in zip(
                layer.padding, layer.output_padding, layer.stride, strict=True
            )
        )
    return tuple((side, side) for side in layer.padding)


def _checked_size(layer: _ConvNd, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    n_axes = len(layer.kernel_size)
    if len(input_shape) != n_axes + 1 or input_shape[0] != layer.in_channels:
        raise ValueError(
            f"input_shape={input_shape} does not fit the layer {layer}: it reads "
            f"{layer.in_channels} channels over {n_axes} spatial axes."
        )
    if math.prod(input_shape) < 1:
        raise ValueError(f"input_shape={input_shape} must hold positive integers.")
    return input_shape[1:]


def _transposed_size(layer: _ConvNd, size: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(
        (side - 1) * step - 2 * pad + gap * (taps - 1) + extra + 1
        for side, step, pad, gap, taps, extra in zip(
            size,
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.kernel_size,
            layer.output_padding,
            strict=True,
        )
    )


def _torch_order(padding: Sequence[tuple[int, int]]) -> list[int]:
    """List the padding as ``torch.nn.functional.pad`` wants it: the last axis first."""
    return [side for pad in reversed(padding) for side in pad]

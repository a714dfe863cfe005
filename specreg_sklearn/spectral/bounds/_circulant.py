"""The circular grid that a convolution on an image fits into, and its norm there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from specreg_sklearn.spectral.bounds._gram import EigenvalueRange
from specreg_sklearn.spectral.bounds._rounding import product_above, sqrt_above
from specreg_sklearn.spectral.bounds._symbol import Symbol
from specreg_sklearn.spectral.layers import Convolution


@dataclass(frozen=True)
class CircularGrid:
    """A circular convolution that a layer is a part of.

    `repeats` is how often one pixel, times how often one output, of the circular convolution
    appears in the layer at most. The layer's norm is at most the root of this times the circular
    norm, and the two are equal if `exact`.
    """

    frequencies: tuple[int, ...]  # points per axis, divided by the stride
    repeats: int
    exact: bool


def circular_grid(convolution: Convolution) -> CircularGrid:
    """Return the smallest circular grid that contains a convolution of a known size.

    Zero padding: with the image at the origin of the grid, windows that extend beyond it must find
    zeros. So the grid may not end before the last window does, the first window may not wrap
    around to the image, and every output needs a place of its own. The layer is then the circular
    convolution with zeros filled in before it and outputs dropped after it.

    Circular padding on a side that the stride divides is the circular convolution itself, as long
    as no output appears more often than others. Any other padding first copies pixels, and goes
    on as a convolution without padding; the copying has for its norm the root of the number of
    copies of one pixel, and so have repeated outputs.
    """
    size, outputs = convolution.known_size, convolution.output_size
    stride, dilation, kernel = convolution.stride, convolution.dilation, convolution.kernel
    if min(outputs) < 1:
        raise ValueError(
            f"Images of size {size} are too small for a kernel of {kernel} taps, dilation "
            f"{dilation}: no window fits."
        )
    axes = zip(size, convolution.padding, outputs, stride, dilation, kernel, strict=True)
    frequencies, repeats, exact = zip(
        *(_axis(convolution.padding_mode, *axis) for axis in axes), strict=True
    )
    return CircularGrid(tuple(frequencies), math.prod(repeats), all(exact))


def circular_norm(
    convolution: Convolution, grid: CircularGrid, *, rigorous: bool = False
) -> EigenvalueRange:
    """Bound the norm of a convolution, of scaled taps, from the circular grid around it.

    Returns the bound to working precision, which is the norm itself on an exact grid, and the bound
    with all rounding counted.
    """
    norm = Symbol.of(convolution).norm(grid.frequencies, rigorous=rigorous)
    return EigenvalueRange(
        norm.found * math.sqrt(grid.repeats),
        product_above(norm.bound, sqrt_above(grid.repeats)),
    )


def copies(mode: str, side: int | None, pad: tuple[int, int]) -> int:
    """Return how often padding writes the same pixel along one axis, at most.

    Without a side the largest number over all sides that the padding accepts.
    """
    if mode == "zeros" or not any(pad):
        return 1
    if side is not None:
        return _copies(mode, side, pad)
    smallest = {"reflect": max(pad) + 1, "circular": max(pad), "replicate": 1}[mode]
    # Both paddings meet the same pixel on small images only.
    return max(_copies(mode, side, pad) for side in range(smallest, smallest + sum(pad) + 2))


def _copies(mode: str, side: int, pad: tuple[int, int]) -> int:
    row = torch.arange(side, dtype=torch.float64)[None, None]
    written = F.pad(row, pad, mode=mode).flatten().long()
    return int(torch.bincount(written).max())


def _axis(
    mode: str, side: int, pad: tuple[int, int], out: int, step: int, gap: int, taps: int
) -> tuple[int, int, bool]:
    """Return the frequencies, the repeats and whether they are exact, along one axis."""
    before, after = pad
    if mode == "circular" and side % step == 0:
        return side // step, math.ceil(out * step / side), out * step % side == 0
    if mode == "zeros":
        end = (out - 1) * step - before + gap * (taps - 1) + 1
        return max(math.ceil(max(side + before, end) / step), out), 1, False
    padded = side + before + after
    return max(math.ceil(padded / step), out), copies(mode, side, pad), False

"""How a plane wave fades out at the border of an image, and what that costs each pair of taps."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from specreg_sklearn.spectral.layers import Convolution

# Widths of the sine taper beyond the image, in pixels. 0 suits padding that keeps the size; a
# convolution that reads the border less wants a taper that fades less.
_MARGINS = (0.0, 1.0, 4.0)


def taper_products(operator: Convolution) -> Tensor:
    """Return how much of the product of two taps' images is left under a taper.

    For an image ``x[c, j] = h[j] exp(i w j) v[c, phase of j]`` with a real taper h, the squared
    norm of its convolution is ``sum over taps s, t of conj(p_s y_s) p_t y_t R[s, t]``, where
    ``y_t = K_t v`` and ``R[s, t]`` sums ``h[j + s] h[j + t]`` over the outputs j.

    Returns R of several sine tapers, (n_tapers, n_taps, n_taps) in float64, normalised so that the
    image has at most norm 1: a single matrix of ones, the limit for large images, if the size is
    unknown or the padding is not zero.
    """
    n_taps = math.prod(operator.kernel)
    if operator.size is None or operator.padding_mode != "zeros":
        return torch.ones(1, n_taps, n_taps, dtype=torch.float64)
    tapers = []
    for margin in _MARGINS:
        product = torch.ones(1, 1, dtype=torch.float64)
        for axis in range(len(operator.kernel)):
            product = torch.kron(product, _axis_products(operator, axis, margin))
        tapers.append(product)
    return torch.stack(tapers)


def _axis_products(operator: Convolution, axis: int, margin: float) -> Tensor:
    side, step = operator.known_size[axis], operator.stride[axis]
    before = operator.padding[axis][0]
    places = torch.arange(side, dtype=torch.float64) + 1 + margin
    taper = torch.sin(math.pi * places / (side + 1 + 2 * margin))
    # What every tap reads at every output: zero in the padding.
    outputs = torch.arange(operator.output_size[axis]) * step
    taps = torch.arange(operator.kernel[axis]) * operator.dilation[axis]
    reads = outputs + taps[:, None] - before
    inside = (reads >= 0) & (reads < side)
    read = torch.where(inside, taper[reads.clamp(0, side - 1)], 0.0)
    # Each phase of the stride holds its own part of the vector v; the fullest one counts, so that
    # the image has at most norm 1.
    energy = max(float(taper[phase::step].square().sum()) for phase in range(min(step, side)))
    return read @ read.T / energy

"""Bounds of a convolution's norm that hold for images of any size."""

from __future__ import annotations

import math

from specreg_sklearn.spectral.bounds._circulant import copies
from specreg_sklearn.spectral.bounds._gram import EigenvalueRange
from specreg_sklearn.spectral.bounds._rounding import product_above, sqrt_above
from specreg_sklearn.spectral.bounds._symbol import Symbol
from specreg_sklearn.spectral.layers import Convolution

# Multiplications up to which the grid is fine enough for two per cent.
_FINE_BUDGET = 1e11


def size_free_bound(
    convolution: Convolution, *, points_per_degree: int | None = None, rigorous: bool = False
) -> float:
    """Return an upper bound of the norm of a convolution, of scaled taps, on images of any size.

    Its own size does not matter, beyond how often padding copies a pixel. With 16 points of the
    grid per degree of the symbol (which takes more than 2) the bound exceeds the supremum over all
    sizes by at most 2 % for two axes, with 8 by at most 8 %. None takes 16, or 8 for layers so wide
    that 16 would take more than some ten seconds.

    Notes
    -----
    The norm of the symbol, as a function of the frequency, is the maximum of trigonometric
    polynomials. Between the points of a grid of N0 such a polynomial of degree n exceeds the
    largest value on them at most by the factor ``1 / cos(pi n / N0)`` per axis (H. Ehlich,
    K. Zeller, "Schwankung von Polynomen zwischen Gitterpunkten", Math. Z. 86, 1964).
    """
    stride, dilation = _reduced(convolution)
    symbol = Symbol(convolution.weight, stride, dilation, convolution.groups)
    degrees = [
        gap * (taps - 1) // step
        for step, gap, taps in zip(stride, dilation, convolution.kernel, strict=True)
    ]
    if points_per_degree is None:
        fine = tuple(max(1, 16 * degree) for degree in degrees)
        points_per_degree = 16 if symbol.n_operations(fine) <= _FINE_BUDGET else 8
    frequencies = [max(1, points_per_degree * degree) for degree in degrees]
    # The rounding of a cosine near one is far below what a product is raised by.
    per_axis = 1.0 / math.cos(math.pi / points_per_degree)
    factor = product_above(*[per_axis for degree in degrees if degree])
    norm = symbol.norm(tuple(frequencies), rigorous=rigorous).bound
    return product_above(norm, sqrt_above(factor), sqrt_above(_copies(convolution)))


def reshaped_norm(convolution: Convolution, *, rigorous: bool = False) -> EigenvalueRange:
    """Return the norm of the kernel as a matrix with one row per output, the largest over groups.

    Where one window lies inside the unpadded image, a layer's norm is never below it. An upper
    bound of a layer's norm it is not: that is `reshaped_bound`.
    """
    ones = (1,) * len(convolution.stride)
    # Strides as long as the kernel put every tap into a phase of its own.
    everything_apart = Symbol(convolution.weight, convolution.kernel, ones, convolution.groups)
    return everything_apart.norm(ones, rigorous=rigorous)


def reshaped_bound(convolution: Convolution, *, rigorous: bool = False) -> float:
    """Return the norm of the reshaped kernel times the root of the number of windows on a pixel.

    An upper bound on images of any size: the squared outputs add up to at most the squared norm
    of the reshaped kernel times the squares of all windows, in which no pixel appears more often.
    """
    return product_above(
        reshaped_norm(convolution, rigorous=rigorous).bound,
        sqrt_above(_overlap(convolution)),
        sqrt_above(_copies(convolution)),
    )


def is_reshaped_kernel(convolution: Convolution) -> bool:
    """Whether windows do not overlap and lie inside the image: the two norms are then equal."""
    return _overlap(convolution) == 1 and not any(map(any, convolution.padding))


def _overlap(convolution: Convolution) -> int:
    """Return how many windows share a pixel at most."""
    return math.prod(
        math.ceil(taps / step)
        for taps, step in zip(convolution.kernel, _reduced(convolution)[0], strict=True)
    )


def _reduced(convolution: Convolution) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Divide stride and dilation by their common divisor, which leaves the symbol's norm alone.

    So does dilation without a stride: it only runs through the frequencies several times.
    """
    pairs = []
    for step, gap in zip(convolution.stride, convolution.dilation, strict=True):
        divisor = math.gcd(step, gap)
        pairs.append((step // divisor, gap // divisor if step > divisor else 1))
    strides, dilations = zip(*pairs, strict=True)
    return tuple(strides), tuple(dilations)


def _copies(convolution: Convolution) -> int:
    """Return how often padding writes one pixel at most, over all axes."""
    sizes = convolution.size or (None,) * len(convolution.stride)
    return math.prod(
        copies(convolution.padding_mode, side, pad)
        for side, pad in zip(sizes, convolution.padding, strict=True)
    )

"""The norm of a convolution to a few digits, for watching a training run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.sparse.linalg import ArpackError

from specreg_sklearn.spectral.bounds import (
    dense_matrix,
    gram_operator,
    matrix_norm,
    operator_shape,
    start_vector,
    top_eigenvalue,
)
from specreg_sklearn.spectral.layers import Convolution

# Up to this side the operator is written down as a matrix.
_DENSE_SIDE = 128


def convolution_norm(
    operator: Convolution, *, tol: float = 1e-4, largest_side: int | None = None
) -> float:
    """Return the largest singular value of a convolution, from below.

    Parameters
    ----------
    operator : Convolution
        With the size of its images.
    tol : float, default=1e-4
        The Lanczos iteration stops when its relative residual falls below this; the relative
        error of the norm is then at most this, and as a rule its square.
    largest_side : int, default=None
        Zero-padded images with more outputs than this along an axis are cropped. The norm on the
        part is smaller, by a share of about the inverse square of the side.

    Returns
    -------
    float
        The operator norm, computed in the dtype of the weight. The start vector is fixed: the
        result depends on the operator alone.

    Raises
    ------
    ValueError
        If a tap is NaN or infinite, or the size is unknown.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.spectral import Convolution, convolution_norm
    >>> layer = torch.nn.Conv1d(1, 1, 3, padding=1)
    >>> _ = torch.nn.init.ones_(layer.weight)
    >>> round(convolution_norm(Convolution.from_layer(layer, (1, 5))), 4)  # 1 + 2 cos(pi / 6)
    2.7321
    """
    operator = operator.with_weight(operator.weight.detach())
    if largest_side is not None:
        operator = _cropped(operator, largest_side)
    scale = float(operator.weight.abs().max())
    if not math.isfinite(scale):
        raise ValueError("The taps of the convolution hold NaN or infinite entries.")
    n_inputs = operator_shape(operator)[1]
    if scale == 0.0:
        return 0.0
    operator = operator.with_weight(operator.weight / scale)
    if n_inputs <= _DENSE_SIDE:
        return scale * matrix_norm(dense_matrix(operator).T.contiguous(), double=False)
    return scale * _lanczos(operator, tol)


def _cropped(operator: Convolution, side: int) -> Convolution:
    if operator.padding_mode != "zeros":
        return operator
    axes = zip(
        operator.known_size, operator.kernel, operator.stride, operator.dilation, strict=True
    )
    sides = (min(old, side * step + gap * (taps - 1)) for old, taps, step, gap in axes)
    return replace(operator, size=tuple(sides))


def _lanczos(operator: Convolution, tol: float) -> float:
    product, side = gram_operator(operator)
    start = start_vector(side, operator.weight)
    try:
        top = top_eigenvalue(product, start, tol=tol)
    except ArpackError as failure:  # no convergence within many rounds: the best so far
        found = getattr(failure, "eigenvalues", np.empty(0))
        top = float(found[-1]) if len(found) else _after_many_steps(product, start)
    return math.sqrt(max(top, 0.0))


def _after_many_steps(product: Callable[[np.ndarray], np.ndarray], vector: np.ndarray) -> float:
    value = float(np.linalg.norm(vector))
    for _ in range(300):
        vector = product(vector / value)
        value = float(np.linalg.norm(vector))
    return value

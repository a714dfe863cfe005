"""The norm of a convolution to a few digits, for watching a training run."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from specreg_sklearn.spectral.bounds import matrix_norm
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
    n_outputs = len(operator.weight) * math.prod(operator.output_size)
    n_inputs = operator.n_inputs * math.prod(operator.known_size)
    if scale == 0.0:
        return 0.0
    operator = operator.with_weight(operator.weight / scale)
    if n_inputs <= _DENSE_SIDE:
        unit = torch.eye(n_inputs, dtype=operator.weight.dtype, device=operator.weight.device)
        images = operator(unit.view(n_inputs, operator.n_inputs, *operator.known_size))
        return scale * matrix_norm(images.flatten(1), double=False)
    return scale * _lanczos(operator, n_inputs, n_outputs, tol)


def _cropped(operator: Convolution, side: int) -> Convolution:
    if operator.padding_mode != "zeros":
        return operator
    axes = zip(
        operator.known_size, operator.kernel, operator.stride, operator.dilation, strict=True
    )
    sides = (min(old, side * step + gap * (taps - 1)) for old, taps, step, gap in axes)
    return replace(operator, size=tuple(sides))


def _lanczos(operator: Convolution, n_inputs: int, n_outputs: int, tol: float) -> float:
    """Return the norm from the top eigenvalue of the smaller of the two Gram operators."""
    inputs = (1, operator.n_inputs, *operator.known_size)
    outputs = (1, len(operator.weight), *operator.output_size)
    wide = n_inputs > n_outputs
    side, shape = (n_outputs, outputs) if wide else (n_inputs, inputs)

    def gram_product(vector: np.ndarray) -> np.ndarray:
        rows = torch.from_numpy(np.ascontiguousarray(vector).reshape(shape)).to(operator.weight)
        image = operator(operator.adjoint(rows)) if wide else operator.adjoint(operator(rows))
        return image.flatten().cpu().numpy()

    start = np.random.default_rng(0).standard_normal(side)
    start = start.astype(operator.weight[:0].cpu().numpy().dtype)
    gram = LinearOperator((side, side), matvec=gram_product, dtype=start.dtype)
    try:
        (top,) = eigsh(gram, k=1, v0=start, tol=tol, return_eigenvectors=False)
    except ArpackError as failure:  # no convergence within many rounds: the best so far
        found = getattr(failure, "eigenvalues", np.empty(0))
        top = found[-1] if len(found) else _after_many_steps(gram_product, start)
    return math.sqrt(max(float(top), 0.0))


def _after_many_steps(gram_product: object, start: np.ndarray) -> float:
    vector, value = start / np.linalg.norm(start), 0.0
    assert callable(gram_product)
    for _ in range(300):
        image = gram_product(vector)
        value = float(np.linalg.norm(image))
        vector = image / value
    return value

"""The norm of a convolution's operator to machine precision."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import Tensor

from specreg_sklearn.spectral.bounds._certified_matrix import scaled
from specreg_sklearn.spectral.bounds._circulant import circular_grid, circular_norm
from specreg_sklearn.spectral.bounds._dense_matrix import dense_matrix, is_small
from specreg_sklearn.spectral.bounds._size_free import is_reshaped_kernel, reshaped_norm
from specreg_sklearn.spectral.layers import Convolution

# Up to this side the singular values of the matrix are cheaper than a Lanczos iteration.
_DENSE_SIDE = 512


def exact_convolution_norm(convolution: Convolution) -> float:
    """Return the largest singular value of a convolution of a known size.

    Circular convolutions have a formula, small operators go to LAPACK as dense matrices, all
    others to the Lanczos iteration of ARPACK, whose start is fixed.

    Parameters
    ----------
    convolution : Convolution
        On images of a known size.

    Returns
    -------
    float
        The norm; zero for a kernel of zeros.

    Raises
    ------
    ValueError
        If the size is not known, or a tap is NaN or infinite.
    """
    kernel, exponent = scaled(convolution.weight, "The weight of the convolution")
    grid = circular_grid(convolution)
    if exponent is None:
        return 0.0
    operator = convolution.with_weight(kernel)
    if is_reshaped_kernel(operator):
        norm = reshaped_norm(kernel, operator).found
    elif grid.exact:
        norm = circular_norm(kernel, operator, grid).found
    elif is_small(operator, _DENSE_SIDE):
        norm = float(torch.linalg.matrix_norm(dense_matrix(operator), 2))
    else:
        norm = _lanczos(operator)
    return math.ldexp(norm, exponent)


def _lanczos(operator: Convolution) -> float:
    """Return the norm from the top eigenvalue of the operator's Gram operator."""
    inner = (operator.n_inputs, *operator.known_size)
    outer = (operator.weight.shape[0], *operator.output_size)
    shape = min(inner, outer, key=math.prod)

    def product(vector: np.ndarray) -> np.ndarray:
        image = torch.from_numpy(vector.reshape(1, *shape))
        if shape == inner:
            return _flat(operator.adjoint(operator(image)))
        return _flat(operator(operator.adjoint(image)))

    side = math.prod(shape)
    gram = LinearOperator((side, side), matvec=product, dtype=np.float64)
    # A random start leaves out no direction, which a clever guess at the top may do.
    start = np.random.default_rng(0).standard_normal(side)
    # The error of the eigenvalue is about the square of the tolerance.
    settings = {"k": 1, "v0": start, "tol": 1e-8, "return_eigenvectors": False}
    try:
        (top,) = eigsh(gram, ncv=30, **settings)
    except ArpackNoConvergence:
        # More vectors part a crowded spectrum; beyond that the operator is beyond this method.
        (top,) = eigsh(gram, ncv=120, maxiter=100 * side, **settings)
    return math.sqrt(max(float(top), 0.0))


def _flat(images: Tensor) -> np.ndarray:
    return images.numpy().ravel()

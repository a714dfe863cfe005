"""Operator norms to machine precision, for reports and for checking the estimate."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence
from torch import Tensor, nn

from specreg_sklearn.spectral.bounds._certified_matrix import scaled
from specreg_sklearn.spectral.bounds._circulant import circular_grid, circular_norm
from specreg_sklearn.spectral.bounds._dense_matrix import dense_matrix, is_small
from specreg_sklearn.spectral.bounds._lanczos import gram_operator, start_vector, top_eigenvalue
from specreg_sklearn.spectral.bounds._size_free import is_reshaped_kernel, reshaped_norm
from specreg_sklearn.spectral.layers import CONVOLUTIONS, TRANSPOSED, Convolution, weight_of

# Up to this side the eigenvalues of the Gram matrix are cheaper than a Lanczos iteration.
_GRAM_SIDE = 64
# Up to this side the singular values of a convolution's matrix are.
_DENSE_SIDE = 512


def matrix_norm(weight: Tensor, *, double: bool = True) -> float:
    """Return the largest singular value of a matrix to machine precision.

    Parameters
    ----------
    weight : Tensor of shape (n_outputs, n_inputs)
        A finite matrix.
    double : bool, default=True
        Compute in float64, to machine precision. False keeps the dtype of `weight` and stops at a
        relative error of about 1e-6: enough to judge an estimate, and several times quicker.

    Returns
    -------
    float
        The operator 2-norm. Small matrices go to LAPACK, others to the Lanczos iteration of
        ARPACK, whose start vector is fixed: the result depends on `weight` alone.

    Raises
    ------
    ValueError
        If an entry is NaN or infinite.

    References
    ----------
    R. Lehoucq, D. Sorensen, C. Yang, "ARPACK Users' Guide", SIAM, 1998.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.spectral import matrix_norm
    >>> matrix_norm(torch.diag(torch.tensor([1.0, 3.0, 2.0])))
    3.0
    """
    matrix = weight.detach()
    if double:
        matrix = matrix.double()
    scale = float(matrix.abs().max()) if matrix.numel() else 0.0
    if not math.isfinite(scale):
        raise ValueError("The weight matrix holds NaN or infinite entries.")
    if scale == 0.0:
        return 0.0
    matrix = matrix / scale  # squares of the entries stay inside the range of the dtype
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    if matrix.shape[1] <= _GRAM_SIDE:
        return scale * math.sqrt(float(torch.linalg.eigvalsh(matrix.T @ matrix)[-1]))

    def gram_product(vector: np.ndarray) -> np.ndarray:
        image = torch.mv(matrix, torch.from_numpy(vector.ravel()).to(matrix))
        return torch.mv(matrix.T, image).cpu().numpy()

    start = start_vector(matrix.shape[1], matrix)
    try:
        top = top_eigenvalue(gram_product, start, tol=0.0 if double else 1e-3)
    except ArpackError:  # no convergence: pay for the dense answer
        return scale * float(torch.linalg.matrix_norm(matrix, 2))
    return scale * math.sqrt(max(top, 0.0))


def spectral_norm(
    layer: nn.Module | Convolution, input_shape: tuple[int, ...] | None = None
) -> float:
    """Return the spectral norm of the operator that a layer applies.

    Parameters
    ----------
    layer : torch.nn.Linear, Conv1d to Conv3d or ConvTranspose1d to 3d
        The layer; its bias does not matter. A `Convolution` of a known size is taken as well.
    input_shape : tuple of int, default=None
        Shape (n_channels, *size) of one input, which a convolution needs: the norm of its
        operator depends on the size of the images. Linear layers do not need it.

    Returns
    -------
    float
        The largest singular value of the operator with its true stride, dilation, padding and
        groups, in output units per input unit. It is accurate to machine precision and computed
        in float64, but proves nothing: `certified_norm` does.

    Raises
    ------
    TypeError
        If the norm of this kind of layer is not known. A reshaped kernel is never used in place
        of the operator.
    ValueError
        If a weight is NaN or infinite, or if `input_shape` is missing or does not fit.

    References
    ----------
    H. Sedghi, V. Gupta, P. Long, "The singular values of convolutional layers", ICLR 2019, for
    circular padding; R. Lehoucq, D. Sorensen, C. Yang, "ARPACK Users' Guide", SIAM, 1998.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.spectral import spectral_norm
    >>> layer = torch.nn.Conv2d(1, 1, 3, padding=1)
    >>> _ = torch.nn.init.ones_(layer.weight)
    >>> round(spectral_norm(layer, (1, 32, 32)), 4)
    8.9457
    """
    if isinstance(layer, nn.Linear):
        return matrix_norm(weight_of(layer))
    if isinstance(layer, Convolution):
        return _convolution_norm(layer)
    if isinstance(layer, CONVOLUTIONS + TRANSPOSED):
        return _convolution_norm(Convolution.from_layer(layer, input_shape))
    raise TypeError(
        f"The operator norm of a {type(layer).__name__} layer is not known. Accepted are Linear, "
        "Conv1d to Conv3d and ConvTranspose1d to ConvTranspose3d of torch.nn, and a Convolution."
    )


def _convolution_norm(convolution: Convolution) -> float:
    """Return the norm of a convolution of a known size.

    Circular convolutions have a formula, small operators go to LAPACK as dense matrices, all
    others to the Lanczos iteration of ARPACK.
    """
    kernel, exponent = scaled(convolution.weight, "The weight of the convolution")
    grid = circular_grid(convolution)
    if exponent is None:
        return 0.0
    operator = convolution.with_weight(kernel)
    if is_reshaped_kernel(operator):
        norm = reshaped_norm(operator).found
    elif grid.exact:
        norm = circular_norm(operator, grid).found
    elif is_small(operator, _DENSE_SIDE):
        norm = float(torch.linalg.matrix_norm(dense_matrix(operator), 2))
    else:
        norm = _lanczos(operator)
    return math.ldexp(norm, exponent)


def _lanczos(operator: Convolution) -> float:
    product, side = gram_operator(operator)
    start = start_vector(side, operator.weight)
    try:
        top = top_eigenvalue(product, start, tol=1e-8, ncv=30)
    except ArpackNoConvergence:
        # More vectors part a crowded spectrum; beyond that the operator is beyond this method.
        top = top_eigenvalue(product, start, tol=1e-8, ncv=120, maxiter=100 * side)
    return math.sqrt(max(top, 0.0))

"""Operator norms to machine precision, for reports and for checking the estimate."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
from torch import Tensor, nn

from specreg_sklearn.spectral.bounds._exact_convolution import exact_convolution_norm
from specreg_sklearn.spectral.layers import CONVOLUTIONS, TRANSPOSED, Convolution, weight_of

# Up to this side the eigenvalues of the Gram matrix are cheaper than a Lanczos iteration.
_GRAM_SIDE = 64


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
    try:
        top = _lanczos(matrix, tol=0.0 if double else 1e-3)
    except ArpackError:  # no convergence: pay for the dense answer
        top = float(torch.linalg.matrix_norm(matrix, 2))
    return scale * top


def _lanczos(matrix: Tensor, tol: float) -> float:
    """Return the norm of a tall matrix from the top eigenvalue of its Gram operator.

    The error of the eigenvalue is about the square of `tol`.
    """

    def gram_product(vector: np.ndarray) -> np.ndarray:
        image = torch.mv(matrix, torch.from_numpy(vector.ravel()).to(matrix))
        return torch.mv(matrix.T, image).cpu().numpy()

    side = matrix.shape[1]
    start = np.random.default_rng(0).standard_normal(side).astype(matrix[:0].cpu().numpy().dtype)
    gram = LinearOperator((side, side), matvec=gram_product, dtype=start.dtype)
    (top,) = eigsh(gram, k=1, v0=start, tol=tol, return_eigenvectors=False)
    return math.sqrt(max(float(top), 0.0))


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
        return exact_convolution_norm(layer)
    if isinstance(layer, CONVOLUTIONS + TRANSPOSED):
        return exact_convolution_norm(Convolution.from_layer(layer, input_shape))
    raise TypeError(
        f"The operator norm of a {type(layer).__name__} layer is not known. Accepted are Linear, "
        "Conv1d to Conv3d and ConvTranspose1d to ConvTranspose3d of torch.nn, and a Convolution."
    )

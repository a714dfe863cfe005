"""Operator norms to machine precision, for reports and for checking the estimate."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.linalg import ArpackError, svds
from torch import Tensor, nn

# Up to this side the eigenvalues of the Gram matrix are cheaper than a Lanczos iteration.
_GRAM_SIDE = 1024


def matrix_norm(weight: Tensor, *, double: bool = True) -> float:
    """Return the largest singular value of a matrix to machine precision.

    Parameters
    ----------
    weight : Tensor of shape (n_outputs, n_inputs)
        A finite matrix.
    double : bool, default=True
        Compute in float64. False keeps the dtype of `weight`, which is quicker.

    Returns
    -------
    float
        The operator 2-norm: from the top eigenvalue of the smaller Gram
        matrix or, for large matrices, by the Lanczos iteration of ARPACK, whose start vector is
        fixed. The result depends on `weight` alone.

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
    matrix = weight.detach().cpu().numpy()
    matrix = matrix.astype(np.float64) if double else matrix.copy()
    scale = float(np.abs(matrix).max(initial=0.0))
    if not np.isfinite(scale):
        raise ValueError("The weight matrix holds NaN or infinite entries.")
    if scale == 0.0:
        return 0.0
    matrix /= scale  # squares of the entries stay inside the range of float64
    side = min(matrix.shape)
    if side <= _GRAM_SIDE:
        gram = matrix.T @ matrix if matrix.shape[1] == side else matrix @ matrix.T
        top = eigh(gram, eigvals_only=True, subset_by_index=[side - 1, side - 1])
        return scale * float(np.sqrt(top[0]))
    start = np.random.default_rng(0).standard_normal(side)
    try:
        top = svds(matrix, k=1, v0=start, tol=0, return_singular_vectors=False)
    except ArpackError:  # no convergence: pay for the dense answer
        top = [np.linalg.norm(matrix, 2)]
    return scale * float(top[0])


def spectral_norm(layer: nn.Module) -> float:
    """Return the spectral norm of the operator that a layer applies.

    Parameters
    ----------
    layer : torch.nn.Linear
        The layer; its bias does not matter.

    Returns
    -------
    float
        The largest singular value of the layer's weight, in output units per input unit, to
        machine precision.

    Raises
    ------
    TypeError
        If the norm of this kind of layer is not known. A reshaped kernel is never used in place
        of the operator.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.spectral import spectral_norm
    >>> layer = torch.nn.Linear(2, 2)
    >>> _ = torch.nn.init.eye_(layer.weight)
    >>> spectral_norm(layer)
    1.0
    """
    if not isinstance(layer, nn.Linear):
        raise TypeError(
            f"The operator norm of a {type(layer).__name__} layer is not known; "
            "torch.nn.Linear is accepted."
        )
    return matrix_norm(layer.weight)

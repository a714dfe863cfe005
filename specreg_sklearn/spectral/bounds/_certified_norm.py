"""Upper bounds of a layer's norm that no rounding and no unlucky start can break."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from specreg_sklearn.spectral.bounds._certified_matrix import (
    certified_matrix_norm,
    scaled,
    unscaled,
)
from specreg_sklearn.spectral.bounds._circulant import circular_grid, circular_norm
from specreg_sklearn.spectral.bounds._dense_matrix import dense_matrix, is_small
from specreg_sklearn.spectral.bounds._rounding import UNIT_ROUNDOFF, gamma
from specreg_sklearn.spectral.bounds._size_free import (
    is_reshaped_kernel,
    reshaped_bound,
    size_free_bound,
)
from specreg_sklearn.spectral.bounds._symbol import Symbol
from specreg_sklearn.spectral.layers import CONVOLUTIONS, TRANSPOSED, Convolution, weight_of

# Multiplications that one layer may cost before a coarser grid is taken: some 20 s on two cores.
_BUDGET = 1e12
# Up to this side the operator is bounded as a matrix too: the smaller the image, the more a
# circular grid around it gives away.
_DENSE_SIDE = 2048


class CertifiedBound(NamedTuple):
    """An upper bound of a layer's norm, and what proves it.

    Parameters
    ----------
    value : float
        Never below the norm.
    method : str
        "matrix", "dense operator", "circular grid" (exact), "embedding grid", "size-free grid",
        "reshaped kernel" or "batch norm".
    """

    value: float
    method: str


Certifiable = nn.Module | Convolution | Tensor | np.ndarray


def certified_norm(
    layer: Certifiable, input_shape: tuple[int, ...] | None = None, *, rigorous: bool = False
) -> float:
    """Return a number that the spectral norm of a layer's operator never exceeds.

    Parameters
    ----------
    layer : torch.nn.Linear, Conv1d to Conv3d, ConvTranspose1d to 3d, BatchNorm1d to 3d
        The layer; its bias does not matter. A `Convolution` and a plain matrix are taken as well.
    input_shape : tuple of int, default=None
        Shape (n_channels, *size) of one input of a convolution. Without it the bound holds for
        images of any size, and is one to three per cent higher. Other layers do not need it.
    rigorous : bool, default=False
        Prove every eigenvalue by a Cholesky factorisation. Without it, those of small matrices
        rest on the backward stability of LAPACK, with a generous constant.

    Returns
    -------
    float
        The bound, in output units per input unit, in float64 whatever the dtype of the weights.
        Zero for a layer of zeros. All roundings on the way are counted; no random numbers are
        drawn, and no estimate enters.

    Raises
    ------
    TypeError
        If no bound is known for this kind of layer. A reshaped kernel is never used in place of
        the operator.
    ValueError
        If a weight is NaN or infinite, if `input_shape` does not fit the layer, or if a batch
        norm is in training mode or without statistics: its output then depends on other rows.

    See Also
    --------
    certified_bound : The same with the name of the bound that was used.
    spectral_norm : The norm to machine precision, for reports.

    Notes
    -----
    A convolution gets the smallest of several bounds: the norm of a circular convolution that
    contains it (equal for circular padding), the operator as a dense matrix where it is small,
    the norm of the reshaped kernel times the root of the number of windows on a pixel, and, where
    the size is unknown or the grid too large, a bound over all frequencies. Padding by copies of
    pixels counts with the root of the number of copies. Groups count with the largest of them.

    References
    ----------
    H. Sedghi, V. Gupta, P. Long, "The singular values of convolutional layers", ICLR 2019;
    S. M. Rump, "Verification of positive definiteness", BIT Numerical Mathematics 46, 2006.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.spectral import certified_norm
    >>> layer = torch.nn.Conv2d(1, 1, 3, padding=1)
    >>> _ = torch.nn.init.ones_(layer.weight)
    >>> round(certified_norm(layer, (1, 64, 64)), 4)  # the norm is 8.9860
    9.0
    """
    return certified_bound(layer, input_shape, rigorous=rigorous).value


def certified_bound(
    layer: Certifiable, input_shape: tuple[int, ...] | None = None, *, rigorous: bool = False
) -> CertifiedBound:
    """Return `certified_norm` together with the name of the bound that was used.

    Parameters
    ----------
    layer, input_shape, rigorous
        As in `certified_norm`.

    Returns
    -------
    CertifiedBound
        Fields `value` and `method`.

    Raises
    ------
    TypeError, ValueError
        As `certified_norm`.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.spectral import certified_bound
    >>> layer = torch.nn.Conv2d(8, 16, 3, padding=1, padding_mode="circular")
    >>> certified_bound(layer, (8, 32, 32)).method
    'circular grid'
    """
    if isinstance(layer, nn.Linear):
        weight = weight_of(layer)
        _check_finite(weight, f"The weight of {layer}")
        return CertifiedBound(certified_matrix_norm(weight, rigorous=rigorous), "matrix")
    if isinstance(layer, Tensor | np.ndarray):
        return CertifiedBound(certified_matrix_norm(layer, rigorous=rigorous), "matrix")
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        return CertifiedBound(_batch_norm_bound(layer), "batch norm")
    if isinstance(layer, Convolution):
        return _convolution_bound(layer, "The weight of the convolution", rigorous)
    if isinstance(layer, CONVOLUTIONS + TRANSPOSED):
        operator = Convolution.from_layer(layer, input_shape)
        return _convolution_bound(operator, f"The weight of {layer}", rigorous)
    raise TypeError(
        f"No bound is known for the norm of a {type(layer).__name__} layer. Accepted are Linear, "
        "Conv1d to Conv3d, ConvTranspose1d to ConvTranspose3d and BatchNorm1d to BatchNorm3d of "
        "torch.nn, a Convolution, and a matrix."
    )


def _convolution_bound(convolution: Convolution, name: str, rigorous: bool) -> CertifiedBound:
    kernel, exponent = scaled(convolution.weight, name)
    grid = None if convolution.size is None else circular_grid(convolution)
    if exponent is None:
        return CertifiedBound(0.0, "reshaped kernel")
    operator = convolution.with_weight(kernel)
    bounds = [(reshaped_bound(operator, rigorous=rigorous), "reshaped kernel")]
    if not is_reshaped_kernel(operator):
        if grid and not grid.exact and is_small(operator, _DENSE_SIDE):
            bounds.append((_dense_bound(operator, rigorous), "dense operator"))
        if grid and Symbol.of(operator).n_operations(grid.frequencies) <= _BUDGET:
            value = circular_norm(operator, grid, rigorous=rigorous).bound
            bounds.append((value, "circular grid" if grid.exact else "embedding grid"))
        else:
            bounds.append((size_free_bound(operator, rigorous=rigorous), "size-free grid"))
    value, method = min(bounds)
    return CertifiedBound(unscaled(value, exponent), method)


def _dense_bound(convolution: Convolution, rigorous: bool) -> float:
    """Bound the norm of the operator as a matrix."""
    value = certified_matrix_norm(dense_matrix(convolution), rigorous=rigorous)
    # Padding by copies adds up taps: at most all of them, with one rounding each.
    n_taps = math.prod(convolution.kernel)
    n_windows = math.prod(convolution.output_size)
    frobenius = float(torch.linalg.vector_norm(convolution.weight))
    lost = gamma(n_taps + 4) * math.sqrt(n_taps * n_windows) * frobenius
    return (value + lost) * (1.0 + 4.0 * UNIT_ROUNDOFF)


def _batch_norm_bound(layer: nn.modules.batchnorm._BatchNorm) -> float:
    """Return the largest factor that a batch norm in eval mode applies to a channel."""
    if layer.running_var is None:
        raise ValueError(
            f"{layer} keeps no running statistics: what it does to a row depends on the other "
            "rows of the batch, so it has no norm."
        )
    if layer.training:
        raise ValueError(
            f"{layer} is in training mode: what it does to a row depends on the other rows of "
            "the batch. Call eval() first."
        )
    variance = layer.running_var.detach().cpu().double() + layer.eps
    _check_finite(variance, f"running_var of {layer}")
    if float(variance.min()) <= 0.0:
        raise ValueError(f"running_var + eps of {layer} must be positive.")
    gain = torch.ones_like(variance)
    if layer.weight is not None:
        _check_finite(layer.weight, f"The weight of {layer}")
        gain = layer.weight.detach().cpu().double().abs()
    # A sum, a root and a quotient: three roundings.
    return float((gain / variance.sqrt()).max()) * (1.0 + 8.0 * UNIT_ROUNDOFF)


def _check_finite(weight: Tensor, name: str) -> None:
    if not bool(torch.isfinite(weight).all()):
        raise ValueError(f"{name} holds NaN or infinite entries: it has no norm.")

"""A number that the largest singular value of a matrix never exceeds."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from specreg_sklearn.spectral.bounds._gram import largest_eigenvalue
from specreg_sklearn.spectral.bounds._rounding import UNIT_ROUNDOFF, gamma, sqrt_above


def certified_matrix_norm(matrix: Tensor | np.ndarray, *, rigorous: bool = False) -> float:
    """Return an upper bound of a matrix's spectral norm that accounts for rounding.

    Parameters
    ----------
    matrix : Tensor or ndarray of shape (n_outputs, n_inputs)
        A finite matrix; its entries are cast to float64 without loss.
    rigorous : bool, default=False
        Prove the bound by a Cholesky factorisation. Without it, matrices with a side of at most
        256 rest on the backward stability of LAPACK's symmetric eigenvalues, with a generous
        constant; larger ones are always proven.

    Returns
    -------
    float
        Never below the norm, and above it by less than one part in 10 million for sides up to
        20 000. Zero for the zero matrix.

    Raises
    ------
    ValueError
        If `matrix` is not two-dimensional or holds NaN or infinite entries.

    References
    ----------
    S. M. Rump, "Verification of positive definiteness", BIT Numerical Mathematics 46, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from specreg_sklearn.spectral import certified_matrix_norm
    >>> bound = certified_matrix_norm(np.diag([3.0, 4.0]))
    >>> 4.0 <= bound <= 4.0 * (1 + 1e-12)
    True
    """
    entries, exponent = scaled(matrix, "The matrix")
    if entries.ndim != 2:
        raise ValueError(f"A matrix has 2 axes, got an array of shape {tuple(entries.shape)}.")
    if exponent is None:
        return 0.0
    tall = entries if entries.shape[0] >= entries.shape[1] else entries.T
    # numpy's product of small matrices needs no threads, which other work may keep waiting.
    gram = torch.from_numpy(tall.numpy().T @ tall.numpy())
    top = largest_eigenvalue(gram[None], rigorous=rigorous).bound
    # What forming the Gram matrix may have taken off its largest eigenvalue.
    lost = gamma(len(tall) + 4) * float(tall.square().sum())
    return unscaled(sqrt_above(top + lost), exponent)


def scaled(array: Tensor | np.ndarray, name: str) -> tuple[Tensor, int | None]:
    """Cast to float64 on the CPU and divide by a power of two, which is exact.

    Entries of size one keep their squares inside the range of float64. The exponent is None for
    an array of zeros, or of no entries.
    """
    tensor = (
        array if isinstance(array, Tensor) else torch.as_tensor(np.asarray(array), device="cpu")
    )
    if not tensor.dtype.is_floating_point:
        tensor = tensor.double()
    # The copy makes rows contiguous, which the products below want.
    entries = tensor.detach().to("cpu", torch.float64).contiguous()
    largest = float(entries.abs().max()) if entries.numel() else 0.0
    if not math.isfinite(largest):
        raise ValueError(f"{name} holds NaN or infinite entries: it has no norm.")
    if largest == 0.0:
        return entries, None
    exponent = math.frexp(largest)[1]
    # Two steps, since 2**-exponent alone may overflow.
    half = exponent // 2
    return entries * 2.0**-half * 2.0 ** (half - exponent), exponent


def unscaled(bound: float, exponent: int) -> float:
    """Undo `scaled` and round up."""
    # Entries far below the largest may have lost bits as they left the range: that is less
    # than one rounding of the result, whose scaled value is at least one half.
    value = bound * (1.0 + 2.0 * UNIT_ROUNDOFF)
    try:
        return math.nextafter(math.ldexp(value, exponent), math.inf)
    except OverflowError:
        return math.inf

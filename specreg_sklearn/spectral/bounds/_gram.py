"""The largest eigenvalue of many Gram matrices at once, between two sides."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError
from torch import Tensor

from specreg_sklearn.spectral.bounds._lanczos import start_vector, top_eigenvalue
from specreg_sklearn.spectral.bounds._rounding import UNIT_ROUNDOFF, gamma

# Up to this side LAPACK finds all eigenvalues quicker than they can be searched for.
_DENSE_SIDE = 32
# Up to this side all eigenvalues of one matrix are cheaper than a Lanczos iteration.
_LANCZOS_SIDE = 256
# How far above the best eigenvalue the Cholesky proof aims, relative to it.
_MARGIN = 1e-12


class EigenvalueRange(NamedTuple):
    """Largest eigenvalue of a stack: found to working precision, and what none exceeds."""

    found: float
    bound: float


def largest_eigenvalue(
    stack: Tensor, *, known: float = 0.0, rigorous: bool = False
) -> EigenvalueRange:
    """Find the largest eigenvalue over a stack of positive semidefinite matrices.

    Small matrices go to LAPACK. Of larger ones only a few candidates do: that every other matrix
    stays below them follows from one Cholesky factorisation each, which costs far less.

    The stack (n_matrices, n, n) is float64 or complex128; the bound is about the stored numbers, of
    which the lower triangle counts. `known` is an eigenvalue of some other matrix: those below it
    are only proven not to exceed it. `rigorous` demands the Cholesky proof of small matrices too;
    without it the eigenvalues of LAPACK are taken to be in error by at most ``8 n u ||G||_F``.

    References
    ----------
    S. M. Rump, "Verification of positive definiteness", BIT Numerical Mathematics 46, 2006.
    """
    side = stack.shape[-1]
    # A diagonal entry is a lower bound, and a semidefinite matrix without any is zero.
    found = max(known, float(stack.diagonal(dim1=-2, dim2=-1).real.max()))
    if found == 0.0 or side == 1:
        return EigenvalueRange(found, found)
    if side <= _DENSE_SIDE or (len(stack) == 1 and side <= _LANCZOS_SIDE):
        found = max(found, float(torch.linalg.eigvalsh(stack)[:, -1].max()))
        if not rigorous:
            frobenius = float(torch.linalg.matrix_norm(stack).max())
            return EigenvalueRange(found, found + 9.0 * side * UNIT_ROUNDOFF * frobenius)
    elif known == 0.0:
        found = max(found, _guess(stack))
    return _prove(stack, found)


def _prove(stack: Tensor, found: float) -> EigenvalueRange:
    """Raise `found` until Cholesky factorisations prove that nothing lies much above it."""
    margin = _MARGIN
    left = stack
    while True:
        limit = found * (1.0 + margin)
        gaps = -left
        gaps.diagonal(dim1=-2, dim2=-1).add_(limit)
        failed = torch.linalg.cholesky_ex(gaps).info != 0
        if not bool(failed.any()):
            break
        left = left[failed]
        better = _guess(left)
        if better <= found * (1.0 + 0.5 * margin):
            margin *= 8.0  # no larger eigenvalue in sight: the gap drowns in rounding
        found = max(found, better)
    # A factorisation that runs through proves: smallest eigenvalue >= -error trace / (1 - error).
    # A complex product takes more roundings than a real one.
    side = stack.shape[-1]
    error = gamma((4 if stack.is_complex() else 1) * (side + 3))
    slack = (error / (1.0 - error) * side + 4.0 * UNIT_ROUNDOFF) * limit
    return EigenvalueRange(found, math.nextafter(limit + slack, math.inf))


def _guess(stack: Tensor) -> float:
    """Return the largest eigenvalue of the most promising matrix."""
    matrix = stack[0] if len(stack) == 1 else stack[_most_promising(stack)]
    # ARPACK treats complex Hermitian matrices as unsymmetric, which takes longer than LAPACK.
    if matrix.shape[0] <= _LANCZOS_SIDE or matrix.is_complex():
        return float(torch.linalg.eigvalsh(matrix)[-1])

    def product(vector: np.ndarray) -> np.ndarray:
        return torch.mv(matrix, torch.from_numpy(vector.ravel())).numpy()

    try:
        return top_eigenvalue(product, start_vector(len(matrix), matrix), tol=1e-12, ncv=30)
    except ArpackError:  # no convergence: pay for all eigenvalues
        return float(torch.linalg.eigvalsh(matrix)[-1])


def _most_promising(stack: Tensor) -> int:
    """Rank the matrices by a few power iterations; the ranking proves nothing."""
    # An uneven start, which no common symmetry of matrices makes orthogonal to their top.
    start = torch.linspace(1.0, 2.0, stack.shape[1], dtype=torch.float64).sqrt()
    x = start.to(stack.dtype).expand(len(stack), -1)[:, :, None]
    for _ in range(4):
        x = stack @ x
        x = x / torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp_min(1e-300)
    return int(torch.linalg.vector_norm(stack @ x, dim=1).argmax())

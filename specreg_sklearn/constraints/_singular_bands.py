"""Clip the singular values of a matrix into a band: exactly, or fast and nearly."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.polynomial import Chebyshev, Polynomial
from torch import Tensor

# Below this side a decomposition is as fast.
_SMALL = 64
_DEGREE = 8
# What a polynomial may be off by, as a part of the half-width of the band.
_ALLOWED = 0.15
# Reaches are rounded up to steps of this, so that polynomials can be kept.
_REACH_STEP = 0.02


def clip_exactly(matrices: Tensor, low: float, high: float) -> Tensor:
    """Return the nearest matrices whose singular values lie in [low, high]; `matrices` if they do.

    `matrices` has shape (groups, n_rows, n_columns).
    """
    left, values, right = torch.linalg.svd(matrices.double(), full_matrices=False)
    clipped = values.clamp(low, high)
    if torch.equal(clipped, values):
        return matrices
    return left * clipped[..., None, :] @ right


def clip_nearly(matrices: Tensor, low: float, high: float) -> Tensor:
    """Return what :func:`clip_exactly` does, to a part of the width of the band.

    The projection is ``f(W W^T) W`` with ``f(l) = clip(sqrt(l)) / sqrt(l)``. Near the band f is
    nearly a polynomial in ``E = W W^T - I``, and matrix products are many times as fast as a
    decomposition. The powers of E also bound how far its eigenvalues reach:
    ``||E||^8 <= trace(E^8)``. Too far away, where no polynomial fits, the decomposition serves.
    """
    n_rows, n_columns = matrices.shape[1:]
    if min(n_rows, n_columns) <= _SMALL:
        return clip_exactly(matrices, low, high)
    W = matrices if n_rows <= n_columns else matrices.mT
    identity = torch.eye(W.shape[1], dtype=W.dtype, device=W.device)
    E = W @ W.mT - identity
    E2 = E @ E
    E4 = E2 @ E2
    bound = float(E4.square().sum(dim=(1, 2)).max()) ** (1 / _DEGREE)
    factors = _factors(low, high, bound)
    if factors is None:
        return clip_exactly(matrices, low, high)
    c = factors
    E3 = E2 @ E
    upper = c[4] * identity + c[5] * E + c[6] * E2 + c[7] * E3 + c[8] * E4
    near = c[0] * identity + c[1] * E + c[2] * E2 + c[3] * E3 + E4 @ upper
    clipped = near @ W
    return clipped if n_rows <= n_columns else clipped.mT


def _factors(low: float, high: float, bound: float) -> list[float] | None:
    """Return coefficients of a polynomial on eigenvalues of E up to a bound; None if none fits."""
    steps = np.ceil(bound / _REACH_STEP) if np.isfinite(bound) else np.inf
    return None if steps * _REACH_STEP >= 1 else _fitted(low, high, max(int(steps), 1))


@lru_cache(maxsize=256)
def _fitted(low: float, high: float, steps: int) -> list[float] | None:
    reach = steps * _REACH_STEP

    def factor(e: np.ndarray) -> np.ndarray:
        root = np.sqrt(1 + e)
        return np.clip(root, low, high) / root

    fitted = Chebyshev.interpolate(factor, _DEGREE, domain=[-reach, reach])
    shown = np.linspace(-reach, reach, 501)
    if np.abs(fitted(shown) - factor(shown)).max() > _ALLOWED * (high - 1):
        return None
    coefficients = fitted.convert(kind=Polynomial).coef
    return [float(c) for c in np.pad(coefficients, (0, _DEGREE + 1 - len(coefficients)))]

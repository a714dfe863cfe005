"""Approximate inverses of the Hessian, for conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import eigh

from specreg_sklearn._typing import FloatArray

Inverse = Callable[[FloatArray], FloatArray]

_TINY = 1e-14


def shared_inverse(between: FloatArray, squares: FloatArray, ridge: FloatArray) -> Inverse:
    """Return the inverse of ``between x diag(squares) + ridge x identity``.

    One generalised eigenproblem of the size of the classes solves it in closed form. `between`
    (n_scores, n_scores) is the curvature of the loss in the intercepts, `squares` (n_features,) are
    weighted mean squares of the columns, and `ridge` (n_scores, n_scores) is positive definite.
    """
    if len(ridge) == 1:
        whole = between * squares + ridge
        return lambda slope: slope / whole
    values, vectors = eigh(between, ridge)
    scale = 1 / (np.maximum(values, 0)[:, None] * squares + 1)
    return lambda slope: vectors @ (scale * (vectors.T @ slope))


def column_inverse(between: FloatArray, squares: FloatArray, ridge: FloatArray) -> Inverse:
    """Return the inverse of one block for each column, ``squares[f] * between + ridge[f]``.

    `ridge` has shape (n_features, n_scores, n_scores); blocks may be nearly singular.
    """
    blocks = squares[:, None, None] * between + ridge
    if blocks.shape[1] == 1:
        whole = blocks[:, 0, 0]
        return lambda slope: slope / whole
    diagonal = np.arange(blocks.shape[1])
    scale = 1 / np.sqrt(blocks[:, diagonal, diagonal])
    blocks *= scale[:, :, None]
    blocks *= scale[:, None, :]
    blocks[:, diagonal, diagonal] += _TINY * len(diagonal)
    inverse = np.linalg.inv(blocks)
    inverse *= scale[:, :, None]
    inverse *= scale[:, None, :]
    return lambda slope: np.matmul(inverse, slope.T[:, :, None])[:, :, 0].T

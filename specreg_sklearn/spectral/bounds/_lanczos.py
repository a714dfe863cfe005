"""The largest eigenvalue of a symmetric operator by ARPACK's Lanczos iteration."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from specreg_sklearn.spectral.layers import Convolution

Product = Callable[[np.ndarray], np.ndarray]


def start_vector(side: int, like: Tensor) -> np.ndarray:
    """Draw the fixed start: a random one leaves out no direction, which a clever guess may do."""
    start = np.random.default_rng(0).standard_normal(side)
    return start.astype(like[:0].cpu().numpy().dtype)


def top_eigenvalue(
    product: Product,
    start: np.ndarray,
    *,
    tol: float,
    ncv: int | None = None,
    maxiter: int | None = None,
) -> float:
    """Return the largest eigenvalue; its error is about the square of `tol`."""
    operator = LinearOperator((len(start), len(start)), matvec=product, dtype=start.dtype)
    (top,) = eigsh(
        operator, k=1, v0=start, tol=tol, ncv=ncv, maxiter=maxiter, return_eigenvectors=False
    )
    return float(top)


def gram_operator(operator: Convolution) -> tuple[Product, int]:
    """Return the smaller of the two Gram operators of a convolution, and its side."""
    inputs = (1, operator.n_inputs, *operator.known_size)
    outputs = (1, len(operator.weight), *operator.output_size)
    wide = math.prod(inputs) > math.prod(outputs)
    shape = outputs if wide else inputs

    def product(vector: np.ndarray) -> np.ndarray:
        rows = torch.from_numpy(np.ascontiguousarray(vector).reshape(shape)).to(operator.weight)
        image = operator(operator.adjoint(rows)) if wide else operator.adjoint(operator(rows))
        return image.flatten().cpu().numpy()

    return product, math.prod(shape)

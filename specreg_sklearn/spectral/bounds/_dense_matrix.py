"""A convolution as one dense matrix, for operators small enough to write down."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from specreg_sklearn.spectral.layers import Convolution

# Entries of the largest matrix that is written down: 32 MB.
_ENTRIES = 2**22


def is_small(convolution: Convolution, side: int) -> bool:
    """Whether the operator fits in memory and has at most `side` inputs, or as many outputs."""
    rows, columns = operator_shape(convolution)
    return min(rows, columns) <= side and rows * columns <= _ENTRIES


def operator_shape(convolution: Convolution) -> tuple[int, int]:
    """Return the numbers of outputs and inputs of a convolution of a known size."""
    rows = convolution.weight.shape[0] * math.prod(convolution.output_size)
    return rows, convolution.n_inputs * math.prod(convolution.known_size)


def dense_matrix(convolution: Convolution) -> Tensor:
    """Return the matrix (n_outputs, n_inputs) of a convolution of a known size.

    It has the dtype and device of the weight. Without padding, or with zeros, its entries are taps
    and are not rounded.
    """
    n_columns = operator_shape(convolution)[1]
    weight = convolution.weight
    unit = torch.eye(n_columns, dtype=weight.dtype, device=weight.device)
    images = unit.reshape(n_columns, convolution.n_inputs, *convolution.known_size)
    return convolution(images).reshape(n_columns, -1).T.contiguous()

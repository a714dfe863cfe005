"""All singular values of a convolution: of the layer's own operator, or of the circular one."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from specreg_sklearn.spectral import Convolution
from specreg_sklearn.spectral.bounds import Symbol, dense_matrix, operator_shape

# Rows times columns of the largest operator that is written out: a second or so, 32 MB.
_DENSE_ENTRIES = 2**22

DENSE, CIRCULAR = "dense", "circular"


def convolution_values(convolution: Convolution, method: str = "auto") -> tuple[Tensor, str]:
    """Return all singular values of a convolution in falling order, and of which operator they are.

    Parameters
    ----------
    convolution : Convolution
        With the size of its images.
    method : {"auto", "dense", "circular"}, default="auto"
        "dense" writes the layer's operator out as a matrix, with its true padding and stride.
        "circular" takes the convolution on a ring of the image's size: one small matrix per
        frequency. "auto" is "dense" up to some four million entries.

    Returns
    -------
    values : Tensor of shape (n_values,)
        In float64.
    method : {"dense", "circular"}
        What was done.
    """
    convolution = convolution.with_weight(convolution.weight.detach().double().cpu())
    if method == "auto":
        n_entries = math.prod(operator_shape(convolution))
        method = DENSE if n_entries <= _DENSE_ENTRIES else CIRCULAR
    if method == DENSE:
        return torch.linalg.svdvals(dense_matrix(convolution)), DENSE
    return _circular_values(convolution), CIRCULAR


def _circular_values(convolution: Convolution) -> Tensor:
    """Return the values on the ring; a side that the stride does not divide is rounded up."""
    assert convolution.size is not None
    sides = zip(convolution.size, convolution.stride, strict=True)
    frequencies = tuple(math.ceil(side / step) for side, step in sides)
    symbol = Symbol(
        convolution.weight, convolution.stride, convolution.dilation, convolution.groups
    )
    points = torch.tensor(list(itertools.product(*map(range, frequencies))))
    blocks = [
        torch.linalg.svdvals(symbol.matrices(part, frequencies)).flatten()
        for part in points.split(1024)
    ]
    values = torch.cat(blocks)
    # Phases between strides that no tap meets are columns of zeros.
    n_columns = symbol.n_inputs * math.prod(convolution.stride)
    missing = min(symbol.n_outputs, n_columns) - min(symbol.shape)
    zeros = torch.zeros(missing * len(points) * convolution.groups, dtype=values.dtype)
    return torch.cat([values, zeros]).sort(descending=True).values

"""Numpy functions on tensors, with a gradient by central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

Function = Callable[[np.ndarray], np.ndarray]

# The step at which rounding and curvature cost a central difference about the same.
_STEP = 6e-6


def rows_to_rows(function: Function, X: Tensor) -> Tensor:
    """Apply a function that maps every row by itself; its gradient takes two calls per column."""
    return _OfRows.apply(X, function)


def cells_to_cells(function: Function, X: Tensor) -> Tensor:
    """Apply a function that maps every entry by itself; its gradient takes two calls."""
    return _OfCells.apply(X, function)


def as_array(X: Tensor) -> np.ndarray:
    """Return a copy of the entries without their history."""
    return np.array(X.detach().numpy())


class _Differenced(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, X: Tensor, function: Function) -> Tensor:
        ctx.function = function
        ctx.save_for_backward(X)
        return torch.from_numpy(np.ascontiguousarray(function(as_array(X)), dtype=np.float64))


class _OfRows(_Differenced):
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        X = as_array(ctx.saved_tensors[0])
        n_rows = len(X)
        flat, gradient = X.reshape(n_rows, -1), gradients[0].numpy().reshape(n_rows, -1)
        pulled = np.empty_like(flat)
        for column in range(flat.shape[1]):
            step = _STEP * np.maximum(1.0, np.abs(flat[:, column]))
            ends = []
            for sign in (1.0, -1.0):
                moved = flat.copy()
                moved[:, column] += sign * step
                ends.append(ctx.function(moved.reshape(X.shape)).reshape(n_rows, -1))
            slope = (ends[0] - ends[1]) / (2 * step)[:, None]
            pulled[:, column] = (slope * gradient).sum(axis=1)
        return torch.from_numpy(pulled.reshape(X.shape)), None


class _OfCells(_Differenced):
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        X = as_array(ctx.saved_tensors[0])
        step = _STEP * np.maximum(1.0, np.abs(X))
        slope = (ctx.function(X + step) - ctx.function(X - step)) / (2 * step)
        return gradients[0] * torch.from_numpy(slope), None

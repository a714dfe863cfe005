"""Stages one after the other, and sequences of them side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from specreg_sklearn.certificates.stages._affine import Affine
from specreg_sklearn.certificates.stages._joins import Value, growth_after
from specreg_sklearn.certificates.stages._stage import Stage
from specreg_sklearn.spectral.bounds import above


class Parallel(Stage):
    """Several sequences of stages on columns of the same rows, their results side by side.

    A branch is an array of column numbers, and the stages that follow on them.
    """

    def __init__(self, branches: list[tuple[np.ndarray, list[Stage]]], n_inputs: int) -> None:
        self.branches, self.n_inputs = branches, n_inputs
        self.n_outputs = sum(width_after(stages, len(columns)) for columns, stages in branches)
        if any(is_compared(stages) for _, stages in branches):
            self.comparison = self._compare_branches

    def _compare_branches(self, X: np.ndarray) -> None:
        """Compare networks inside with their modules, on the rows that reach them."""
        for columns, stages in self.branches:
            compare_with_models(stages, X[:, columns])

    def lipschitz(self) -> float:
        """Return a bound of the constant: the largest one where no column is used twice."""
        each = [product_bound(stages) for _, stages in self.branches]
        used = np.concatenate([columns for columns, _ in self.branches])
        most = np.bincount(used, minlength=1).max(initial=0)
        if most <= 1:
            return max(each, default=0.0)
        n = len(each) + 2
        return min(
            above(math.sqrt(sum(above(bound * bound, 1) for bound in each)), n),
            above(math.sqrt(most) * max(each), 3),
        )

    def forward(self, X: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = [run(stages, X[:, columns], error[:, columns]) for columns, stages in self.branches]
        values, errors = zip(*parts, strict=True)
        return np.hstack(values), np.hstack(errors)

    def computed(
        self, X: np.ndarray, error: np.ndarray, coarseness: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Apply every branch in coarser arithmetic; see :meth:`Stage.computed`."""
        parts = []
        for columns, stages in self.branches:
            value = X[:, columns], error[:, columns]
            for stage in stages:
                value = stage.computed(*value, coarseness)
            parts.append(value)
        values, errors = zip(*parts, strict=True)
        return np.hstack(values), np.hstack(errors)

    def spread(self, change: np.ndarray) -> np.ndarray:
        """Follow every branch; see :meth:`Stage.spread`."""
        return self._growth(change)[0]

    def rounding_growth(self, size: np.ndarray) -> np.ndarray:
        """Follow every branch; see :meth:`Stage.rounding_growth`."""
        return self._growth(size)[1]

    def _growth(self, change: np.ndarray) -> Value:
        parts = []
        for columns, stages in self.branches:
            value = change[:, columns], np.zeros((1, len(columns)))
            for stage in stages:
                value = growth_after(stage, *value)
            parts.append(value)
        changes, errors = zip(*parts, strict=True)
        return np.hstack(changes), np.hstack(errors)

    def tensor(self, X: Tensor) -> Tensor:
        parts = [
            apply_stages(stages, X[:, torch.as_tensor(c, device=X.device)])
            for c, stages in self.branches
        ]
        return torch.cat(parts, dim=1)


def side_by_side(branches: list[tuple[np.ndarray, list[Stage]]], n_inputs: int) -> list[Stage]:
    """Return stages that apply sequences to columns and join the results.

    Where all of them are affine so is the whole, and it is written as affine stages: the columns
    are picked, then each depth is one block-diagonal matrix. Such stages fold into their
    neighbours exactly.
    """
    branches = [(columns, stages) for columns, stages in branches if len(columns)]
    affine = [[stage for stage in stages if isinstance(stage, Affine)] for _, stages in branches]
    if any(len(kept) < len(stages) for kept, (_, stages) in zip(affine, branches, strict=True)):
        return [Parallel(branches, n_inputs)]
    picked = np.concatenate([columns for columns, _ in branches])
    joined: list[Stage] = [Affine(np.eye(n_inputs)[picked])]
    joined[0].comparison = Parallel(branches, n_inputs).comparison
    widths = [len(columns) for columns, _ in branches]
    for depth in range(max(map(len, affine))):
        blocks = [
            stages[depth] if depth < len(stages) else Affine(np.ones(width))
            for width, stages in zip(widths, affine, strict=True)
        ]
        joined.append(_block_diagonal(blocks))
        widths = [width_after([block], 0) for block in blocks]
    return joined


def _block_diagonal(blocks: list[Affine]) -> Affine:
    flat = all(block.is_diagonal for block in blocks)
    n_outputs = sum(block.n_outputs for block in blocks)
    if flat:
        weight = np.concatenate([block.weight for block in blocks])
    else:
        weight = np.zeros((n_outputs, sum(block.n_inputs for block in blocks)))
        row = column = 0
        for block in blocks:
            height, width = block.n_outputs, block.n_inputs
            weight[row : row + height, column : column + width] = block.dense()
            row, column = row + height, column + width
    return Affine(
        weight,
        np.concatenate([np.broadcast_to(block.bias, block.n_outputs) for block in blocks]),
        # The norm of a block-diagonal matrix is that of its largest block.
        max(block.weight_error for block in blocks),
        entry_error=max(block.entry_error for block in blocks),
        bias_error=np.concatenate(
            [np.broadcast_to(block.bias_error, block.n_outputs) for block in blocks]
        ),
    )


def width_after(stages: list[Stage], n_inputs: int) -> int:
    """Return how many columns stages make of so many."""
    widths = [stage.n_outputs for stage in stages if stage.n_outputs is not None]
    return widths[-1] if widths else n_inputs


def run(stages: Sequence[Stage], X: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Apply stages one after the other, with their rounding errors."""
    for stage in stages:
        X, error = stage.forward(X, error)
    return X, error


def is_compared(stages: Sequence[Stage]) -> bool:
    """Tell whether some stages were read off a model that they can be compared with."""
    return any(stage.comparison is not None for stage in stages)


def compare_with_models(stages: Sequence[Stage], X: np.ndarray) -> None:
    """Compare stages with the models that they were read off, on the rows that reach them.

    Raises
    ------
    NoLipschitzBound
        If a model computes something else on one of the rows.
    """
    if not is_compared(stages):
        return
    for stage in stages:
        if stage.comparison is not None:
            stage.comparison(X)
        X, _ = stage.forward(X, np.zeros_like(X))


def apply_stages(stages: Sequence[Stage], X: Tensor) -> Tensor:
    """Apply stages one after the other to a tensor of rows; gradients flow to it."""
    for stage in stages:
        X = stage.tensor(X)
    return X


def product_bound(stages: list[Stage]) -> float:
    """Return the product of the stages' constants, rounded up; 1 for no stage."""
    product = 1.0
    for stage in stages:
        product = above(product * stage.lipschitz(), 1)
    return product

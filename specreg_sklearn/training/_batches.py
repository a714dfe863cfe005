"""Rows that live in memory, cut into batches without a DataLoader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

_PREDICT_ROWS = 16384

Batch: TypeAlias = tuple[Tensor, tuple[Tensor, Tensor | None]]


class TensorRows(torch.utils.data.Dataset):
    """Rows, class codes and weights as tensors on the training device.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows; they are copied, so that read-only arrays are welcome.
    y : ndarray of shape (n_samples,)
        Class codes.
    weight : ndarray of shape (n_samples,)
        Sample weights. Equal ones are kept as None: a plain mean is cheaper than a weighted one.
    device : torch.device or str
        Where the tensors live.
    """

    def __init__(
        self, X: np.ndarray, y: np.ndarray, weight: np.ndarray, device: torch.device | str
    ) -> None:
        # A copy in row order; torch refuses negative strides.
        self.X = torch.tensor(np.ascontiguousarray(X), device=device)
        self.y = torch.tensor(np.ascontiguousarray(y), dtype=torch.int64, device=device)
        self.weight: Tensor | None = None
        if (weight != weight[0]).any():
            weight = np.ascontiguousarray(weight)
            self.weight = torch.tensor(weight, dtype=self.X.dtype, device=device)

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, rows: int | slice | Tensor) -> Batch:
        weight = None if self.weight is None else _taken(self.weight, rows)
        return _taken(self.X, rows), (_taken(self.y, rows), weight)

    def batches(self, order: slice | Tensor, bounds: list[int]) -> Iterator[Batch]:
        """Yield the rows in an order, cut at `bounds`: gathered once, the batches are views."""
        X, (y, weight) = self[order]
        for start, stop in pairwise(bounds):
            rows = slice(start, stop)
            yield X[rows], (y[rows], None if weight is None else weight[rows])


def _taken(values: Tensor, rows: int | slice | Tensor) -> Tensor:
    """Return ``values[rows]``; by positions this takes a third of the time."""
    return values.index_select(0, rows) if isinstance(rows, Tensor) else values[rows]


class MappedRows(TensorRows):
    """Rows that stay in their file: every batch reads its own.

    Parameters are those of :class:`TensorRows`, with a memory map, or a view of one, as `X`.
    """

    def __init__(
        self, X: np.ndarray, y: np.ndarray, weight: np.ndarray, device: torch.device | str
    ) -> None:
        super().__init__(X[:1], y, weight, device)
        self._mapped = X

    def __getitem__(self, rows: int | slice | Tensor) -> Batch:
        places = rows.cpu().numpy() if isinstance(rows, Tensor) else rows
        X = torch.from_numpy(np.array(self._mapped[places], order="C")).to(self.X.device)
        weight = None if self.weight is None else self.weight[rows]
        return X, (self.y[rows], weight)

    def batches(self, order: slice | Tensor, bounds: list[int]) -> Iterator[Batch]:
        """Yield the rows in an order, cut at `bounds`, reading one batch at a time."""
        for start, stop in pairwise(bounds):
            yield self[slice(start, stop) if isinstance(order, slice) else order[start:stop]]


def tensor_rows(
    X: np.ndarray, y: np.ndarray, weight: np.ndarray, device: torch.device | str
) -> TensorRows:
    """Return a dataset of rows: in memory, or left in the file that they are mapped from.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows; a memory map, or a view of one, is not copied as a whole.
    y : ndarray of shape (n_samples,)
        Class codes.
    weight : ndarray of shape (n_samples,)
        Sample weights.
    device : torch.device or str
        Where batches live.

    Returns
    -------
    TensorRows
        The dataset.
    """
    kind = MappedRows if _is_mapped(X) else TensorRows
    return kind(X, y, weight, device)


def _is_mapped(X: object) -> bool:
    """Tell whether an array is a memory map, or a view of one: validation makes plain views."""
    while isinstance(X, np.ndarray):
        if isinstance(X, np.memmap):
            return True
        X = X.base
    return False


class BatchLoader:
    """Iterate over batches of :class:`TensorRows` as slices.

    A DataLoader collates row by row: on a table of 569 rows it takes 60 times as long as this. With
    `shuffle` every pass has a new order, drawn by the generator. The last batch may be smaller; one
    of fewer than `least_rows` joins the one before it.
    """

    def __init__(
        self,
        dataset: TensorRows,
        batch_size: int,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
        least_rows: int = 1,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.generator = generator
        self.least_rows = least_rows

    def __len__(self) -> int:
        return len(self._bounds()) - 1

    def _bounds(self) -> list[int]:
        """Return where batches begin, and the end of the last one."""
        n_samples = len(self.dataset)
        bounds = [*range(0, n_samples, self.batch_size), n_samples]
        if len(bounds) > 2 and bounds[-1] - bounds[-2] < self.least_rows:
            del bounds[-2]
        return bounds

    def __iter__(self) -> Iterator[Batch]:
        n_samples = len(self.dataset)
        order: slice | Tensor = slice(None)
        if self.shuffle:
            order = torch.randperm(n_samples, generator=self.generator)
            order = order.to(self.dataset.X.device)
        yield from self.dataset.batches(order, self._bounds())


def batched(
    function: Callable[[Tensor], Tensor], X: np.ndarray, *, device: torch.device | str
) -> np.ndarray:
    """Apply a torch function to an array in large blocks, without gradients.

    Parameters
    ----------
    function : callable
        Maps a tensor (n, n_features) to a tensor (n, ...).
    X : ndarray of shape (n_samples, n_features)
        The rows, in the dtype that `function` expects.
    device : torch.device or str
        Where `function` computes.

    Returns
    -------
    ndarray of shape (n_samples, ...)
        The results in row order.
    """

    def apply(rows: np.ndarray) -> np.ndarray:
        # A copy: torch cannot share memory that must not change, and a network may work in place.
        block = torch.from_numpy(np.array(rows, order="C")).to(device)
        return np.asarray(function(block).cpu().numpy())

    starts = range(0, max(len(X), 1), _PREDICT_ROWS)
    with torch.inference_mode():
        blocks = [apply(X[start : start + _PREDICT_ROWS]) for start in starts]
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

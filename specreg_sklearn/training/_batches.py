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
        return len(self.X)

    def __getitem__(self, rows: int | slice | Tensor) -> Batch:
        weight = None if self.weight is None else self.weight[rows]
        return self.X[rows], (self.y[rows], weight)


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
        if self.shuffle:  # gather once a pass; the batches are views
            order = torch.randperm(n_samples, generator=self.generator)
            order = order.to(self.dataset.X.device)
        X, (y, weight) = self.dataset[order]
        for start, stop in pairwise(self._bounds()):
            rows = slice(start, stop)
            yield X[rows], (y[rows], None if weight is None else weight[rows])


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
    # A copy: torch cannot share memory that must not change, and a network may work in place.
    rows = torch.from_numpy(np.array(X, order="C"))
    with torch.inference_mode():
        blocks = [function(block.to(device)).cpu().numpy() for block in rows.split(_PREDICT_ROWS)]
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

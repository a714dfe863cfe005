"""Views of rows of a table: cells borrowed from other rows, and noise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from specreg_sklearn.objectives.self_supervised._views import DrawView, Views
from specreg_sklearn.tables import check_number, check_share


class TableViews(Views):
    """Replace some cells of a row by those of other rows, and add noise.

    Every cell is replaced with probability `corruption` by the cell of the same column in another
    row of the batch, drawn for each cell. A view so holds values that the column really takes.
    Then Gaussian noise is added. Labels are not needed.

    Parameters
    ----------
    corruption : float, default=0.3
        Probability that a cell is replaced, in [0, 1].
    noise : float, default=0.1
        Standard deviation of the noise, in units of the column's own over the training rows. A
        constant column stays as it is.

    References
    ----------
    Bahri, Jiang, Tay, Metzler, "SCARF: Self-Supervised Contrastive Learning using Random Feature
    Corruption", arXiv:2106.15147.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from specreg_sklearn.objectives import TableViews
    >>> X = np.array([[1.0, 10.0, 7.0], [2.0, 20.0, 7.0], [3.0, 30.0, 7.0]])
    >>> draw = TableViews(corruption=0.5, noise=0.0).bind(
    ...     X, input_shape=(3,), generator=torch.Generator().manual_seed(1)
    ... )
    >>> draw(torch.tensor(X))
    tensor([[ 3., 10.,  7.],
            [ 2., 10.,  7.],
            [ 2., 30.,  7.]], dtype=torch.float64)
    """

    def __init__(self, corruption: float = 0.3, *, noise: float = 0.1) -> None:
        self.corruption = corruption
        self.noise = noise

    def check_rows(self, X: np.ndarray) -> None:
        """Raise if a setting is not accepted; see :meth:`Views.check_rows`."""
        check_share("corruption", self.corruption)
        check_number("noise", self.noise, 0)

    def bind(
        self, X: np.ndarray, *, input_shape: tuple[int, ...], generator: torch.Generator
    ) -> DrawView:
        """Measure the spread of every column; see :meth:`Views.bind`."""
        self.check_rows(X)
        columns = X.reshape(len(X), -1)
        spread = columns.std(axis=0, dtype=np.float64)
        # The mean of equal numbers is not always that number.
        spread[columns.max(axis=0) == columns.min(axis=0)] = 0.0
        return _DrawTableView(self, torch.from_numpy(spread), generator)


class _DrawTableView:
    def __init__(self, settings: TableViews, spread: Tensor, generator: torch.Generator) -> None:
        self.corruption = float(settings.corruption)
        self.noise_scale = float(settings.noise) * spread
        self.generator = generator

    def __call__(self, X: Tensor) -> Tensor:
        rows = X.reshape(len(X), -1)
        if self.corruption > 0 and len(rows) > 1:
            rows = self._corrupted(rows)
        if (self.noise_scale > 0).any():
            noise = torch.randn(rows.shape, generator=self.generator, dtype=rows.dtype)
            rows = rows + (noise * self.noise_scale.to(rows.dtype)).to(rows.device)
        return rows.view_as(X)

    def _corrupted(self, rows: Tensor) -> Tensor:
        n_rows = len(rows)
        steps = torch.randint(1, n_rows, rows.shape, generator=self.generator)
        draws = torch.rand(rows.shape, generator=self.generator, dtype=torch.float32)
        steps *= draws < self.corruption
        sources = (torch.arange(n_rows)[:, None] + steps) % n_rows
        return rows.gather(0, sources.to(rows.device))

"""Sparse rows of scipy as a table: computed dense, some rows at a time, and handed back sparse."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from specreg_sklearn.tables.containers._arrays import (
    NOTHING_EXACT,
    NOTHING_REPLACED,
    ArrayTable,
    Exact,
    Integers,
    Replaced,
)

# Cells that are held dense at once while rows are written: 128 MB.
_BLOCK = 2**24
# Cells that one call may ask for: 4 GB.
_MOST_CELLS = 2**29


class SparseTable(ArrayTable):
    """A sparse matrix or array of numbers, of any format.

    Parameters
    ----------
    data : scipy.sparse matrix or array of shape (n_rows, n_columns)
        What is not stored is 0.
    container : type, default=None
        The type of the rows that are handed back; None takes that of `data`.
    """

    def __init__(self, data: Any, container: type | None = None) -> None:
        self.container = type(data) if container is None else container
        self.rows = data.tocsr()
        super().__init__(self.rows)
        self.bare = False

    @cached_property
    def _by_column(self) -> Any:
        return self.rows.tocsc()

    def cells(self, column: int) -> np.ndarray:
        """Return one column as it is."""
        return self._by_column[:, [column]].toarray()[:, 0]

    def integers(self, column: int) -> Integers:
        """Return a column of whole numbers exactly; see :data:`Integers`."""
        return self.cells(column), np.zeros(self.n_rows, dtype=bool)

    def numbers(self, columns: np.ndarray) -> np.ndarray:
        """Return columns as a new, dense float64 array."""
        if self.n_rows * len(columns) > _MOST_CELLS:
            raise ValueError(
                f"X is sparse, of shape ({self.n_rows}, {self.n_columns}), and would take "
                f"{8 * self.n_rows * len(columns) / 2**30:.0f} GB as dense rows. Pass some of the "
                "rows, or a space made of some of them, as in FeatureSpace.from_data(X[:1000], "
                "mutable=[...]), together with max_samples."
            )
        every = len(columns) == self.n_columns
        part = self.rows if every and _is_range(columns) else self._by_column[:, columns]
        return np.ascontiguousarray(part.toarray(), dtype=np.float64)

    def take(self, rows: np.ndarray | slice) -> SparseTable:
        """Return the table of some rows."""
        return SparseTable(self.rows[rows], self.container)

    def write(
        self,
        rows: np.ndarray,
        columns: np.ndarray,
        values: np.ndarray,
        moved: np.ndarray | None,
        exact: Exact = NOTHING_EXACT,
        replaced: Replaced = NOTHING_REPLACED,
    ) -> Any:
        """Do as :meth:`ArrayTable.write`, and return the container of the data."""
        rows = np.arange(self.n_rows)[rows]
        if not len(columns) and not replaced:
            return self.container(self.rows[rows])
        step = max(1, _BLOCK // self.n_columns)
        parts = []
        for begin in range(0, len(rows), step):
            part = slice(begin, begin + step)
            dense = ArrayTable(self.rows[rows[part]].toarray())
            written = dense.write(
                np.arange(dense.n_rows),
                columns,
                values[part],
                None if moved is None else moved[part],
                {k: cells[part] for k, cells in exact.items()},
                {j: cells[part] for j, cells in replaced.items()},
            )
            parts.append(sparse.csr_array(written))
        if not parts:
            return self.container(self.rows[rows])
        return self.container(parts[0] if len(parts) == 1 else sparse.vstack(parts, format="csr"))


def _is_range(columns: np.ndarray) -> bool:
    return bool((columns == np.arange(len(columns))).all())

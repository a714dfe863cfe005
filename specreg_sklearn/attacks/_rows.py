"""Clean rows seen from a feature space: coordinates out, real rows back in.

Three views of a row are used in this folder:

- the user's cells (a row of a frame, with its dtypes);
- `raw`: the movable cells as float64 numbers, always exactly representable in the column's dtype;
- coordinates: ``raw / scale``, the float64 space in which attacks compute.

A coordinate row always belongs to a clean row, its *owner*: the owner lends the cells that do not
move, and the box.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn.attacks._tables import Table

# Beyond this a float64 cannot tell neighbouring whole numbers apart.
_EXACT_INTEGERS = 2.0**53


class CleanRows:
    """Rows bound to a feature space (made by ``FeatureSpace.bind``).

    Parameters
    ----------
    table : Table
        The rows in their container.
    columns : ndarray of shape (d,), int
        Positions of the movable columns.
    raw : ndarray of shape (n, d), float64
        Their cells; NaN where missing.
    low, high : ndarray of shape (d,)
        The box, in the units of X, with infinite ends where open.
    integer : ndarray of shape (d,), bool
        Columns that hold whole numbers.
    scale : ndarray of shape (d,)
        Units.

    Attributes
    ----------
    x : ndarray of shape (n, d), float64
        Coordinates of the clean rows; 0 where a cell is missing.
    missing : ndarray of shape (n, d), bool
        Missing cells: they never move.
    lo, hi : ndarray of shape (n, d), float64
        Each row's box in coordinates. It contains the clean row.
    """

    def __init__(
        self,
        table: Table,
        columns: np.ndarray,
        raw: np.ndarray,
        *,
        low: np.ndarray,
        high: np.ndarray,
        integer: np.ndarray,
        scale: np.ndarray,
    ) -> None:
        self.table, self.columns, self.scale, self.integer = table, columns, scale, integer
        self.low, self.high = low, high
        self.missing = np.isnan(raw)
        # C order: sums over a row must not depend on how many rows there are.
        self.raw = np.ascontiguousarray(np.where(self.missing, 0.0, raw))
        low, high = low.copy(), high.copy()
        low[integer], high[integer] = np.ceil(low[integer]), np.floor(high[integer])
        self._narrow: list[tuple[np.dtype, np.ndarray]] = []
        dtypes = np.array([str(table.dtype(int(c))) for c in columns], dtype=object)
        for name in sorted(set(dtypes)):
            dtype, mask = np.dtype(name), dtypes == name
            if dtype.kind in "iu":
                low[mask] = np.maximum(low[mask], max(np.iinfo(dtype).min, -_EXACT_INTEGERS))
                high[mask] = np.minimum(high[mask], min(np.iinfo(dtype).max, _EXACT_INTEGERS))
            elif dtype.itemsize < 8:
                self._narrow.append((dtype, np.flatnonzero(mask)))
                low[mask] = np.maximum(low[mask], float(np.finfo(dtype).min))
                high[mask] = np.minimum(high[mask], float(np.finfo(dtype).max))
        self._raw_lo = np.where(self.missing, 0.0, np.minimum(low, self.raw))
        self._raw_hi = np.where(self.missing, 0.0, np.maximum(high, self.raw))
        self.x = self.raw / scale
        self.lo, self.hi = self._raw_lo / scale, self._raw_hi / scale

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: np.ndarray) -> CleanRows:
        """Return some of the rows, for example those that one worker attacks."""
        raw = np.where(self.missing, np.nan, self.raw)[rows]
        return CleanRows(
            self.table.take(rows),
            self.columns,
            raw,
            low=self.low,
            high=self.high,
            integer=self.integer,
            scale=self.scale,
        )

    def finite_box(self, reach: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows' boxes with open ends closed at `reach`, in coordinates.

        Searches need a finite box to draw noise from; `reach` (two arrays of shape (d,)) says how
        far to go where the space itself sets no bound.
        """
        lo = np.where(np.isinf(self.low), np.minimum(reach[0], self.x), self.lo)
        hi = np.where(np.isinf(self.high), np.maximum(reach[1], self.x), self.hi)
        return np.where(self.missing, self.x, lo), np.where(self.missing, self.x, hi)

    def snap(self, Z: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Return the raw cells that coordinates really stand for: clipped, rounded and cast.

        Parameters
        ----------
        Z : ndarray of shape (m, d)
            Coordinates.
        owner : ndarray of shape (m,), int
            The clean row of each.

        Returns
        -------
        ndarray of shape (m, d), float64
            Cells in the units of X, exactly representable in the columns' dtypes.
        """
        base, x = self.raw[owner], self.x[owner]
        lo, hi = self._raw_lo[owner], self._raw_hi[owner]
        # Adding the scaled step to the clean cell keeps cells that did not move free of rounding.
        raw = np.clip(base + (Z - x) * self.scale, lo, hi)
        if self.integer.any():
            raw[:, self.integer] = np.rint(raw[:, self.integer])
        for dtype, mask in self._narrow:
            # The cast may step over the box by one unit in the last place: step back inwards.
            cells = raw[:, mask].astype(dtype)
            inward = np.nextafter(cells, np.array(-np.inf, dtype))
            cells = np.where(cells.astype(np.float64) > hi[:, mask], inward, cells)
            inward = np.nextafter(cells, np.array(np.inf, dtype))
            cells = np.where(cells.astype(np.float64) < lo[:, mask], inward, cells)
            raw[:, mask] = cells
        return raw

    def build(self, raw: np.ndarray, owner: np.ndarray) -> Any:
        """Return rows in the user's container, with `raw` in the cells that moved.

        Parameters
        ----------
        raw : ndarray of shape (m, d), float64
            Cells as returned by :meth:`snap`.
        owner : ndarray of shape (m,), int
            The clean row of each.

        Returns
        -------
        container
            Like the user's X, with m rows.
        """
        return self.table.write(owner, self.columns, raw, raw != self.raw[owner])

    def distance(self, raw: np.ndarray, owner: np.ndarray, norm: float) -> np.ndarray:
        """Return how far rows are from their owners, in scaled units."""
        return length((raw - self.raw[owner]) / self.scale, norm)


def length(steps: np.ndarray, norm: float) -> np.ndarray:
    """Return the L2 or Linf norm of each row of an (m, d) array."""
    if steps.shape[1] == 0:
        return np.zeros(len(steps))
    if norm == np.inf:
        return np.abs(steps).max(axis=1)
    # Scaling by the largest entry keeps very small and very large steps from under- or overflowing.
    peak = np.abs(steps).max(axis=1)
    unit = np.where(peak > 0, peak, 1.0)
    return peak * np.sqrt(np.square(steps / unit[:, None]).sum(axis=1))

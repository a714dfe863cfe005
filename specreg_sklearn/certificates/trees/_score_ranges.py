"""What the sums of an ensemble of trees may be for rows moved by up to a distance."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.trees._ensemble import TreeEnsemble
from specreg_sklearn.certificates.trees._leaf_boxes import LeafBoxes
from specreg_sklearn.certificates.trees._row_cells import CellsOfRows, RowCells, within_reach
from specreg_sklearn.space import CleanRows

# A leaf counts as met a little before it is.
_BEFORE = 1 - 1e-9


class TreeScoreRanges:
    """Ranges of the sums: each tree is in a leaf that a move of the length can reach.

    Parameters
    ----------
    ensemble : TreeEnsemble
        The trees.
    rows : CleanRows
        The rows, bound to their space.
    norm : {1, 2, inf}
        The norm of moves.
    """

    def __init__(self, ensemble: TreeEnsemble, rows: CleanRows, norm: float) -> None:
        n = len(rows)
        X = rows.write(rows.raw, np.arange(n))
        cells = CellsOfRows(ensemble, rows, ensemble.numbers(X), norm)
        self.base, self.rounding = ensemble.trees.base, ensemble.rounding
        boxes = ensemble.boxes
        self._value = ensemble.trees.nodes.value[boxes.node]
        self._begin = np.flatnonzero(np.diff(boxes.tree, prepend=-1))
        self._reach = within_reach(ensemble, rows, norm)
        self._distance = np.stack([_leaf_distances(boxes, cells.of(i), norm) for i in range(n)])

    def __call__(self, radius: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the least and the greatest sums (n_rows, n_outputs), rounding included."""
        met = self._distance * _BEFORE <= radius[:, None]
        # Where steps were not followed, rows may be in any leaf.
        met |= (radius >= self._reach)[:, None]
        low, high = (np.empty((len(radius), len(self.base))) for _ in range(2))
        for k, value in enumerate(self._value.T):
            least, most = np.where(met, value, np.inf), np.where(met, value, -np.inf)
            low[:, k] = np.minimum.reduceat(least, self._begin, axis=1).sum(axis=1)
            high[:, k] = np.maximum.reduceat(most, self._begin, axis=1).sum(axis=1)
        return low + self.base - 2 * self.rounding, high + self.base + 2 * self.rounding


def _leaf_distances(boxes: LeafBoxes, cells: RowCells, norm: float) -> FloatArray:
    """Return how far it is from a row to each leaf, as if there were no other tree."""
    step = cells.step
    # From the row outwards, the cheapest cell from here on: a cell may hold no whole number.
    up, down = step.copy(), step.copy()
    for begin, end in zip(boxes.cell_start[:-1], boxes.cell_start[1:], strict=True):
        up[begin:end] = np.minimum.accumulate(step[begin:end][::-1])[::-1]
        down[begin:end] = np.minimum.accumulate(step[begin:end])
    first, last = boxes.ends
    home = cells.home[boxes.column]
    cost = np.where(home < first, up[first], np.where(home > last, down[last], 0.0))
    cost = np.where(first > last, np.inf, cost)
    cost = np.where(cells.missing[boxes.column], 0.0, cost)
    out = np.zeros(len(boxes.node))
    if norm == np.inf:
        np.maximum.at(out, boxes.leaf, cost)
    else:
        np.add.at(out, boxes.leaf, cost if norm == 1 else cost * cost)
        out = out if norm == 1 else np.sqrt(out)
    out[cells.leaf_out] = np.inf
    return out

"""The cells around one row: where each one can be entered at the lowest cost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.certificates.pipelines import NoCertificateError
from specreg_sklearn.certificates.trees._ensemble import TreeEnsemble
from specreg_sklearn.space import CleanRows
from specreg_sklearn.tables import column_label


class RowCells(NamedTuple):
    """All cells of an ensemble as one row sees them.

    Parameters
    ----------
    home : ndarray of shape (n_columns,), int
        The cell that the row is in, among the cells of all columns.
    point : ndarray of shape (n_cells,), float64
        The nearest number of each cell that the row may hold.
    step : ndarray of shape (n_cells,), float64
        How far it is, in units of its column; infinite where there is none.
    leaf_out : ndarray of shape (n_leaves,), bool
        Leaves that the row cannot reach: its missing values and categories go elsewhere.
    missing : ndarray of shape (n_columns,), bool
        Columns without a value, in which leaves ask nothing more.
    """

    home: IntArray
    point: FloatArray
    step: FloatArray
    leaf_out: BoolArray
    missing: BoolArray


class CellsOfRows:
    """The cells of an ensemble as the rows of a space see them.

    Numbers are those that rows can hold: whole where the column is, and in float32 where the cells
    of X are.

    Parameters
    ----------
    ensemble : TreeEnsemble
        The trees.
    rows : CleanRows
        The rows, bound to their space.
    numbers : ndarray of shape (n_rows, n_columns), float64
        All their cells, as the trees see them.
    norm : {0, 1, 2, inf}
        The norm of the distances, at the prices of the columns.
    """

    def __init__(
        self, ensemble: TreeEnsemble, rows: CleanRows, numbers: FloatArray, norm: float
    ) -> None:
        self.boxes, self.rows, self.numbers = ensemble.boxes, rows, numbers
        self.dearer = rows.dearer(norm)
        _check_movable(ensemble, rows)
        boxes = ensemble.boxes
        self.homes = boxes.cells_of(numbers) + boxes.cell_start[:-1]
        n_cells = np.diff(boxes.cell_start)
        self.column = np.repeat(np.arange(len(n_cells)), n_cells)
        place = np.full(len(n_cells), -1)
        place[rows.columns] = np.arange(len(rows.columns))
        self.place = place
        self.low, self.high = self._ends()

    def _ends(self) -> tuple[FloatArray, FloatArray]:
        """Return the smallest and the largest number of each cell that a row can hold."""
        boxes, rows = self.boxes, self.rows
        low, high = np.full(boxes.n_cells, -np.inf), np.full(boxes.n_cells, np.inf)
        dtypes = {int(k): dtype for dtype, some in rows.narrow for k in some}
        for k, j in enumerate(rows.columns.tolist()):
            begin, end = boxes.cell_start[j], boxes.cell_start[j + 1]
            cuts = boxes.thresholds[begin - j : end - j - 1]
            below = np.floor(cuts) if rows.integer[k] else cuts
            above = below + 1 if rows.integer[k] else np.nextafter(cuts, np.inf)
            if k in dtypes:
                below, above = _held(below, dtypes[k], -1), _held(above, dtypes[k], 1)
            high[begin : end - 1], low[begin + 1 : end] = below, above
        return low, high

    def of(self, i: int) -> RowCells:
        """Return the cells around row i."""
        boxes, rows = self.boxes, self.rows
        home, x = self.homes[i], self.numbers[i]
        missing = np.isnan(x)
        place = self.place[self.column]
        lo, hi = (np.broadcast_to(end, rows.raw[:1].shape)[0] for end in rows.box(np.array([i])))
        # Gaps may be filled by a step in front of the trees, but they never move.
        gap = np.append(rows.missing[i], True)[place]
        may_move = ~gap & ~missing[self.column]
        cell = np.arange(boxes.n_cells)
        at_home = home[self.column]
        clean = np.append(rows.raw[i], 0.0)[place]
        point = np.where(cell > at_home, self.low, self.high)
        lowest = np.maximum(self.low, np.append(lo, 0.0)[place])
        highest = np.minimum(self.high, np.append(hi, 0.0)[place])
        exists = may_move & (point >= lowest) & (point <= highest)
        with np.errstate(invalid="ignore"):
            step = np.abs(point - clean) / np.append(rows.scale, 1.0)[place]
        if self.dearer is not None:
            up, down = np.pad(self.dearer, ((0, 0), (0, 1)), constant_values=1.0)[:, place]
            step *= np.where(point > clean, up, down)
        step = np.where(exists, step, np.inf)
        step[home], point[home] = 0.0, np.where(missing, 0.0, x)
        return RowCells(home, point, step, self._leaf_out(i, missing), missing)

    def movable(self, i: int, point: FloatArray) -> FloatArray:
        """Return the movable cells of row i, moved to a point (n_columns,)."""
        raw, x = self.rows.raw[i], self.numbers[i]
        # What the trees do not see, or see as a gap, keeps its cell.
        stays = self.rows.missing[i] | np.isnan(x[self.rows.columns])
        return np.where(stays, raw, point[self.rows.columns])

    def _leaf_out(self, i: int, missing: BoolArray) -> BoolArray:
        boxes, out = self.boxes, np.zeros(len(self.boxes.node), dtype=bool)
        if missing.any():
            out[boxes.leaf[missing[boxes.column] & ~boxes.missing]] = True
        if len(boxes.set_leaf):
            n_codes = boxes.codes.shape[1] - 1
            code = np.where(np.isnan(self.numbers[i]), n_codes, self.numbers[i])
            code = np.where((code >= 0) & (code < n_codes), code, n_codes).astype(np.int64)
            passes = boxes.codes[np.arange(len(boxes.set_leaf)), code[boxes.set_column]]
            out[boxes.set_leaf[~passes]] = True
        return out


def within_reach(ensemble: TreeEnsemble, rows: CleanRows, norm: float) -> FloatArray:
    """Return distances within which no number leaves the range that steps were followed in."""
    unlimited = np.full(len(rows), np.inf)
    if ensemble.reach is None:
        return unlimited
    low, high = ensemble.reach[:, rows.columns]
    far = (rows.low < low) | (rows.high > high)
    if not far.any():
        return unlimited
    if norm == 0:
        return np.ones(len(rows))
    raw = rows.raw[:, far]
    room = np.minimum(raw - low[far], high[far] - raw) / rows.scale[far]
    # A cell that stays is nowhere but where it is.
    room = np.where(rows.missing[:, far], np.inf, room)
    return np.maximum(room.min(axis=1), 0.0)


def _held(numbers: FloatArray, dtype: np.dtype, side: int) -> FloatArray:
    """Return the nearest numbers that a short float can hold, on one side or the same."""
    with np.errstate(over="ignore"):
        cast = numbers.astype(dtype)
    beyond = (cast.astype(np.float64) - numbers) * side < 0
    following = np.nextafter(cast, np.array(side * np.inf, dtype))
    return np.where(beyond, following, cast).astype(np.float64)


def _check_movable(ensemble: TreeEnsemble, rows: CleanRows) -> None:
    """Raise where a move is not a move between cells."""
    name, names = ensemble.trees.name, rows.table.names
    n_columns = len(ensemble.fixed)
    if rows.table.n_columns != n_columns:
        raise ValueError(f"X has {rows.table.n_columns} columns, but {name} reads {n_columns}.")
    if ensemble.dtypes is not None:
        for j, dtype in enumerate(ensemble.dtypes):
            if rows.table.dtype(j) != dtype:
                raise ValueError(
                    f"Column {column_label(j, names)} has cells of {rows.table.dtype(j)}, but the "
                    f"trees were read for {dtype}. Read them with rows such as these."
                )
    if rows.repair is not None:
        raise NoCertificateError(
            f"{name} has no exact distances in a space with a repair: the search does not know its "
            "rules. Leave the repair out; a lower bound without it holds with it."
        )
    tested = np.isin(rows.columns, ensemble.boxes.column)
    for k in rows.large:
        if tested[k]:
            raise NoCertificateError(
                f"Column {column_label(int(rows.columns[k]), names)} holds whole numbers beyond "
                f"2**53, which {name} cannot tell apart. Keep it out of `mutable`."
            )
    stuck = rows.columns[ensemble.fixed[rows.columns]]
    if len(stuck):
        raise NoCertificateError(
            f"Column {column_label(int(stuck[0]), names)} can move in the space, but a step in "
            "front of the trees makes something of it that is not a rising function of it alone. "
            "Keep it out of `mutable`."
        )
    categorical = ensemble.trees.categorical
    if categorical is not None:
        both = rows.columns[categorical[rows.columns]]
        if len(both):
            raise NoCertificateError(
                f"Column {column_label(int(both[0]), names)} is a category for {name}, but a "
                "number that can move in the space. Keep it out of `mutable`."
            )

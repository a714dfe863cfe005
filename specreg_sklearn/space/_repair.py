"""The user's repair of candidate rows: called on real rows, and never believed unchecked.

A box around every column is not all that a row must obey: flags of a one-hot group add up to one, a
part is not larger than the whole. The user knows such rules, so the user puts rows right. Whatever
comes back must still be a row that the feature space allows; a repair that breaks a promise of the
space is an error of the caller, and said so.

Only rounding is forgiven: shares that are divided by their sum are off by a unit in the last place
when they are divided again. The cells of the first repair then count, and go into the row that the
model is asked about, so that what is measured, asked and reported is one and the same row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from specreg_sklearn.tables import (
    ArrayTable,
    ListTable,
    PandasTable,
    Table,
    as_table,
    column_label,
    replace_rows,
    take_rows,
)

if TYPE_CHECKING:
    from specreg_sklearn.space._clean_rows import CleanRows

# What counts as rounding, as a share of a column's unit and of the number: this or, for shorter
# floats, so many units in the last place.
_ROUNDING, _LAST_PLACES = 1e-9, 16


class Repair:
    """A repair bound to a feature space; the columns `fixed` must come back as they were."""

    def __init__(self, function: Callable[[Any, Any], Any], fixed: np.ndarray) -> None:
        self.function, self.fixed = function, fixed
        self._tried = False

    def settle(
        self, rows: CleanRows, raw: np.ndarray, owner: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, Any]:
        """Repair the rows that moved.

        `raw`, of shape (m, d), holds cells that fit the columns' dtypes and boxes; `owner` the
        clean row of each. Returns the cells after the repair, the positions of the rows that moved
        and stayed moved, and these rows themselves, repaired.
        """
        settled = raw.copy()
        moved = np.flatnonzero(rows.moved(raw, owner))
        if not len(moved):
            return settled, moved, None
        built, settled[moved] = self._apply(rows, raw[moved], owner[moved])
        if not self._tried:
            self._try(rows, raw[moved], owner[moved], built, settled[moved])
            self._tried = True
        stayed = rows.moved(settled[moved], owner[moved])
        if not stayed.all():
            built = take_rows(built, np.flatnonzero(stayed)) if stayed.any() else None
        return settled, moved[stayed], built

    def build(self, rows: CleanRows, raw: np.ndarray, owner: np.ndarray) -> Any:
        """Return settled cells as rows; the ones that did not move are the clean rows."""
        moved = rows.moved(raw, owner)
        chosen = np.flatnonzero(moved)
        if not len(chosen):
            return rows.write(raw, owner)
        built, settled = self._apply(rows, raw[chosen], owner[chosen])
        # Distances were computed from `raw`, so the rows handed out must hold just that.
        self._check_settled(rows, raw[chosen], settled)
        built = _with_cells(built, rows, raw[chosen], settled, owner[chosen])
        if len(chosen) == len(raw):
            return built
        return replace_rows(rows.write(raw, owner), moved, built)

    def _apply(self, rows: CleanRows, raw: np.ndarray, owner: np.ndarray) -> tuple[Any, np.ndarray]:
        """Call the repair; return its checked rows, and their cells in the columns that move."""
        given, clean = rows.write(raw, owner), rows.write(rows.raw[owner], owner)
        kind, index = type(given), getattr(given, "index", None)
        try:
            built = self.function(given, clean)
        except Exception as error:
            error.add_note("This happened in the repair of the feature space.")
            raise
        if type(built) is not kind:
            raise ValueError(
                f"repair returned a {type(built).__name__}; it must return the rows it was given, "
                f"repaired, as a {kind.__name__}."
            )
        table = as_table(built, parameter="The result of repair")
        _check_shape(table, rows.table, len(owner))
        if isinstance(table, PandasTable) and not table.data.index.equals(index):
            raise ValueError("repair changed the index of the rows; it must keep them in order.")
        # The clean rows are taken afresh: the repair may have written into those it was given.
        difference = _difference(table, rows.table.take(owner), self.fixed)
        if difference is not None:
            column, new, old = difference
            raise ValueError(
                f"repair changed column {column_label(column, table.names)}, which is not mutable "
                f"or has no room, from {old!r} to {new!r}; accepted: the cell of X_clean."
            )
        cells, settled = _read_cells(table, rows, owner)
        return _with_cells(built, rows, settled, cells, owner), settled

    def _try(
        self,
        rows: CleanRows,
        raw: np.ndarray,
        owner: np.ndarray,
        built: object,
        settled: np.ndarray,
    ) -> None:
        """Raise unless the repair gives the same rows again, and leaves repaired rows alone."""
        table, half = as_table(built), slice(0, -(-len(raw) // 2))
        # Cells that move are compared as numbers, which may differ by rounding.
        others = np.setdiff1d(np.arange(rows.table.n_columns), rows.columns)
        again, once = self._apply(rows, raw[half], owner[half])
        self._check_settled(rows, settled[half], once, "does not give the same row again")
        difference = _difference(as_table(again), table.take(np.arange(len(raw))[half]), others)
        if difference is not None:
            raise ValueError(_unlike("does not give the same row again", table, difference))
        moved = np.flatnonzero(rows.moved(settled, owner))
        if not len(moved):
            return
        again, twice = self._apply(rows, settled[moved], owner[moved])
        self._check_settled(rows, settled[moved], twice)
        difference = _difference(as_table(again), table.take(moved), others)
        if difference is not None:
            raise ValueError(_unlike("changes rows that it has repaired", table, difference))

    def _check_settled(
        self,
        rows: CleanRows,
        raw: np.ndarray,
        again: np.ndarray,
        problem: str = "changes rows that it has repaired",
    ) -> None:
        """Raise unless two repairs gave the same numbers, up to rounding."""
        changed = np.argwhere(np.abs(raw - again) > _rounding(rows, raw))
        if len(changed):
            i, k = changed[0].tolist()
            difference = int(rows.columns[k]), again[i, k].item(), raw[i, k].item()
            raise ValueError(_unlike(problem, rows.table, difference))


def _unlike(problem: str, table: Table, difference: tuple[int, Any, Any]) -> str:
    column, new, old = difference
    return (
        f"repair {problem}: column {column_label(column, table.names)} is {new!r} after {old!r}. "
        "It must work on each row by itself, without chance, and repairing a row a second time "
        "must change nothing."
    )


def _rounding(rows: CleanRows, raw: np.ndarray) -> np.ndarray:
    """Return by how much numbers (m, d) may be off; 0 for whole numbers."""
    share = np.full(len(rows.columns), _ROUNDING)
    for dtype, columns in rows.narrow:
        share[columns] = max(_ROUNDING, _LAST_PLACES * float(np.finfo(dtype).eps))
    share[rows.integer] = 0.0
    return np.asarray(share * (rows.scale + np.abs(raw)))


def _with_cells(
    built: Any, rows: CleanRows, raw: np.ndarray, held: np.ndarray, owner: np.ndarray
) -> Any:
    """Return rows with `raw` in the movable cells, where they hold `held` instead."""
    changed = raw != held
    if not changed.any():
        return built
    d = rows.n_numbers
    every = np.arange(len(raw))
    return as_table(built).write(every, rows.columns[:d], raw[:, :d], changed[:, :d])


def _check_shape(table: Table, wanted: Table, n_rows: int) -> None:
    """Raise unless a repaired container has the rows, columns and dtypes that it should have."""
    if table.names != wanted.names:
        raise ValueError(f"repair returned the columns {table.names}; accepted: {wanted.names}.")
    if (table.n_rows, table.n_columns) != (n_rows, wanted.n_columns):
        raise ValueError(
            f"repair returned an array of shape ({table.n_rows}, {table.n_columns}) for rows of "
            f"shape ({n_rows}, {wanted.n_columns})."
        )
    if isinstance(table, ListTable):
        return
    for j, (new, old) in enumerate(zip(_dtypes(table), _dtypes(wanted), strict=True)):
        if new != old:
            raise ValueError(
                f"repair turned column {column_label(j, table.names)} from {old} into {new}; "
                f"accepted: {old}. Convert it back before returning the rows."
            )


def _dtypes(table: Table) -> list[Any]:
    if isinstance(table, ArrayTable):
        return [table.data.dtype] * table.n_columns
    return list(table.data.dtypes)


def _read_cells(table: Table, rows: CleanRows, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells of the movable columns, after checking that the space allows them.

    The second array holds them without the rounding that leads out of the bounds.
    """
    try:
        raw = rows.read(table, owner)
    except (TypeError, ValueError):
        _find_the_word(table, rows.columns[: rows.n_numbers])
        raise
    lo, hi = (np.broadcast_to(end, raw.shape) for end in rows.box(owner))
    missing = rows.missing[owner]
    clipped = np.clip(raw, lo, hi)
    with np.errstate(invalid="ignore"):
        inside = np.isfinite(raw) & (np.abs(raw - clipped) <= _rounding(rows, clipped))
    inside &= ~rows.integer | (np.mod(np.where(inside, raw, 0.0), 1) == 0)
    wrong = np.argwhere(np.where(missing, ~np.isnan(raw), ~inside))
    if len(wrong):
        i, k = wrong[0].tolist()
        accepted = f"numbers from {lo[i, k]:g} to {hi[i, k]:g}"
        if missing[i, k]:
            accepted = "NaN, since the cell is missing in the clean row"
        elif rows.integer[k]:
            accepted = f"whole {accepted}"
        raise ValueError(
            f"repair put {raw[i, k].item()!r} into column "
            f"{column_label(int(rows.columns[k]), table.names)}; accepted: {accepted}."
        )
    raw[missing] = clipped[missing] = 0.0
    return raw, clipped


def _find_the_word(table: Table, columns: np.ndarray) -> None:
    """Raise an error that names the column which holds something that is not a number."""
    for column in columns.tolist():
        try:
            table.numbers(np.array([column]))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"repair put something that is not a number into column "
                f"{column_label(column, table.names)}: {error}"
            ) from error


def _difference(table: Table, wanted: Table, columns: np.ndarray) -> tuple[int, Any, Any] | None:
    """Return the first column in which two tables differ, and a cell of each, or None."""
    for j in columns.tolist():
        if _is_same_column(table, wanted, j):
            continue
        new, old = _column(table, j), _column(wanted, j)
        if new.dtype.kind == old.dtype.kind != "O":
            missing = (new != new) & (old != old)
            same = ((new == old) & (np.signbit(new) == np.signbit(old))) | missing
        else:
            same = np.array([_is_same(a, b) for a, b in zip(new, old, strict=True)], dtype=bool)
        if not same.all():
            i = int(np.argmin(same))
            return j, _plain(new[i]), _plain(old[i])
    return None


def _plain(cell: object) -> object:
    return cell.item() if isinstance(cell, np.generic) else cell


def _is_same_column(a: Table, b: Table, j: int) -> bool:
    """Return whether pandas can tell at once that columns are the same; False if it cannot."""
    if not (isinstance(a, PandasTable) and isinstance(b, PandasTable)):
        return False
    if isinstance(a.data.dtypes.iloc[j], np.dtype):
        return False
    return bool(a.data.iloc[:, j].array.equals(b.data.iloc[:, j].array))


def _column(table: Table, j: int) -> np.ndarray:
    """Return one column as numbers if it is plainly that, or else as Python objects."""
    if isinstance(table, ArrayTable):
        cells = table.cells(j)
    elif isinstance(table, PandasTable):
        cells = table.data.iloc[:, j].to_numpy()
    else:
        cells = np.array([None, *table.data.to_series(j).to_list()], dtype=object)[1:]
    return cells if cells.dtype.kind in "iuf" else cells.astype(object)


def _is_same(a: object, b: object) -> bool:
    # 1 and True are equal, yet not the same cell. NaN is the same as NaN, though not equal.
    if a is b or type(a) is not type(b):
        return a is b
    try:
        return bool(a == b or (a != a and b != b))
    except (TypeError, ValueError):
        # Arrays in cells, and missing values that answer neither yes nor no.
        return repr(a) == repr(b)

"""Candidate rows as rules and formulas see them: one column at a time, as numbers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.space._options import column_index
from specreg_sklearn.tables import column_label

if TYPE_CHECKING:
    from specreg_sklearn.space._clean_rows import CleanRows

Formula: TypeAlias = Callable[["RowView"], Any]


class RowView:
    """Rows of which single columns can be read: ``view["age"]`` are float64 numbers, shape (m,).

    This is what functions in `rules` and `derived` of :meth:`FeatureSpace.from_data` get. Columns
    are named as there, by name or by number. Missing cells are NaN, True and False are 1 and 0, and
    derived columns hold their new values. The arrays are copies.
    """

    def __init__(
        self,
        rows: CleanRows,
        raw: FloatArray,
        owner: IntArray,
        derived: Mapping[int, Formula],
    ) -> None:
        self._rows, self._raw, self._owner, self._derived = rows, raw, owner, derived
        self._known: dict[int, FloatArray] = {}
        self._open: list[int] = []

    def __len__(self) -> int:
        return len(self._owner)

    def __getitem__(self, column: Hashable) -> FloatArray:
        table = self._rows.table
        return self.column(column_index(column, table.names, table.n_columns, "A rule")).copy()

    def column(self, j: int) -> FloatArray:
        """Return the column at position `j`, which must not be written to."""
        if j in self._derived:
            return self._computed(j)
        rows, owner = self._rows, self._owner
        k = rows.place_of(j)
        if k is None:
            return rows.numbers(j)[owner]
        if k in rows.large:
            return rows.large[k].written(self._raw[:, k], owner).astype(np.float64)
        cells = self._raw[:, k]
        return np.where(rows.missing[owner, k], np.nan, cells) if rows.gaps else cells

    def _computed(self, j: int) -> FloatArray:
        if j in self._known:
            return self._known[j]
        names = self._rows.table.names
        label = column_label(j, names)
        if j in self._open:
            raise ValueError(f"derived column {label} depends on itself.")
        self._open.append(j)
        try:
            with np.errstate(all="ignore"):
                found = self._derived[j](self)
        except Exception as error:
            error.add_note(f"This happened in the formula of the derived column {label}.")
            raise
        finally:
            self._open.pop()
        numbers = np.asarray(found, dtype=np.float64)
        if numbers.shape != (len(self),):
            raise ValueError(
                f"The formula of derived column {label} returned an array of shape "
                f"{numbers.shape} for {len(self)} rows; accepted: one number per row."
            )
        self._known[j] = self._rows.as_held(j, numbers)
        return self._known[j]

"""Rows of the user as numbers, with the codes that a model has for its categories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.tables import PandasTable, Table, as_table

Categories = Callable[[Table], Mapping[int, Sequence[Any]]]


class CodedCells:
    """From rows such as the user's to numbers: cells of categories become their places.

    Parameters
    ----------
    categories : callable
        For a table, the categories of its columns by position, in the order of their codes. Cells
        of other columns are numbers, or codes already.
    """

    def __init__(self, categories: Categories) -> None:
        self.categories = categories

    def __call__(self, X: Any) -> FloatArray:
        table: Table = as_table(X)
        coded = self.categories(table)
        out = np.empty((table.n_rows, table.n_columns))
        plain = np.array([j for j in range(table.n_columns) if j not in coded], dtype=np.int64)
        out[:, plain] = table.numbers(plain)
        for j, known in coded.items():
            code: dict[Any, float] = {value: float(k) for k, value in enumerate(known)}
            code[None] = np.nan
            # What the model has never seen is behind all that it has.
            out[:, j] = [code.get(cell, float(len(known))) for cell in table.objects(j)]
        return out


def categories_of(table: Table, column: int) -> list[Any] | None:
    """Return the categories of a column of a pandas frame in their order; None if it has none."""
    if not isinstance(table, PandasTable):
        return None
    known = getattr(table.data.dtypes.iloc[column], "categories", None)
    return None if known is None else list(known)

"""Which columns an attack moved, and how far, in the units of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.tables import CATEGORICAL, Table, column_cells

if TYPE_CHECKING:
    import pandas


def moved_columns(
    clean: Table, moved: Table, some: IntArray, weight: FloatArray
) -> dict[str, list[Any]]:
    """Return a table of the columns that differ between clean and moved rows.

    Both hold the same rows, (n_rows, n_columns), in the same order; `some` are the positions of
    those that are looked at, and `weight`, (n_rows,), is what each counts. Columns that are moved
    more often come first.
    """
    weight = weight[some]
    lines: list[tuple[Any, ...]] = []
    for j in range(clean.n_columns):
        name = j if clean.names is None else clean.names[j]
        numeric = CATEGORICAL not in (clean.kind(j), moved.kind(j))
        if numeric:
            column = np.array([j])
            steps = (moved.numbers(column) - clean.numbers(column))[some, 0]
            steps = np.nan_to_num(steps)  # missing cells do not move
            there = steps != 0
        else:
            pairs = zip(column_cells(clean.data, j), column_cells(moved.data, j), strict=True)
            there = np.array([bool(before != after) for before, after in pairs])[some]
        if not there.any():
            continue
        share = float(weight[there].sum() / weight.sum())
        sizes = [np.nan] * 4
        if numeric:
            size = np.abs(steps[there])
            up = float(weight[steps > 0].sum() / weight[there].sum())
            sizes = [float(np.median(steps[there])), float(np.median(size)), float(size.max()), up]
        lines.append((name, share, *sizes))
    lines.sort(key=lambda line: -line[1])
    heads = ("column", "share_moved", "median_move", "median_size", "largest_size", "share_up")
    return {head: [line[k] for line in lines] for k, head in enumerate(heads)}


def frame_of_lines(columns: dict[str, list[Any]], caller: str) -> pandas.DataFrame:
    """Return columns as a frame of pandas, or say that it is needed."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(f"{caller} needs pandas: pip install pandas.") from error
    return pd.DataFrame(columns)

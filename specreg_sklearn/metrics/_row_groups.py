"""Groups of rows that a score is told for: by class, by a column, or by labels of the user's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from specreg_sklearn.metrics.measurement import Sample
from specreg_sklearn.tables import CATEGORICAL, Table, as_table, column_cells, is_missing

_MAX_VALUES = 10
"""Numbers with more distinct values than that are grouped by quarters of the rows."""


def row_groups(by: object, sample: Sample, n_rows: int) -> NDArray[np.object_]:
    """Return the group of each measured row, (n_measured,), as what a table prints.

    Parameters
    ----------
    by : "class", column of X, or array-like of shape (n_samples,)
        What makes a group. A column of many numbers is cut at its quartiles.
    sample : Sample
        The measured rows.
    n_rows : int
        How many rows the user's X has.

    Raises
    ------
    ValueError
        If there is no such column, or an array has another length.
    """
    if isinstance(by, str) and by == "class":
        return np.array([str(label) for label in sample.y.tolist()], dtype=object)
    table = as_table(sample.X)
    labels = np.asarray(by, dtype=object)
    if labels.ndim == 1 and not isinstance(by, (str, tuple)):
        if len(labels) != n_rows:
            raise ValueError(
                f"by has {len(labels)} entries, but X has {n_rows} rows; give one for each of them."
            )
        return _as_text(labels[sample.places].tolist())
    column = _place(by, table)
    if table.kind(column) == CATEGORICAL:
        return _as_text(column_cells(sample.X, column))
    numbers = table.numbers(np.array([column]))[:, 0]
    if len(np.unique(numbers[~np.isnan(numbers)])) <= _MAX_VALUES:
        return np.array([_number(v) for v in numbers.tolist()], dtype=object)
    return _quarters(numbers)


def _place(by: object, table: Table) -> int:
    """Return the position of a column that is given by name or position."""
    if table.names is not None and by in table.names:
        return table.names.index(by)
    if isinstance(by, (int, np.integer)) and not isinstance(by, bool):
        place = int(by)
        if 0 <= place < table.n_columns:
            return place
    columns = f"0 to {table.n_columns - 1}" if table.names is None else str(table.names[:20])
    raise ValueError(
        f"by={by!r} is not a column of X; accepted: 'class', a column ({columns}), or an array "
        "with one entry for each row of X."
    )


def _as_text(cells: list[object]) -> NDArray[np.object_]:
    return np.array(["missing" if is_missing(v) else str(v) for v in cells], dtype=object)


def _quarters(numbers: np.ndarray) -> NDArray[np.object_]:
    """Return in which quarter of the rows a number lies, by the ends of the quarter."""
    there = ~np.isnan(numbers)
    cuts = np.unique(np.quantile(numbers[there], [0, 0.25, 0.5, 0.75, 1]))
    quarter = np.clip(np.searchsorted(cuts, numbers, side="left") - 1, 0, len(cuts) - 2)
    ends = [_number(cut) for cut in cuts.tolist()]
    words = [f"{'[' if k == 0 else '('}{ends[k]}, {ends[k + 1]}]" for k in range(len(cuts) - 1)]
    out = np.array([words[k] for k in quarter], dtype=object)
    out[~there] = "missing"
    return out


def _number(value: float) -> str:
    return "missing" if value != value else f"{value:g}"

"""Rows on their way into a picture of adversarial examples: chosen, checked, as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn.inspection.model import as_numbers
from specreg_sklearn.tables import CATEGORICAL, Table, as_labels


def rows_of_different_classes(codes: np.ndarray, usable: np.ndarray, size: int) -> np.ndarray:
    """Return the first usable rows, one of each class before a second of any."""
    rows = np.flatnonzero(usable)
    turn = np.zeros(len(rows), dtype=int)
    for code in np.unique(codes[rows]):
        mine = codes[rows] == code
        turn[mine] = np.arange(mine.sum())
    return np.sort(rows[np.argsort(turn, kind="stable")[:size]])


def row_positions(rows: ArrayLike, n_rows: int) -> np.ndarray:
    places = np.asarray(rows)
    whole = places.ndim == 1 and len(places) > 0 and places.dtype.kind in "iu"
    if not whole or places.min() < 0 or places.max() >= n_rows:
        raise ValueError(f"rows={rows!r} is not accepted; give positions from 0 to {n_rows - 1}.")
    return places.astype(np.intp)


def labels_of_rows(values: ArrayLike, parameter: str, n_rows: int) -> np.ndarray:
    array = as_labels(values, parameter)
    if len(array) != n_rows:
        raise ValueError(f"{parameter} has {len(array)} labels, but X has {n_rows} rows.")
    return array


def numeric_cells(table: Table) -> np.ndarray:
    """Return the cells as numbers; columns that hold none are NaN, as nothing changes there."""
    cells = np.full((table.n_rows, table.n_columns), np.nan)
    numeric = [j for j in range(table.n_columns) if table.kind(j) != CATEGORICAL]
    if numeric:
        cells[:, numeric] = table.numbers(np.array(numeric))
    return cells


def column_units(scale: ArrayLike | None, n_columns: int) -> np.ndarray:
    if scale is None:
        return np.ones(n_columns)
    units = as_numbers(scale, "scale", length=n_columns, of="X")
    if not ((units > 0) & np.isfinite(units)).all():
        raise ValueError("scale must hold positive, finite numbers.")
    return units


def checked_image_shape(shape: Sequence[int] | None, n_columns: int) -> tuple[int, ...] | None:
    if shape is None:
        return None
    sides = tuple(np.ravel(shape).tolist())
    good = len(sides) in (2, 3) and all(isinstance(v, int) and v > 0 for v in sides)
    if not good or int(np.prod(sides)) != n_columns or sides[:-2] not in ((), (1,), (3,)):
        raise ValueError(
            f"image_shape={shape!r} is not accepted; give (height, width) or (channels, height, "
            f"width) with 1 or 3 channels, whose product is the number of columns, {n_columns}."
        )
    return sides

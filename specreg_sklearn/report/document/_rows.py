"""Measured rows as plain records, and witnesses made of them again."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.report.document._fingerprints import plain_label
from specreg_sklearn.tables import as_table, changed_cells, column_cells, take_rows, with_cells

WORDS = {
    "already_wrong": "wrong as they stand",
    "exact": "exact: proof and attack meet",
    "none_exists": "safe: no allowed row has another label",
    "bracket": "between a proof and an attack",
    "attack_only": "an attack from above, nothing proved",
    "proof_only": "a proof from below, nothing found",
    "undecided": "nothing proved and nothing found",
}
"""What is known of a row, by its status."""

_CANNOT_WRITE = (TypeError, ValueError, OverflowError, IndexError)
_CLOSED = 1e-6  # the library's word for "meet", relative


def row_records(
    X: Any,
    X_adv: Any,
    *,
    places: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    answers: np.ndarray,
    lower: FloatArray,
    upper: FloatArray,
    status: np.ndarray,
    found_by: np.ndarray,
    proved_by: np.ndarray,
) -> list[dict[str, Any]]:
    """Return one record for each measured row; `X` and `X_adv` hold these rows, before and after.

    `lower` and `upper` are None where they are infinite: no row with another label exists, or none
    is known. `answer` and `changes` are those of the witness, the row at the upper distance.
    """
    names = as_table(X).names
    changes: list[list[dict[str, Any]]] = [[] for _ in range(len(places))]
    for (i, j), (old, new) in changed_cells(X, X_adv).items():
        column = j if names is None else _key(names[j])
        changes[i].append({"column": column, "from": as_json(old), "to": as_json(new)})
    return [
        {
            "row": int(places[i]),
            "label": plain_label(labels[i].item() if hasattr(labels[i], "item") else labels[i]),
            "predicted": plain_label(predicted.tolist()[i]),
            "status": str(status[i]),
            "lower": _finite(lower[i]),
            "upper": _finite(upper[i]),
            "found_by": str(found_by[i]),
            "proved_by": str(proved_by[i]),
            "answer": plain_label(answers.tolist()[i]) if changes[i] else None,
            "changes": changes[i],
        }
        for i in range(len(places))
    ]


def status_of(right: bool, lower: float | None, upper: float | None) -> str:
    """Return in one word what two ends say of a row."""
    low = math.inf if lower is None else lower
    if not right:
        return "already_wrong"
    if upper is None:
        return "none_exists" if lower is None else "proof_only" if low > 0 else "undecided"
    # Past a threshold at 0 lies the smallest number there is.
    if low + sys.float_info.min >= upper * (1 - _CLOSED):
        return "exact"
    return "bracket" if low > 0 else "attack_only"


def columns_by_key(X: Any) -> dict[int | str, int]:
    """Return the position of each column, by what a report calls it."""
    table = as_table(X)
    if table.names is None:
        return {j: j for j in range(table.n_columns)}
    return {_key(name): j for j, name in enumerate(table.names)}


def witness_rows(X: Any, rows: Sequence[dict[str, Any]]) -> tuple[Any, dict[int, str]]:
    """Return rows with the changes of their witnesses, and what is wrong with those that fail.

    `X` holds the clean rows of `rows`, in order. A row of which a change cannot be made stays
    clean.
    """
    places, before = columns_by_key(X), dict[int, list[Any]]()
    wanted: list[dict[int, Any]] = []
    wrong: dict[int, str] = {}
    for i, row in enumerate(rows):
        cells: dict[int, Any] = {}
        for change in row["changes"]:
            name, j = change["column"], places.get(change["column"])
            if j is None:
                wrong[i] = f"there is no column {name!r}"
                break
            if j not in before:
                before[j] = [as_json(cell) for cell in column_cells(X, j)]
            if before[j][i] != change["from"]:
                wrong[i] = f"{name!r} is {before[j][i]!r} in the data, not {change['from']!r}"
                break
            cells[j] = change["to"]
        wanted.append({} if i in wrong else cells)
    try:
        return with_cells(X, _together(wanted)), wrong
    except _CANNOT_WRITE:
        pass
    for i, cells in enumerate(wanted):
        try:
            with_cells(take_rows(X, np.array([i])), {(0, j): new for j, new in cells.items()})
        except _CANNOT_WRITE as error:
            wrong[i] = str(error)
            cells.clear()
    return with_cells(X, _together(wanted)), wrong


def _together(wanted: list[dict[int, Any]]) -> dict[tuple[int, int], Any]:
    return {(i, j): new for i, cells in enumerate(wanted) for j, new in cells.items()}


def as_json(cell: object) -> Any:
    """Return a cell as JSON has it: a number, True or False, text, or None where missing."""
    if isinstance(cell, np.generic):
        cell = cell.item()
    return cell if cell is None or isinstance(cell, (bool, int, float, str)) else str(cell)


def _key(name: object) -> int | str:
    return name if isinstance(name, (int, str)) and not isinstance(name, bool) else str(name)


def _finite(distance: float) -> float | None:
    return float(distance) if math.isfinite(distance) else None

"""Distances of witnesses, computed from the table of columns alone.

Another way than that of the searches, so that an error there shows here.
"""

from __future__ import annotations

import math
from typing import Any

from specreg_sklearn.report.verify._differences import is_number


def distance_of(
    changes: list[dict[str, Any]], columns: dict[int | str, dict[str, Any]], norm: int | str
) -> float:
    """Return how far a witness is from its row, by the units and prices of the columns.

    `columns` are the records of the threat model, by the name of the column. Columns that follow
    from others cost nothing, and a swap of two flags of a group, or of two words, its price.
    """
    if norm == 0:
        return float(sum(columns[change["column"]]["moves"] == "yes" for change in changes))
    costs, swaps = [], {}
    for change in changes:
        record = columns[change["column"]]
        if record["moves"] != "yes":
            continue
        if record["swap"] is not None:
            swaps[record["group"] or change["column"]] = float(record["swap"])
            continue
        costs.append(_step(change, record))
    costs += swaps.values()
    if norm == 1:
        return math.fsum(costs)
    if norm == 2:
        return math.hypot(*costs)
    return max(costs, default=0.0)


def _step(change: dict[str, Any], record: dict[str, Any]) -> float:
    old, new = change["from"], change["to"]
    if not (is_number(old) or isinstance(old, bool)) or not (
        is_number(new) or isinstance(new, bool)
    ):
        return math.inf
    unit = record["one_up"] if new > old else record["one_down"]
    # Whole numbers are subtracted exactly, whatever their size.
    return math.inf if unit is None else float(abs(new - old)) / float(unit)

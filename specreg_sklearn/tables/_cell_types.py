"""How coarsely the cells of a table hold numbers, for whoever counts roundings."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from specreg_sklearn.tables.containers import CATEGORICAL, Table

_FLOAT64_UNIT = 2.0**-53


class CellRounding(NamedTuple):
    """How the cells of some columns meet the arithmetic of a model.

    Parameters
    ----------
    coarsest : float
        Unit roundoff of the coarsest floating point column; float64's if there is none.
    common : float
        The same, but infinite for whole numbers so short that numpy lets the other factor of a
        product choose the type.
    """

    coarsest: float
    common: float


def cell_rounding(table: Table, columns: np.ndarray) -> CellRounding:
    """Return how coarsely the cells of some columns are held."""
    coarsest = common = _FLOAT64_UNIT
    for column in columns.tolist():
        # Flags are 0 and 1.
        flag = table.kind(column) == CATEGORICAL
        dtype: np.dtype[Any] = np.dtype(bool) if flag else table.dtype(column)
        if dtype.kind == "f":
            unit = max(float(np.finfo(dtype).eps) / 2, _FLOAT64_UNIT)
            coarsest, common = max(coarsest, unit), max(common, unit)
        elif dtype.itemsize <= 2:
            common = np.inf
    return CellRounding(coarsest, common)

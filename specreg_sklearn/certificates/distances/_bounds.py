"""What a proof of distances hands back: both ends, and the row that shows the upper one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray

CLOSED = 1e-6
"""How near two ends of a bracket are, relative to the upper one, if the distance is exact."""

DEFAULT_MAX_NODES = 5000
"""How many nodes of its search a proof looks at for a row, unless somebody says otherwise."""

QUICK_NODES = 1000
"""How many where a proof only spares an attack, which costs about as much as these."""


class DistanceBounds(NamedTuple):
    """Distances from rows to the nearest rows with another predicted label.

    Parameters
    ----------
    lower, upper : ndarray of shape (n_rows,), float64
        Bounds, in units of the columns; `upper` is infinite where no such row is known, `lower`
        where there is none.
    witness : ndarray of shape (n_rows, n_movable), float64
        The movable cells of the row that has the upper distance, by `predict`; NaN without one.
    closed : ndarray of shape (n_rows,), bool
        Whether the distance is exact: the bounds meet, or there is no row with another label.
    n_nodes : ndarray of shape (n_rows,), int
        How many nodes of a search were looked at; 0 for proofs without one.
    """

    lower: FloatArray
    upper: FloatArray
    witness: FloatArray
    closed: BoolArray
    n_nodes: IntArray


def ends_meet(lower: FloatArray, upper: FloatArray) -> BoolArray:
    """Return where lower and upper bounds are one distance, up to rounding."""
    # Past a threshold at 0 lies the smallest number there is.
    with np.errstate(invalid="ignore"):
        near = lower + np.finfo(np.float64).tiny >= upper * (1 - CLOSED)
    return np.asarray(near | (np.isinf(lower) & np.isinf(upper)))

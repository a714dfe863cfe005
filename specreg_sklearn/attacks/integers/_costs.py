"""What moves of whole numbers cost in a norm: terms that add up over the columns."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.attacks.questions import SearchTask

# A move that is this little cheaper may be as far by rounding.
CHEAPER = 1 - 1e-9
_ROUNDING = 1e-6


class Costs:
    """Costs of moves in L0, L1 or L2: sums of a term for each column, so L2 is squared.

    `unit`, (d,), is how far one unit of each column is.
    """

    def __init__(self, norm: float, unit: FloatArray) -> None:
        self.norm, self.unit = norm, unit

    def terms(self, M: FloatArray) -> FloatArray:
        """Return the costs of the columns of moves, (..., d)."""
        return self.of(np.abs(M), self.unit)

    def total(self, M: FloatArray) -> FloatArray:
        """Return the costs of moves, (...)."""
        return np.asarray(self.terms(M).sum(axis=-1))

    def of(self, amount: FloatArray | float, unit: FloatArray) -> FloatArray:
        """Return what amounts, in units that are so long, cost in one column."""
        if self.norm == 0:
            return np.asarray((np.asarray(amount) > 0) * np.ones(unit.shape))
        steps = amount * unit
        return np.asarray(steps if self.norm == 1 else steps * steps)

    def most_units(self, room: FloatArray, unit: FloatArray, amount: FloatArray) -> FloatArray:
        """Return how many units columns that moved by `amount` may go on for less than `room`."""
        if self.norm == 0:
            return np.where((room > 1) | (amount > 0), np.inf, 0.0)
        room = np.maximum(room, 0.0) * CHEAPER
        if self.norm == 1:
            return np.asarray(np.floor(room / unit))
        return np.asarray(np.floor(np.sqrt(room / unit**2 + amount**2) - amount))


def whole_units(task: SearchTask) -> FloatArray:
    """Return how many units columns can move, (n, 2 * d): upwards, then downwards."""
    room = np.concatenate([task.hi - task.x, task.x - task.lo], axis=1)
    # The box is in coordinates: a rounding must not cost a unit.
    return np.asarray(np.floor(room * np.tile(task.oracle.rows.scale, 2) + _ROUNDING))


def are_coarse(task: SearchTask, most_units: int) -> bool:
    """Return whether all columns that may change hold whole numbers, and half of them few.

    A column of few numbers has a range of at most `most_units`. Where the range of the data holds
    many units, boundaries may look smooth, as on images, and a walk along them comes nearer.
    """
    rows = task.oracle.rows
    # A repair changes what is asked: sets of flips would not be those that were counted.
    if rows.repair is not None or not rows.integer.all():
        return False
    low, high = task.reach
    # What a search may reach is three times the range of the data.
    units = np.rint((high - low) / 3 * rows.scale)
    return bool(np.median(units) <= most_units)

"""What moves of whole numbers cost in a norm: terms that add up over the columns."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.questions import SearchTask

# A move that is this little cheaper may be as far by rounding.
CHEAPER = 1 - 1e-9
_ROUNDING = 1e-6


class Costs:
    """Costs of moves in L0, L1 or L2: sums of a term for each column, so L2 is squared.

    `unit`, (n, 2 * d), is how far one unit of each column is for each row, upwards in the first d
    columns, downwards in the others; in L0, how many columns change.
    """

    def __init__(self, norm: float, unit: FloatArray) -> None:
        self.norm, self.unit = norm, unit

    def terms(self, M: FloatArray, owner: IntArray) -> FloatArray:
        """Return the costs of the columns of moves, (m, d)."""
        up, down = np.split(self.unit[owner], 2, axis=1)
        return self.of(np.abs(M), np.where(M > 0, up, down))

    def total(self, M: FloatArray, owner: IntArray) -> FloatArray:
        """Return the costs of moves, (m,)."""
        return np.asarray(self.terms(M, owner).sum(axis=-1))

    def of(self, amount: FloatArray | float, unit: FloatArray) -> FloatArray:
        """Return what amounts, in units that are so long, cost in one column."""
        if self.norm == 0:
            return np.asarray((np.asarray(amount) > 0) * unit)
        steps = amount * unit
        return np.asarray(steps if self.norm == 1 else steps * steps)

    def most_units(self, room: FloatArray, unit: FloatArray, amount: FloatArray) -> FloatArray:
        """Return how many units columns that moved by `amount` may go on for less than `room`."""
        if self.norm == 0:
            return np.where((room > unit) | (amount > 0), np.inf, 0.0)
        room = np.maximum(room, 0.0) * CHEAPER
        if self.norm == 1:
            return np.asarray(np.floor(room / unit))
        return np.asarray(np.floor(np.sqrt(room / unit**2 + amount**2) - amount))


def unit_lengths(task: SearchTask) -> FloatArray:
    """Return the `unit` of :class:`Costs`: units of the cells at their prices.

    Of a group of flags, of which one is set, it is the raised flag that moves: it pays for both.
    """
    rows, norm = task.oracle.rows, task.oracle.norm
    n, d = task.x.shape
    each = np.tile(1 / rows.scale, (2, 1))
    dearer = rows.dearer(norm)
    if dearer is not None:
        each *= dearer
    unit = np.tile(each.reshape(1, 2 * d) if norm else np.ones((1, 2 * d)), (n, 1))
    for group in rows.groups:
        columns, hot = group.columns, group.hot
        some = np.flatnonzero(hot >= 0)
        down = unit[some, d + hot[some]][:, None]
        up = unit[np.ix_(some, columns)]
        both = np.maximum(up, down) if norm == np.inf else up + down
        unit[np.ix_(some, columns)] = np.sqrt(up**2 + down**2) if norm == 2 else both
    return unit


def set_flags(task: SearchTask) -> BoolArray | None:
    """Return which flags of groups are set in the clean rows, (n, d); None without groups.

    They do not move by themselves, but fall when another flag of their group is raised.
    """
    groups = task.oracle.rows.groups
    if not groups:
        return None
    mask = np.zeros(task.x.shape, dtype=bool)
    for group in groups:
        some = np.flatnonzero(group.hot >= 0)
        mask[some, group.hot[some]] = True
    return mask


def whole_units(task: SearchTask) -> FloatArray:
    """Return how many units columns can move, (n, 2 * d): upwards, then downwards."""
    room = np.concatenate([task.hi - task.x, task.x - task.lo], axis=1)
    flags = set_flags(task)
    if flags is not None:
        room[np.tile(flags, 2)] = 0.0
    # The box is in coordinates: a rounding must not cost a unit.
    return np.asarray(np.floor(room * np.tile(task.oracle.rows.scale, 2) + _ROUNDING))


def are_coarse(task: SearchTask, most_units: int) -> bool:
    """Return whether all columns that may change hold whole numbers, and half of them few.

    A column of few numbers has a range of at most `most_units`. Where the range of the data holds
    many units, boundaries may look smooth, as on images, and a walk along them comes nearer.
    """
    rows = task.oracle.rows
    # A repair or a relation changes what is asked: sets of flips would not be those counted.
    if rows.moves_others or not rows.integer.all():
        return False
    low, high = task.reach
    # What a search may reach is three times the range of the data.
    units = np.rint((high - low) / 3 * rows.scale)
    return bool(np.median(units) <= most_units)

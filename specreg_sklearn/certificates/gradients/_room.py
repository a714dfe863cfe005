"""How far the cells of rows can move: the boxes that a space cuts out of balls of moves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.space import CleanRows, as_norm


class Room(NamedTuple):
    """How far the cells of some rows can move, in units of the space.

    Parameters
    ----------
    low, high : ndarray of shape (n_rows, n_moves)
        Ends of the moves, around zero; infinite where there is none.
    """

    low: FloatArray
    high: FloatArray

    def take(self, some: IntArray | slice) -> Room:
        """Return the room of some of the rows."""
        return Room(self.low[some], self.high[some])


def room_of(rows: CleanRows) -> Room | None:
    """Return how far cells can move, or None where there are no ends, or none that is known."""
    if rows.repair is not None:
        # What a repair makes of a row need not lie inside the bounds.
        return None
    low, high = (np.broadcast_to(end, rows.raw.shape) for end in rows.box(np.arange(len(rows))))
    if not (np.isfinite(low).any() or np.isfinite(high).any()):
        return None
    low, high = ((end - rows.raw) / rows.scale for end in (low, high))
    return Room(np.minimum(low, 0.0), np.maximum(high, 0.0))


def farthest_corners(room: Room | None, n_rows: int, norm: float) -> FloatArray:
    """Return how far the farthest row of each box is, rounded upwards."""
    if room is None:
        return np.full(n_rows, np.inf)
    return as_norm(norm).length(np.maximum(-room.low, room.high)) * (1 + 1e-12)

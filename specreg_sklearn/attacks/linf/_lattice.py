"""Perturbations that a row can really hold: whole numbers move by whole steps, or not at all.

A ball of half a step holds no move of a column of whole numbers, and rounding must not lead out of
the ball. So steps are cut off towards the clean row before anything is asked.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.attacks.questions import SearchTask

# Steps may miss a whole number by rounding, both in size and in the radius of the ball.
_ROUNDING = 1e-9


class Lattice:
    """Where columns of whole numbers can go, for all rows of a task."""

    def __init__(self, task: SearchTask) -> None:
        rows = task.oracle.rows
        self._whole = np.flatnonzero(rows.integer)
        self._units = 1.0 / rows.scale[self._whole]
        # With a repair, what is built is not what was asked for: then no distance is the smallest.
        smallest = bool(rows.integer.all()) and not rows.settles and len(self._units) > 0
        self.least = float(self._units.min()) * (1 + _ROUNDING) if smallest else 0.0

    def inside(self, delta: FloatArray, radius: FloatArray) -> FloatArray:
        """Return perturbations, (m, d), that lie in balls of this radius, (m,), when built."""
        half = radius[:, None]
        out = np.asarray(np.clip(delta, -half, half))
        if len(self._whole):
            steps = out[:, self._whole] / self._units
            steps += np.copysign(_ROUNDING, steps) * np.maximum(1, np.abs(steps))
            out[:, self._whole] = np.trunc(steps) * self._units
        return out

    def rounds(self) -> bool:
        """Return whether any column is rounded."""
        return len(self._whole) > 0

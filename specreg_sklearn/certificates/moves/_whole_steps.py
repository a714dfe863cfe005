"""Moves by whole steps: how far they go, and the steps on both sides of a place."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray

ROUNDED = 1e-9
"""A whole number of steps may be missed by this share of one."""


def whole_room(room: FloatArray, grain: FloatArray) -> FloatArray:
    """Return how far moves may go, (n_rows, n_moves), as the last step before their ends."""
    with np.errstate(invalid="ignore", divide="ignore"):
        steps = np.floor(room / grain + ROUNDED)
        return np.where((grain > 0) & np.isfinite(room), steps * grain, room)


def steps_around(place: FloatArray, grain: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the steps just below and just above places; a place itself where there are none."""
    unit = np.where(grain > 0, grain, 1.0)
    with np.errstate(invalid="ignore", over="ignore"):
        count = place / unit
        below, above = np.floor(count + ROUNDED) * unit, np.ceil(count - ROUNDED) * unit
    return np.where(grain > 0, below, place), np.where(grain > 0, above, place)

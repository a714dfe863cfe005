"""The settings that belong to a single score: how far rows may move, and whether to prove."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn._typing import Eps, FloatArray
from specreg_sklearn.tables import check_eps


def read_eps(eps: Eps) -> tuple[FloatArray, bool]:
    """Return the sizes as an increasing array, and whether there were several."""
    several = not isinstance(eps, str) and np.ndim(eps) > 0
    given: Any = eps if several else [eps]
    if np.ndim(given) != 1 or not len(given):
        raise ValueError(f"eps={eps!r} is not accepted; give a number >= 0 or a list of them.")
    grid = np.array([check_eps(value) for value in given])
    stuck = np.flatnonzero(grid[1:] <= grid[:-1])
    if stuck.size:
        before, after = grid[stuck[0]], grid[stuck[0] + 1]
        raise ValueError(
            f"eps={eps!r} is not increasing: {after:g} comes after {before:g}. Give each value "
            "once, from the smallest to the largest."
        )
    return grid, several


def check_certify(certify: object) -> None:
    """Raise unless `certify` is True, False or "auto"."""
    if isinstance(certify, (bool, np.bool_)) or (isinstance(certify, str) and certify == "auto"):
        return
    raise ValueError(f"certify={certify!r} is not accepted; give 'auto', True or False.")

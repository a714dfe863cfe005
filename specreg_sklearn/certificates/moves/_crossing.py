"""Where something that is open near zero closes, row by row."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray

FARTHEST = 1e120
"""Nobody looks farther than this, unless somebody says otherwise."""

_DOUBLINGS = 400
_HALVINGS, _NARROW = 200, 1e-15


def crossing(
    is_open: Callable[[FloatArray], BoolArray],
    start: FloatArray,
    *,
    limit: float = FARTHEST,
    most_halvings: int = _HALVINGS,
) -> tuple[FloatArray, FloatArray]:
    """Return numbers just below and at the place where something closes.

    Parameters
    ----------
    is_open : callable
        From numbers (n_rows,), one for each row, to where it is open, (n_rows,). What is closed at
        a number is closed beyond it.
    start : ndarray of shape (n_rows,)
        Where to look first; farther out by fours, as long as it is open there.
    limit : float
        No number from here on is looked beyond.
    most_halvings : int
        How often the bracket is halved, if it is not within one rounding before.

    Returns
    -------
    inner, outer : ndarray of shape (n_rows,)
        The bracket. It is closed at `outer`, unless it is open as far as anybody looks.
    """
    inner, outer = np.zeros(len(start)), start.copy()
    for _ in range(_DOUBLINGS):
        farther = is_open(outer) & (outer < limit)
        if not farther.any():
            break
        outer = np.where(farther, 4 * outer, outer)
    for _ in range(most_halvings):
        # A row that is narrow stays as it is: it must not depend on the others.
        wide = outer - inner > _NARROW * outer
        if not wide.any():
            break
        middle = 0.5 * (inner + outer)
        there = is_open(middle)
        inner = np.where(wide & there, middle, inner)
        outer = np.where(wide & ~there, middle, outer)
    return inner, outer

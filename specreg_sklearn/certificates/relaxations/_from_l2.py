"""What a radius in L2 implies in other norms, for moves inside the box of a row.

In a ball of L1 or Linf the lines of a relaxation are at least as tight as in the ball of L2 around
it. Parabolas are known in L2 alone, and where there are few columns or many neurons they may win.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.space import CleanRows

# Room for the roundings of the sums below, relative to them.
_ROUNDINGS = 2.0**-50


def reach_of(rows: CleanRows) -> FloatArray:
    """Return how far each cell can move in its box, (n_rows, n_movable), in units of the space."""
    if rows.repair is not None:
        # What a repair makes of a row need not lie inside the bounds.
        return np.full(rows.raw.shape, np.inf)
    low, high = (np.broadcast_to(end, rows.raw.shape) for end in rows.box(np.arange(len(rows))))
    return np.asarray(np.maximum(rows.raw - low, high - rows.raw) / rows.scale)


def implied_radii(radius: FloatArray, reach: FloatArray, norm: float) -> FloatArray:
    """Return radii in another norm whose balls, cut by the boxes, lie in balls of L2.

    Parameters
    ----------
    radius : ndarray of shape (n_rows,)
        Radii in L2, at least 0.
    reach : ndarray of shape (n_rows, n_columns)
        Of :func:`reach_of`.
    norm : {1, inf}
        The norm asked for.

    Returns
    -------
    ndarray of shape (n_rows,)
        Rounded downwards; infinite where the whole box lies in the ball.
    """
    n, d = reach.shape
    known = (radius > 0) & (radius < np.inf)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shares = np.where(known[:, None], np.sort(reach / radius[:, None], axis=1), np.inf)
    spent = np.cumsum(shares**2, axis=1) * (1 + (d + 4) * _ROUNDINGS)
    spent = np.concatenate([np.zeros((n, 1)), spent], axis=1)
    left = np.maximum(1 - spent, 0.0)
    # A move in the box whose entries are at most r is at most as long in L2 as k cells with the
    # least room, moved to the ends, and r in each of the others: this for every k.
    if norm == 1:
        best = np.ones(n)
    else:
        best = np.sqrt(left[:, :d] / np.arange(d, 0, -1)).max(axis=1, initial=0.0)
    best = np.where(left[:, d] > 0, np.inf, best * (1 - 4 * _ROUNDINGS))
    best[~known] = 1.0  # nothing follows from 0, and everything from a radius without end
    return np.asarray(radius * best)

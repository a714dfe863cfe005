"""How long steps are, also where squares would leave the range of floating point."""

from __future__ import annotations

import numpy as np


def length(steps: np.ndarray, norm: float) -> np.ndarray:
    """Return the norm of each row.

    Parameters
    ----------
    steps : ndarray of shape (m, d), float64
        Rows, of any size that is finite.
    norm : {2, inf}
        Which norm.

    Returns
    -------
    ndarray of shape (m,), float64
    """
    if steps.shape[1] == 0:
        return np.zeros(len(steps))
    if norm == np.inf:
        return np.abs(steps).max(axis=1)
    squares = np.einsum("ij,ij->i", steps, steps)
    out = np.sqrt(squares)
    if len(out) and not (squares.min() > 1e-200 and squares.max() < 1e200):
        odd = np.flatnonzero(~((squares > 1e-200) & (squares < 1e200)))
        # Scaling by the largest entry keeps these from under- or overflowing. It rounds otherwise,
        # so only they are scaled: the length of a row must not depend on the others.
        peak = np.abs(steps[odd]).max(axis=1)
        unit = steps[odd] / np.where(peak > 0, peak, 1.0)[:, None]
        out[odd] = peak * np.sqrt(np.einsum("ij,ij->i", unit, unit))
    return out

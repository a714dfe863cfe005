"""Bounds from two half-spaces at once: one that a move is in, and another one for each pair."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.neighbours._cells import Cell, Cells

# How much of the second half-space is mixed with the first one, where there is no closed form.
_SHARES = (0.25, 0.5, 0.75)
# Room for roundings, relative to the sizes of what is subtracted.
_BLUR = 1e-12
_BELOW = 1 - 1e-12


def joint_bounds(cells: Cells, cell: Cell, first: IntArray, second: IntArray) -> FloatArray:
    """Return how far a row moves at least to where points of one set beat those of another.

    Parameters
    ----------
    cells : Cells
        Polyhedra of the row.
    cell : Cell
        Where the move goes in any case.
    first, second : ndarray of int
        The two sets.

    Returns
    -------
    ndarray of shape (n_first, n_second)
        A bound for each pair, never less than that of the cell alone.
    """
    g, b = cells.slopes[first], cells.slopes[second]
    gain = cells.power[first][:, None] - cells.power[second][None]
    reach = cells.distance[first][:, None] + cells.distance[second][None]
    gain = gain - (cells.flat + cells.drift * reach)
    if cells.norm.order == 2:
        return _in_l2(g, b, gain, cell)
    return _by_mixing(cells, g, b, gain, cell)


def _in_l2(g: FloatArray, b: FloatArray, gain: FloatArray, cell: Cell) -> FloatArray:
    sizes = np.square(g).sum(axis=1)[:, None] + np.square(b).sum(axis=1)[None]
    squared = np.maximum(sizes - 2 * (g @ b.T), 0.0) + _BLUR * sizes
    length = float(np.linalg.norm(cell.normal))
    with np.errstate(divide="ignore", invalid="ignore"):
        alone = np.where(gain > 0, gain / np.sqrt(squared), 0.0)
        if not length > 0 or not cell.offset > 0:
            return np.asarray(np.maximum(alone * _BELOW, cell.lower))
        unit, r = cell.normal / length, cell.offset / length
        along = (g @ unit)[:, None] - (b @ unit)[None]
        across = np.maximum(squared - along**2, 0.0) + _BLUR * sizes
        rest = gain - along * r
        rest = rest - _BLUR * (np.abs(gain) + np.sqrt(sizes) * r)
        both = np.sqrt(r**2 + np.square(np.maximum(rest, 0.0)) / across)
        # The first half-space holds nothing back where the second one is that much farther.
        both = np.where(along * gain > r * squared, alone, both)
    return np.asarray(np.maximum(both * _BELOW, np.maximum(alone * _BELOW, cell.lower)))


def _by_mixing(
    cells: Cells, g: FloatArray, b: FloatArray, gain: FloatArray, cell: Cell
) -> FloatArray:
    dual = cells.norm.dual
    out = np.full(gain.shape, cell.lower)
    size = float(dual.length(cell.normal[None])[0])
    mixes = size > 0 and cell.offset > 0
    r, unit = (cell.offset / size, cell.normal / size) if mixes else (0.0, cell.normal)
    for k in range(len(b)):
        some = np.flatnonzero(gain[:, k] > 0)
        steps = g[some] - b[k]
        blur = _BLUR * (dual.length(g[some]) + dual.length(b[k][None]))
        rates = dual.length(steps) + blur
        alone = gain[some, k] / np.maximum(rates, 1e-300)
        best = alone
        if mixes:
            steps = steps / np.maximum(rates, 1e-300)[:, None]
            for share in _SHARES:
                length = dual.length((1 - share) * unit + share * steps) + _BLUR
                best = np.maximum(best, ((1 - share) * r + share * alone) / length)
        out[some, k] = np.maximum(out[some, k], best * _BELOW)
    return out

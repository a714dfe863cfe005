"""The shortest moves among those with the same signs of all neurons, from region to region."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, hstack, vstack

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.gradients._row_margins import DenseMargins
from specreg_sklearn.certificates.gradients._short_moves import Moves
from specreg_sklearn.certificates.moves import shortest_move
from specreg_sklearn.space import Norm

# Regions that a row is followed through, and how far moves go past the edges they end at.
_REGIONS = 6
_PAST = (1e-9, 1e-7)
# Larger polyhedra take longer than what they are good for.
_MOST_NUMBERS = 2**15


def shortest_in_regions(margins: DenseMargins, moves: Moves, norm: Norm) -> FloatArray:
    """Return moves that are shortest in their region, and in those next to it along the way.

    Where neurons change their sign the boundary has edges, and in L1 and Linf the shortest moves
    end at them, where a step along one linear function leads nowhere. Inside a region the shortest
    move is that into a polyhedron.

    Parameters
    ----------
    margins : DenseMargins
        The network.
    moves : Moves
        Moves with a margin that is not positive, one of each owner.
    norm : Norm
        In which moves are measured.
    """
    best = moves.move.copy()
    if margins.n_neurons * best.shape[1] > _MOST_NUMBERS:
        return best
    length = norm.length(best)
    for k, i in enumerate(moves.owner.tolist()):
        low, high = moves.low[k], moves.high[k]
        at = best[k]
        for _ in range(_REGIONS):
            G, h = margins.region(at, i)
            found = _shortest(G, h, norm, low, high)
            if found is None:
                break
            tried = np.clip(np.outer([1 + past for past in _PAST], found), low, high)
            value, _ = margins(tried, np.full(len(tried), i))
            across = np.flatnonzero(value <= 0)
            if not len(across):
                break
            at = tried[across[0]]
            far = float(norm.length(at[None])[0])
            if not far < length[k] * (1 - 1e-9):
                break
            best[k], length[k] = at, far
    return best


def _shortest(
    G: FloatArray, h: FloatArray, norm: Norm, low: FloatArray, high: FloatArray
) -> FloatArray | None:
    """Return the shortest move with ``G @ t >= h`` inside a box, or None where none was found."""
    if norm.order == 2:
        return shortest_move(G, h, np.zeros(len(h)), norm, low=low, high=high).move
    n, d = G.shape
    size = np.maximum(np.linalg.norm(G, axis=1, keepdims=True), 1e-300)
    G, h = G / size, h / size[:, 0]
    # Moves upwards and downwards; in Linf the length, too.
    ends = [(0.0, float(end)) for end in (*high, *-low)]
    rows, right = np.hstack([-G, G]), -h
    if norm.order == 1:
        cost = np.ones(2 * d)
    else:
        each = eye_array(d)
        cost = np.append(np.zeros(2 * d), 1.0)
        wider = hstack([csr_array(rows), csr_array((n, 1))])
        rows = vstack([wider, hstack([each, each, csr_array(-np.ones((d, 1)))])])
        right, ends = np.append(right, np.zeros(d)), [*ends, (0.0, np.inf)]
    found = linprog(cost, rows, right, bounds=ends, method="highs")
    return None if found.x is None else found.x[:d] - found.x[d : 2 * d]

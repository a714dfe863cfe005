"""The class of the nearest point: one neighbour, and centroids of classes."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.moves import LocalProof, ModelRows, shortest_move
from specreg_sklearn.certificates.neighbours._beating import Comparisons, Points

# Bounds of all points look at so many of the nearest points of the row's own class first.
_FEW = 8
# By how much the radius within which roundings are counted exceeds the first guess.
_WIDER = 8.0
_FARTHEST = 1e9
# How far beyond the boundary a witness is looked for, relative to its distance.
_INSIDE = 1e-8


def nearest_point_proof(
    points: Points,
    rows: ModelRows,
    own: IntArray,
    box: tuple[FloatArray, FloatArray],
    max_nodes: int,
) -> LocalProof:
    """Return the distances to where the nearest point has another label.

    Parameters
    ----------
    points : Points
        All points.
    rows : ModelRows
        The rows.
    own : ndarray of shape (n_rows,), int
        Their classes.
    box : tuple of two ndarray of shape (n_rows, n_moves)
        The moves that the space allows.
    max_nodes : int
        How many projections are made for a row.
    """
    n = len(rows)
    lower, n_nodes = np.zeros(n), np.zeros(n, dtype=np.int64)
    move = np.full((n, rows.slope.shape[1]), np.nan)
    for i in range(n):
        low, high = (end[i] for end in box) if rows.exact else _everywhere(rows)
        lower[i], step, n_nodes[i] = _row(points, rows, i, int(own[i]), low, high, max_nodes)
        if step is not None:
            move[i] = step
    return LocalProof(lower, move, n_nodes)


def _everywhere(rows: ModelRows) -> tuple[FloatArray, FloatArray]:
    """Return a box without ends: moves behind steps that mix cells have no box."""
    n_moves = rows.slope.shape[1]
    return np.full(n_moves, -np.inf), np.full(n_moves, np.inf)


def _row(
    points: Points,
    rows: ModelRows,
    i: int,
    own: int,
    low: FloatArray,
    high: FloatArray,
    max_nodes: int,
) -> tuple[float, FloatArray | None, int]:
    compare = Comparisons(points, rows, i)
    mine, others = np.flatnonzero(points.label == own), np.flatnonzero(points.label != own)
    if not len(others):
        return np.inf, None, 0
    if not len(mine) or points.label[compare.power.argmin()] != own:
        return 0.0, None, 0
    few = mine[np.argsort(compare.power[mine], kind="stable")[:_FEW]]
    # Roundings are counted within a radius: nothing is claimed beyond it.
    radius = _WIDER * float(compare.lower_bounds(others, few, 0.0).max(axis=1).min())
    radius = min(radius, _FARTHEST)
    lower, step, nearest, n_nodes = 0.0, None, 0, 0
    while lower >= radius * (1 - 1e-9) or not n_nodes:
        radius *= _WIDER if n_nodes else 1.0
        bounds = compare.lower_bounds(others, few, radius).max(axis=1)
        order = np.argsort(bounds, kind="stable")
        lower, best = np.inf, np.inf
        for place, k in enumerate(order.tolist()):
            if bounds[k] >= best or (n_nodes >= max_nodes and place):
                lower = min(lower, float(bounds[order[place:]].min()))
                break
            G, h, slack = compare.half_spaces(int(others[k]), mine, radius)
            found = shortest_move(G, h, slack, rows.norm, low=low, high=high, enough=best)
            n_nodes += 1
            lower = min(lower, max(found.lower, float(bounds[k])))
            if found.move is not None:
                length = float(rows.norm.length(found.move[None])[0])
                if length < best:
                    best, step, nearest = length, found.move, int(others[k])
        if not np.isfinite(best) or radius >= _FARTHEST or n_nodes >= max_nodes:
            break
    if step is not None:
        # On the boundary labels hang on roundings: a witness is a little beyond it.
        G, h, slack = compare.half_spaces(nearest, mine, radius)
        h = h + _INSIDE * np.linalg.norm(G, axis=1) * np.linalg.norm(step)
        inside = shortest_move(G, h, slack, rows.norm, low=low, high=high).move
        step = step if inside is None else inside
    return min(lower, radius), step, n_nodes

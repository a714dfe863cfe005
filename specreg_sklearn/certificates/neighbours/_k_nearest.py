"""The vote of the k nearest points: a lower bound from how many others must come near."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import IntArray
from specreg_sklearn.certificates.moves import LocalProof, ModelRows
from specreg_sklearn.certificates.neighbours._beating import Comparisons, Points

# So many of the nearest points of the row's own class are compared with; more only make the bound
# larger.
_OWN = 512
_CHUNK = 64
_WIDER, _FARTHEST = 8.0, 1e9


def majority_proof(points: Points, k: int, rows: ModelRows, own: IntArray) -> LocalProof:
    """Return lower bounds of the distances to where the k nearest points vote otherwise.

    As long as fewer than half of the k nearest points are others, the row keeps its class: h =
    ceil(k / 2) others must be among them, and then at most k - h of its own. Each of these others
    is nearer than all own points but k - h, so reaching it costs at least the (k - h + 1)-th
    largest of its distances to half-spaces; and the h-th cheapest of them must be reached.

    Parameters
    ----------
    points : Points
        All points.
    k : int
        How many of them vote.
    rows : ModelRows
        The rows.
    own : ndarray of shape (n_rows,), int
        Their classes.
    """
    n = len(rows)
    lower, n_nodes = np.zeros(n), np.zeros(n, dtype=np.int64)
    n_others = (k + 1) // 2
    for i in range(n):
        compare = Comparisons(points, rows, i)
        mine = np.flatnonzero(points.label == own[i])
        others = np.flatnonzero(points.label != own[i])
        if len(others) < n_others:
            lower[i] = np.inf
        elif len(mine) > k - n_others:
            lower[i], n_nodes[i] = _row(compare, mine, others, n_others, k - n_others)
    return LocalProof(lower, np.full((n, rows.slope.shape[1]), np.nan), n_nodes)


def _row(
    compare: Comparisons, mine: IntArray, others: IntArray, n_others: int, n_spared: int
) -> tuple[float, int]:
    mine = mine[np.argsort(compare.power[mine], kind="stable")[:_OWN]]
    others = others[np.argsort(compare.power[others], kind="stable")]
    radius, n_nodes, cost = np.inf, 0, 0.0
    for count in range(4):
        costs = np.empty(0)
        last = _FARTHEST if radius == np.inf else radius
        # A bound that needs no comparison: other points are farther and farther away.
        spared = compare.distance[mine[min(n_spared, len(mine) - 1)]]
        for begin in range(0, len(others), _CHUNK):
            some = others[begin : begin + _CHUNK]
            if len(costs) >= n_others and compare.rows.stretch > 0:
                rest = (compare.distance[some[0]] - spared) / (2 * compare.rows.stretch)
                if rest * (1 - 1e-9) - compare.drift(last) > costs.max() * (1 + 1e-9) + 1e-12:
                    break
            counted = 0.0 if radius == np.inf else radius
            bounds = compare.lower_bounds(some, mine, counted)
            n_nodes += len(some)
            reached = np.sort(bounds, axis=1)[:, ::-1][:, n_spared]
            costs = np.sort(np.concatenate([costs, reached]))[:n_others]
        cost = float(costs[-1])
        if count and cost <= radius * (1 - 1e-9):
            return cost, n_nodes
        radius = min(_WIDER * max(cost, 0.0), _FARTHEST) if np.isfinite(cost) else _FARTHEST
        if cost == 0.0:
            break
    return min(cost, radius), n_nodes

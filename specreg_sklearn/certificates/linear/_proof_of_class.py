"""Distances of rows of one class: the nearest of the half-spaces where another class leads."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.linear._leads import Lead
from specreg_sklearn.certificates.linear._whole_moves import cheapest_moves
from specreg_sklearn.certificates.moves import (
    LocalProof,
    ModelRows,
    fewest_columns,
    nearest_in_half_spaces,
    price_of_box,
    steps_around,
    whole_room,
)
from specreg_sklearn.space import L2

_LARGEST = 1e12


def proof_of_class(
    rows: ModelRows,
    leads: list[Lead],
    box: tuple[FloatArray, FloatArray] | None,
    max_nodes: int,
) -> LocalProof:
    """Return what is proved of rows of one class.

    Parameters
    ----------
    rows : ModelRows
        Rows of one class.
    leads : list of Lead
        Its leads over all others.
    box : tuple of two ndarray of shape (n_rows, n_moves), or None
        Ends of the moves, at their prices; None where moves are not those of the rows.
    max_nodes : int
        How much is searched for a row, in nodes of a search for trees.

    Returns
    -------
    LocalProof
        Bounds of the prices of moves, and moves, at their prices.
    """
    if box is not None and rows.norm.order == 0:
        return _fewest(rows, leads, box)
    lower, move = _nearest(rows, leads, box)
    if box is None or rows.grain is None:
        return LocalProof(lower, move, np.zeros(len(rows), dtype=np.int64))
    return _in_whole_steps(rows, leads, box, lower, max_nodes)


def _nearest(
    rows: ModelRows, leads: list[Lead], box: tuple[FloatArray, FloatArray] | None
) -> tuple[FloatArray, FloatArray]:
    """Return lower bounds, and the shortest moves, where cells may be any numbers."""
    n, order = len(rows), rows.norm.order
    length, move = np.full(n, np.inf), np.full((n, rows.slope.shape[1]), np.nan)
    # First without roundings: the distance, within which they count.
    for lead in leads:
        nearer = np.flatnonzero(lead.first < length)
        ends = None if box is None else (box[0][nearer], box[1][nearer])
        slope = np.broadcast_to(lead.slope, (len(nearer), len(lead.slope)))
        distance, step = nearest_in_half_spaces(slope, lead.gap[nearer], order, ends)
        better = distance < length[nearer]
        length[nearer[better]], move[nearer[better]] = distance[better], step[better]
    radius = np.minimum(length * (1 + 1e-9), _LARGEST)
    if box is not None:
        # Nor farther than the farthest corner of the box; it has no length where that is open.
        radius = np.fmin(radius, _corner(rows, box) * (1 + 1e-8))
    lower = radius.copy()
    for lead in leads:
        left = lead.left(radius)
        lower = np.minimum(lower, lead.farthest)
        least = np.minimum(lower, lead.near())
        lower[~(left > 0)] = least[~(left > 0)]
        # A class that is much farther away than the nearest one stays so with roundings.
        some = np.flatnonzero((left > 0) & ((lead.first < 2 * radius) | (left < 0.6 * lead.gap)))
        ends = None if box is None else (box[0][some], box[1][some])
        slope = np.broadcast_to(lead.slope, (len(some), len(lead.slope)))
        distance, _ = nearest_in_half_spaces(slope, left[some], order, ends)
        lower[some] = np.minimum(lower[some], distance)
    return lower * (1 - 1e-12), move


def _in_whole_steps(
    rows: ModelRows,
    leads: list[Lead],
    box: tuple[FloatArray, FloatArray],
    lower: FloatArray,
    max_nodes: int,
) -> LocalProof:
    """Return bounds that are better than these where whole numbers have to stay whole."""
    n, order = len(rows), rows.norm.order
    price = price_of_box(rows.slope.shape[1])
    most_nodes = max(1, max_nodes // price)
    radius, move = np.full(n, np.inf), np.full(box[0].shape, np.nan)
    problems = [_problem(rows, lead, box) for lead in leads]
    n_nodes = np.zeros(n, dtype=np.int64)

    def search(k: int, gap: FloatArray, some: IntArray, most: int) -> FloatArray:
        """Search for moves to where class k is as good; return bounds of their price."""
        rate, room, grain = problems[k]
        # As far beyond the lead as roundings reach, to be sure of what `predict` says there.
        lead = leads[k].gap[some]
        found = cheapest_moves(
            rate,
            gap[some],
            lead + (lead - gap[some]),
            order,
            room[some],
            grain[some],
            cap=radius[some],
            most_nodes=most - n_nodes[some],
        )
        nearer = found.cost < radius[some]
        radius[some[nearer]] = found.cost[nearer]
        move[some[nearer]] = found.move[nearer] * np.sign(leads[k].slope)
        n_nodes[some] += found.n_nodes
        return found.lower

    # First a move that suffices, to know how much roundings count within its length.
    nearest = np.argmin([lead.first for lead in leads], axis=0)
    for k, lead in enumerate(leads):
        search(k, lead.gap, np.flatnonzero(nearest == k), 0)
    whole = np.fmin(radius * (1 + 1e-9), _corner(rows, box) * (1 + 1e-8))
    most_nodes += int(n_nodes.max(initial=0))
    gaps = [lead.left(whole) for lead in leads]
    for lead, left in zip(leads, gaps, strict=True):
        whole = np.minimum(whole, np.where(left > 0, lead.farthest, 0.0))
    # The class that seems nearest first: what it leaves is seldom worth a search for the others.
    for nearest_first in (True, False):
        for k, lead in enumerate(leads):
            mine = (nearest == k) == nearest_first
            # No move gains so much that is shorter than this.
            least = gaps[k] / lead.rate * (1 - 1e-9) if lead.rate else np.full(n, np.inf)
            some = np.flatnonzero(mine & (gaps[k] > 0) & (least < whole))
            whole[some] = np.minimum(whole[some], search(k, gaps[k], some, most_nodes))
    return LocalProof(np.maximum(lower, whole * (1 - 1e-12)), move, n_nodes * price)


def _fewest(rows: ModelRows, leads: list[Lead], box: tuple[FloatArray, FloatArray]) -> LocalProof:
    """Return how many columns have to move, and moves of them."""
    n, corner = len(rows), L2.length(np.maximum(np.abs(box[0]), np.abs(box[1])))
    lower, fewest = np.full(n, np.inf), np.full(n, np.inf)
    move = np.full(box[0].shape, np.nan)
    for lead in leads:
        rate, room, grain = _problem(rows, lead, box)
        left = lead.left(corner)
        with np.errstate(invalid="ignore"):
            gained = np.where(rate > 0, rate * room, 0.0)
        count, _ = fewest_columns(gained, np.maximum(left, 0.0))
        # One column moves in any case.
        count = np.where((left > 0) & (corner <= lead.farthest), count, 1.0)
        lower = np.minimum(lower, count)
        count, wanted = fewest_columns(gained, lead.gap)
        step = wanted / np.where(rate > 0, rate, 1.0)
        step = np.where(grain > 0, np.minimum(steps_around(step, grain)[1], room), step)
        better = count < fewest
        fewest[better], move[better] = count[better], (step * np.sign(lead.slope))[better]
    return LocalProof(lower, move, np.zeros(n, dtype=np.int64))


def _problem(
    rows: ModelRows, lead: Lead, box: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return what columns gain by moving the way that pays, how far they may, and by what steps."""
    room = np.where(lead.slope > 0, box[1], -box[0])
    grain = np.zeros(room.shape) if rows.grain is None else rows.grain
    if rows.dearer is not None:
        grain = grain * np.where(lead.slope > 0, *rows.dearer)
    return np.abs(lead.slope), whole_room(room, grain), grain


def _corner(rows: ModelRows, box: tuple[FloatArray, FloatArray]) -> FloatArray:
    """Return how far the farthest corners of boxes are, at their prices."""
    with np.errstate(invalid="ignore"):
        return rows.norm.length(np.maximum(np.abs(box[0]), np.abs(box[1])))

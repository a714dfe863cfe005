"""The cheapest moves past a linear boundary where some columns move by whole steps.

What a column has to do is known: it moves to the side where the other class gains. So moves are
numbers v >= 0 here, at their price, and a boundary is ``rate @ v >= gap``. In Linf each column goes
as far as the cube allows, and a bisection is exact. In L1 and L2 the problem is a knapsack to be
covered: branch and bound, from Lagrange's bound, in which whole columns stay whole (Martello, Toth,
Knapsack Problems, 1990; Fisher, Management Science 27, 1981).
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.linear._knapsack_bounds import (
    RELAXATIONS,
    Problem,
    gain,
    gap_bracket,
)
from specreg_sklearn.certificates.moves import (
    ROUNDED,
    CheapestMoves,
    Relaxed,
    branch_and_bound,
)


def cheapest_moves(
    rate: FloatArray,
    gap: FloatArray,
    enough: FloatArray,
    order: float,
    room: FloatArray,
    grain: FloatArray,
    *,
    cap: FloatArray,
    most_nodes: IntArray,
) -> CheapestMoves:
    """Return the cheapest moves of some rows to where ``rate @ v >= gap``.

    Parameters
    ----------
    rate : ndarray of shape (n_moves,)
        What a unit of a move gains, not negative.
    gap : ndarray of shape (n_rows,)
        What has to be gained.
    enough : ndarray of shape (n_rows,)
        What moves that are handed back gain, as much as `gap` or more.
    order : {1, 2, inf}
        The norm of moves.
    room : ndarray of shape (n_rows, n_moves)
        How far moves may go, as :func:`whole_room` gives it; may be infinite.
    grain : ndarray of shape (n_rows, n_moves)
        The step by which a column moves; 0 where it moves by any number.
    cap : ndarray of shape (n_rows,)
        Costs that are not worth a search: the search of a row ends once it is proved that there is
        no cheaper one.
    most_nodes : ndarray of shape (n_rows,), int
        How many boxes are looked at for each row.
    """
    used = np.flatnonzero(rate > 0)
    move, high = np.zeros(room.shape), room[:, used]
    problem = Problem(rate[used], gap, enough, grain[:, used])
    if order == np.inf:
        found = _in_cubes(problem, high)
    else:
        bounds = RELAXATIONS[order]

        def relaxed(owner: IntArray, low: FloatArray, high: FloatArray) -> Relaxed:
            return bounds(problem.take(owner), low, high)

        low = np.zeros(high.shape)
        found = branch_and_bound(relaxed, low, high, cap=cap, most_nodes=most_nodes)
    move[:, used] = found.move
    return found._replace(move=move)


def _in_cubes(problem: Problem, high: FloatArray) -> CheapestMoves:
    """Return the smallest cubes whose corner gains enough."""
    rate, gap, enough, grain = problem
    unit = np.where(grain > 0, grain, 1.0)

    def corner(radius: FloatArray) -> FloatArray:
        wide = np.broadcast_to(radius[:, None], high.shape)
        whole = np.floor(wide / unit + ROUNDED) * unit
        return np.minimum(high, np.where(grain > 0, whole, wide))

    def smallest(gap: FloatArray) -> tuple[FloatArray, FloatArray]:
        never = gain(rate, high) < gap
        ends = gap_bracket(lambda r: gain(rate, corner(r)), gap, rate.sum(), never)
        inner, outer = (np.where(never, np.inf, end) for end in ends)
        return inner, outer

    lower, upper = smallest(gap)[0], smallest(enough)[1]
    move = corner(np.where(np.isinf(upper), 0.0, upper))
    cost = np.where(np.isinf(upper), np.inf, move.max(axis=1, initial=0.0))
    return CheapestMoves(lower, cost, move, np.zeros(len(gap), dtype=np.int64))

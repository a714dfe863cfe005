"""The shortest move after which some points are at least as near as others.

Where each point of one set is at least as near as each of another one is a polyhedron, with a
half-space for each pair. Few pairs matter: they join as a move misses them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.moves import GrowingProgram, combined_bound, shortest_in
from specreg_sklearn.certificates.neighbours._beating import Comparisons, nearest_of

_ROUNDS = 40
# So many pairs, and so many ends of the box, join at a time.
_JOIN = 4
# Powers that differ by less than this share of their sizes count as equal.
_MET = 1e-11
# Normals that nearly cancel are left out of bounds of several half-spaces.
_CLEAR = 1e-2
_LOW, _HIGH = -1, -2
# So many nodes of a budget is one projection, and one linear program.
_NODES_L2, _NODES_LINEAR = 2, 4
# Only a polyhedron without a point is as far.
_EMPTY = 1e6


class Cell(NamedTuple):
    """The nearest place of a polyhedron.

    Parameters
    ----------
    lower : float
        No move into it is shorter.
    move : ndarray of shape (n_moves,) or None
        A move that seems the shortest one; None if none was found.
    pairs : ndarray of shape (n_pairs, 2), int
        Half-spaces that hold it back: a point, and one that it must beat. Ends of the box have a
        negative number first.
    weights : ndarray of shape (n_pairs,)
        Their multipliers.
    power : ndarray of shape (n_points,)
        Squared distances of all points after the move, but for a number that they share.
    normal, offset : ndarray of shape (n_moves,), float
        The half-space that is made of all of them, of moves t with ``normal @ t >= offset``.
    """

    lower: float
    move: FloatArray | None
    pairs: IntArray
    weights: FloatArray
    power: FloatArray
    normal: FloatArray
    offset: float


class Cells:
    """Polyhedra of moves of one row.

    Parameters
    ----------
    compare : Comparisons
        The points, from where the row is.
    low, high : ndarray of shape (n_moves,)
        Ends of the box of moves.
    radius : float
        Roundings are counted for moves up to this length.
    """

    def __init__(
        self, compare: Comparisons, low: FloatArray, high: FloatArray, radius: float
    ) -> None:
        self.power, self.norm = compare.power, compare.rows.norm
        self.low, self.high = low, high
        self.slopes = compare.slopes
        self.position, self.distance = compare.points.position, compare.distance
        self.flat, self.drift = 2 * compare.pair_slack(radius), 2 * compare.drift(radius)
        self.n_nodes = 0

    def everywhere(self) -> Cell:
        """Return what holds without any half-space."""
        d = self.slopes.shape[1]
        none = np.empty((0, 2), dtype=np.int64)
        return Cell(0.0, np.zeros(d), none, np.zeros(0), self.power, np.zeros(d), 0.0)

    def blur(self, power: FloatArray) -> FloatArray:
        """Return by how much computed powers may differ and be equal, (n_points,)."""
        return np.asarray(_MET * (np.abs(self.power) + np.abs(power) + 1e-300))

    def half_spaces(self, pairs: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return ``G, h, slack`` of pairs."""
        a, b = pairs.T
        if (a >= 0).all():
            lengths = np.sqrt(np.square(self.position[a] - self.position[b]).sum(axis=1))
            slack = self.flat + self.drift * lengths
            return self.slopes[a] - self.slopes[b], self.power[a] - self.power[b], slack
        G, h = np.zeros((len(pairs), self.slopes.shape[1])), np.zeros(len(pairs))
        slack = np.zeros(len(pairs))
        inner = a >= 0
        G[inner], h[inner], slack[inner] = self.half_spaces(pairs[inner])
        low, high = np.flatnonzero(a == _LOW), np.flatnonzero(a == _HIGH)
        G[low, b[low]], h[low] = 1.0, self.low[b[low]]
        G[high, b[high]], h[high] = -1.0, -self.high[b[high]]
        return G, h, slack

    def nearest(
        self, inside: IntArray, outside: IntArray, begin: IntArray, enough: float, past: float = 0.0
    ) -> Cell:
        """Return the shortest move after which points of one set beat those of another one.

        Parameters
        ----------
        inside, outside : ndarray of int
            The two sets.
        begin : ndarray of shape (n_pairs, 2), int
            Pairs that the search begins with, all of these sets.
        enough : float
            A bound above this ends the search.
        past : float, default=0.0
            By how much, relative to the sizes of half-spaces, they are entered.
        """
        d, l2 = self.slopes.shape[1], self.norm.order == 2
        pairs, weights = np.empty((0, 2), dtype=np.int64), np.zeros(0)
        G, h, slack, aims = np.empty((0, d)), np.zeros(0), np.zeros(0), np.zeros(0)
        lower, move, power = 0.0, np.zeros(d), self.power
        best = (np.zeros(d), 0.0)
        found: FloatArray | None = move
        program = None if l2 else GrowingProgram(self.norm, d)
        more = begin if len(begin) else self._missed(inside, outside, power, move, pairs)
        for _ in range(_ROUNDS):
            if not len(more):
                break
            joining = self.half_spaces(more)
            sizes = np.maximum(np.linalg.norm(joining[0], axis=1), 1e-300)
            joining = joining[0] / sizes[:, None], joining[1] / sizes, joining[2] / sizes
            if ((joining[1] > joining[2]) & (joining[0] == 0).all(axis=1)).any():
                # These columns cannot move one point nearer than the other.
                lower, found = np.inf, None
                break
            enter = np.where(more[:, 0] >= 0, past, 0.0)
            kept = weights > 0 if program is None else np.ones(len(pairs), dtype=bool)
            pairs = np.concatenate([pairs[kept], more])
            G = np.concatenate([G[kept], joining[0]])
            h = np.concatenate([h[kept], joining[1]])
            aims = np.concatenate([aims[kept], joining[1] + enter])
            slack = np.concatenate([slack[kept], joining[2]])
            found, weights = self._shortest(G, aims, program, joining[0], joining[1] + enter)
            bound = combined_bound(G, h, slack, weights, self.norm)
            if found is None and program is not None and bound <= min(enough, _EMPTY):
                # It gave up, perhaps by rounding.
                found, weights = self._shortest(G, aims)
                bound = max(bound, combined_bound(G, h, slack, weights, self.norm))
            if bound > lower:
                lower, best = bound, _one_half_space(G, h, slack, weights)
            if found is None or lower > enough:
                found = None
                break
            move = found
            power = self.power - self.slopes @ move
            more = self._missed(inside, outside, power, move, pairs)
        pairs, weights = pairs[weights > 0], weights[weights > 0]
        return Cell(lower, found, pairs, weights, power, *best)

    def _shortest(
        self,
        G: FloatArray,
        aims: FloatArray,
        program: GrowingProgram | None = None,
        *more: FloatArray,
    ) -> tuple[FloatArray | None, FloatArray]:
        self.n_nodes += _NODES_L2 if self.norm.order == 2 else _NODES_LINEAR
        if program is None:
            return shortest_in(G, aims, self.norm)
        program.add(*more)
        return program.solve()

    def _missed(
        self,
        inside: IntArray,
        outside: IntArray,
        power: FloatArray,
        move: FloatArray,
        pairs: IntArray,
    ) -> IntArray:
        """Return pairs that a move misses most."""
        missed: list[tuple[int, int]] = []
        if len(inside) and len(outside):
            blur = self.blur(power)
            few = nearest_of(outside, power, _JOIN)
            last, first = int(inside[power[inside].argmax()]), int(few[0])
            missed += [
                (last, int(o)) for o in few if power[o] < power[last] - blur[[o, last]].max()
            ]
            missed += [
                (int(i), first)
                for i in inside
                if i != last and power[first] < power[i] - max(blur[i], blur[first])
            ]
        beyond = np.maximum(self.low - move, move - self.high)
        for j in np.argsort(-beyond, kind="stable")[:_JOIN].tolist():
            if beyond[j] > _MET * float(np.abs(move).max()):
                missed.append((_LOW if move[j] < self.low[j] else _HIGH, j))
        known = {(int(a), int(b)) for a, b in pairs}
        missed = [pair for pair in missed if pair not in known]
        return np.array(missed, dtype=np.int64).reshape(-1, 2)


def _one_half_space(
    G: FloatArray, h: FloatArray, slack: FloatArray, weights: FloatArray
) -> tuple[FloatArray, float]:
    """Return the half-space that others make; nothing where it is mostly rounding."""
    weight = np.maximum(weights, 0.0)
    normal, size = weight @ G, weight @ np.abs(G)
    offset = float(weight @ (h - slack)) - 1e-14 * float(weight @ (np.abs(h) + slack))
    if np.linalg.norm(normal) < _CLEAR * np.linalg.norm(size):
        return np.zeros(G.shape[1]), 0.0
    return normal, offset

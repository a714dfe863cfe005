"""The shortest move into a polyhedron, with multipliers that prove a lower bound of its length.

The polyhedron is an intersection of half-spaces ``G @ t >= h``. For any multipliers u >= 0, a move
t in it has ``u @ h <= (u @ G) @ t <= dual(u @ G) * length(t)``, so its length is at least
``u @ h / dual(u @ G)``: one half-space made of all of them. The best multipliers give the length of
the shortest move. They come from a solver and are trusted in nothing: any others give a valid, if
smaller, bound.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog, nnls

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.space import Norm

# Constraints that are missed by less than this share of their sizes count as met.
_MET = 1e-11
# So many violated constraints join at a time.
_JOIN = 4
_ROUNDS = 60


class ShortestMove(NamedTuple):
    """The shortest move into a polyhedron.

    Parameters
    ----------
    lower : float
        No move into it is shorter; infinite if it is empty.
    move : ndarray of shape (n_moves,) or None
        A move that the solver takes for the shortest one; None if it found none.
    """

    lower: float
    move: FloatArray | None


def combined_bound(
    G: FloatArray, h: FloatArray, slack: FloatArray, multipliers: FloatArray, norm: Norm
) -> float:
    """Return a lower bound of the length of moves with ``G @ t >= h - slack``.

    Parameters
    ----------
    G : ndarray of shape (n, n_moves)
        Normals of half-spaces.
    h, slack : ndarray of shape (n,)
        Their offsets, and how much these may be too large.
    multipliers : ndarray of shape (n,)
        Weights of the half-spaces; negative ones count as 0.
    norm : Norm
        In which moves are measured.
    """
    weight = np.maximum(multipliers, 0.0)
    gain = float(weight @ (h - slack)) - 1e-15 * len(h) * float(weight @ (np.abs(h) + slack))
    if not gain > 0:
        return 0.0
    normal, size = weight @ G, weight @ np.abs(G)
    # Normals that cancel leave their roundings.
    blur = 2.0**-52 * (len(h) + 2) * size
    rate = float(norm.dual.length((np.abs(normal) + blur)[None])[0])
    return gain / rate * (1 - 1e-12) if rate > 0 else np.inf


def shortest_move(
    G: FloatArray,
    h: FloatArray,
    slack: FloatArray,
    norm: Norm,
    *,
    low: FloatArray,
    high: FloatArray,
    enough: float = np.inf,
) -> ShortestMove:
    """Return the shortest move with ``G @ t >= h`` inside a box around zero.

    Parameters
    ----------
    G : ndarray of shape (n, n_moves)
        Normals of half-spaces.
    h, slack : ndarray of shape (n,)
        Their offsets, and how much these may be too large: the bound holds for ``h - slack``.
    norm : Norm
        In which moves are measured.
    low, high : ndarray of shape (n_moves,)
        Ends of the box, which contains zero; infinite where it is open.
    enough : float, default=inf
        A bound above this ends the search.
    """
    n_moves = G.shape[1]
    sizes = np.linalg.norm(G, axis=1)
    flat = sizes == 0
    if (h[flat] > slack[flat]).any():
        return ShortestMove(np.inf, None)
    kept = ~flat
    G, h, slack, sizes = G[kept], h[kept], slack[kept], sizes[kept]
    scale = np.maximum(sizes, 1e-300)
    if not len(h) or (h <= 0).all():
        return ShortestMove(0.0, np.zeros(n_moves))
    G, h, slack = G / scale[:, None], h / scale, slack / scale
    joined = _Constraints(G, h, slack, low, high)
    joined.add([int(np.argmax(h / norm.dual.length(G)))])
    lower, move = 0.0, None
    for _ in range(_ROUNDS):
        move, multipliers = shortest_in(joined.G, joined.h, norm)
        lower = max(lower, combined_bound(joined.G, joined.h, joined.slack, multipliers, norm))
        if move is None or lower > enough:
            return ShortestMove(lower, None)
        worst = joined.most_violated(move)
        if not len(worst):
            break
        joined.add(worst)
    return ShortestMove(lower, move)


class _Constraints:
    """Half-spaces, and then the ends of a box, of which some have joined."""

    def __init__(
        self, G: FloatArray, h: FloatArray, slack: FloatArray, low: FloatArray, high: FloatArray
    ) -> None:
        self.every, self.low, self.high = (G, h, slack), low, high
        self.some: list[int] = []
        self.G, self.h, self.slack = np.zeros((0, G.shape[1])), np.zeros(0), np.zeros(0)

    def add(self, numbers: list[int]) -> None:
        """Let constraints join; those of the box are built only then."""
        G, h, slack = self.every
        n, d = G.shape
        for k in numbers:
            self.some.append(k)
            row, offset, unsure = np.zeros(d), 0.0, 0.0
            if k < n:
                row, offset, unsure = G[k], float(h[k]), float(slack[k])
            elif k < n + d:
                row[k - n], offset = 1.0, float(self.low[k - n])
            else:
                row[k - n - d], offset = -1.0, -float(self.high[k - n - d])
            self.G = np.vstack([self.G, row])
            self.h, self.slack = np.append(self.h, offset), np.append(self.slack, unsure)

    def most_violated(self, move: FloatArray) -> list[int]:
        """Return a few of those that a move misses most."""
        G, h, _ = self.every
        missed = np.concatenate([h - G @ move, self.low - move, move - self.high])
        size = np.concatenate([np.abs(h), np.abs(self.low), np.abs(self.high)])
        size[np.isinf(size)] = 0.0
        missed[missed <= _MET * (size + float(np.linalg.norm(move)))] = -np.inf
        missed[self.some] = -np.inf
        worst = np.argsort(-missed)[:_JOIN]
        return [int(k) for k in worst if missed[k] > -np.inf]


def shortest_in(G: FloatArray, h: FloatArray, norm: Norm) -> tuple[FloatArray | None, FloatArray]:
    """Return the shortest move with ``G @ t >= h``, None without one, and multipliers.

    Parameters
    ----------
    G : ndarray of shape (n, n_moves)
        Normals of half-spaces, at least one, none of them zero.
    h : ndarray of shape (n,)
        Their offsets, of which one is positive.
    norm : Norm
        In which moves are measured.
    """
    if len(h) == 1:
        return _towards(G[0], float(h[0]), norm), np.ones(1)
    return _by_projection(G, h) if norm.order == 2 else _by_programming(G, h, norm)


def _towards(g: FloatArray, h: float, norm: Norm) -> FloatArray:
    """Return the shortest move into one half-space."""
    if norm.order == 2:
        return np.asarray(g * (h / float(g @ g)))
    if norm.order == np.inf:
        return np.asarray(np.sign(g) * (h / float(np.abs(g).sum())))
    j = int(np.abs(g).argmax())
    move = np.zeros(len(g))
    move[j] = h / g[j]
    return move


def _by_projection(G: FloatArray, h: FloatArray) -> tuple[FloatArray | None, FloatArray]:
    """Project by non-negative least squares: Lawson, Hanson, 1974, chapter 23."""
    target = np.zeros(G.shape[1] + 1)
    target[-1] = 1.0
    unit = max(float(np.abs(h).max()), 1e-300)
    try:
        multipliers, _ = nnls(np.vstack([G.T, h / unit]), target, maxiter=50 * G.shape[1] + 500)
    except (RuntimeError, np.linalg.LinAlgError):  # it gives up: the bound so far stands
        return None, np.zeros(len(h))
    rest = np.vstack([G.T, h / unit]) @ multipliers - target
    if abs(rest[-1]) < 1e-14:
        return None, multipliers
    return -rest[:-1] / rest[-1] * unit, multipliers


def _by_programming(
    G: FloatArray, h: FloatArray, norm: Norm
) -> tuple[FloatArray | None, FloatArray]:
    """Find the shortest move in L1 or Linf by a linear program."""
    n, d = G.shape
    eye = np.eye(d)
    if norm.order == np.inf:
        cost = np.append(np.zeros(d), 1.0)
        length = np.ones((d, 1))
    else:
        cost = np.append(np.zeros(d), np.ones(d))
        length = eye
    # -length <= t <= length, and G t >= h.
    A = np.vstack(
        [
            np.hstack([eye, -length]),
            np.hstack([-eye, -length]),
            np.hstack([-G, np.zeros((n, length.shape[1]))]),
        ]
    )
    b = np.concatenate([np.zeros(2 * d), -h])
    bounds = [(None, None)] * d + [(0, None)] * length.shape[1]
    found = linprog(cost, A_ub=A, b_ub=b, bounds=bounds, method="highs")
    if found.status != 0:
        return None, np.zeros(n)
    return np.asarray(found.x[:d]), np.asarray(-found.ineqlin.marginals[2 * d :])

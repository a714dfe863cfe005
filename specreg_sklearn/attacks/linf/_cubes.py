"""Draws in shrinking cubes: what finds the small balls in which walls of trees meet.

The walls of trees over heavy-tailed columns lie at all scales, and the nearest wrong region is
often a thousandth of the data's range away. No walk from rows of data gets there. But in a cube
that is large enough a random point fools the model with good odds, above all the rows of data that
the model puts into a wrong class, clipped to the cube.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.linf._lattice import Lattice
from specreg_sklearn.attacks.linf._shrink import shrink
from specreg_sklearn.attacks.questions import SearchTask, stream

# Keeps these draws apart from those of other searches.
_CUBE_DRAW = 2**42
# Of the draws, so many go towards rows of data, and so many anywhere; the others go to corners.
_FROM_DATA, _ANYWHERE = 0.7, 0.15
# Shares of the columns that draws touch.
_FIRST_SHARES = (1.0, 1.0, 1.0, 0.5, 0.5, 0.25)
_SHARES = (1.0, 1.0, 0.5, 0.5, 0.25, 0.1)
# First cubes, from this share of the nearest start on: each is half as wide as the one before.
_FIRST_SCALE, _N_SCALES, _PER_SCALE, _N_FIRST = 0.7, 12, 2, 2
# From the smallest that holds a hit, these shares of it.
_DOWNWARDS, _PER_SHARE, _N_DOWNWARDS = np.array([0.25, 0.35, 0.5, 0.7]), 5, 3
# Later on: half-widths of the cubes of a round, as shares of the best distance. Of every four
# draws, three keep the best point where they do not touch it.
_LEVELS = np.resize([0.99, 0.97, 0.9, 0.75, 0.99, 0.95], 24)
_FROM_BEST = np.arange(len(_LEVELS)) % 4 < 3
# The smallest progress that counts, as a share of the distance.
_TOLERANCE = 1e-3
# What stands for a corner before it is clipped to a cube.
_FAR = 1e300


class CubeSearch:
    """Asks in cubes around the clean rows, which are a little smaller than the best distance."""

    def __init__(self, task: SearchTask, lattice: Lattice) -> None:
        self.task, self.lattice, self._n_draws = task, lattice, 0
        # Rows that have asked at all scales.
        self._begun = np.zeros(len(task.x), dtype=bool)

    def round(self, number: int, rows: BoolArray) -> None:
        """Ask for the marked rows, once; `number` counts such rounds."""
        new = np.flatnonzero(rows & ~self._begun)
        if len(new):
            self._begun[new] = True
            self._ask_at_all_scales(new)
        # Rows may have spent their budget there.
        chosen = np.flatnonzero(rows & self.task.is_open(np.arange(len(rows))))
        if len(chosen):
            self._ask_around_best(number, chosen)

    def _ask_at_all_scales(self, rows: IntArray) -> None:
        """Ask at all scales, and then downwards from the smallest cube that holds a hit."""
        oracle = self.task.oracle
        shares = np.repeat(_FIRST_SCALE * 0.5 ** np.arange(_N_SCALES), _PER_SCALE)
        first, draw = oracle.best_distance[rows].copy(), 0
        for _ in range(_N_FIRST):
            # Where nothing is hit at any scale there is no second look.
            before = oracle.best_distance[rows]
            self._ask(draw, rows, first[:, None] * shares)
            hit = oracle.best_distance[rows] < before
            rows, first, draw = rows[hit], first[hit], draw + 1
        shares = np.repeat(_DOWNWARDS, _PER_SHARE)
        for _ in range(_N_DOWNWARDS):
            before = oracle.best_distance[rows]
            self._ask(draw, rows, before[:, None] * shares)
            rows, draw = rows[oracle.best_distance[rows] < before], draw + 1

    def _ask(self, draw: int, rows: IntArray, half: FloatArray) -> None:
        """Ask about fresh draws in cubes of these half-widths, (m, k)."""
        if len(rows):
            moves, mask = self._draw(draw, rows, half, _FIRST_SHARES)
            self._decide(rows, np.where(mask, moves, 0.0), half)

    def _ask_around_best(self, number: int, rows: IntArray) -> None:
        """Ask in cubes inside the best distance, and shrink the smallest that holds a hit."""
        task, oracle = self.task, self.task.oracle
        half = oracle.best_distance[rows, None] * _LEVELS
        draw = _N_FIRST + _N_DOWNWARDS + number
        moves, mask = self._draw(draw, rows, half, _SHARES)
        best = (oracle.best[rows] - task.x[rows])[:, None]
        delta = np.where(mask, moves, np.where(_FROM_BEST[:, None], best, 0.0))
        row, move = np.nonzero(self._decide(rows, delta, half))
        first = np.lexsort((move, half[row, move], row))
        row, move = row[first], move[first]
        # The smallest cube of each row, and in it the first.
        row, smallest = np.unique(row, return_index=True)
        move = move[smallest]
        whose, radius = rows[row], half[row, move]
        found = self.lattice.inside(delta[row, move], radius)
        shrink(
            oracle.decide,
            self.lattice,
            task.x[whose],
            found,
            radius / (1 - _TOLERANCE),
            whose,
            np.arange(len(whose)),
            found,
            _TOLERANCE,
            np.full(len(whose), np.inf),
        )

    def _decide(self, rows: IntArray, delta: FloatArray, half: FloatArray) -> BoolArray:
        """Ask about perturbations, (m, k, d), clipped to cubes of these half-widths, (m, k)."""
        m, k, d = delta.shape
        inside = self.lattice.inside(delta.reshape(-1, d), half.reshape(-1))
        owner = np.repeat(rows, k)
        return self.task.oracle.decide(self.task.x[owner] + inside, owner).reshape(m, k)

    def _draw(
        self, draw: int, rows: IntArray, half: FloatArray, shares: tuple[float, ...]
    ) -> tuple[FloatArray, BoolArray]:
        """Return k moves of every row, (m, k, d), not clipped yet, and what they touch, (k, d)."""
        task, (m, k), d = self.task, half.shape, self.task.x.shape[1]
        rng = stream(task.seed, _CUBE_DRAW + draw)
        share, touch = rng.choice(shares, size=k), rng.random((k, d))
        mask = touch < share[:, None]
        mask[np.arange(k), touch.argmin(axis=1)] = True
        level = rng.uniform(-1, 1, size=(k, d))
        kind, place = rng.random((2, k))
        moves = np.empty((m, k, d))
        moves[:] = np.where(level < 0, -_FAR, _FAR)
        anywhere = np.flatnonzero(kind >= 1 - _ANYWHERE)
        moves[:, anywhere] = level[anywhere] * half[:, anywhere, None]
        data = np.flatnonzero(kind < _FROM_DATA)
        for label in np.unique(task.oracle.labels[rows]).tolist():
            some = np.flatnonzero(task.oracle.labels[rows] == label)
            self._fill_from_data(moves, rows, some, data, place[data], label)
        return moves, mask

    def _fill_from_data(
        self,
        moves: FloatArray,
        rows: IntArray,
        some: IntArray,
        data: IntArray,
        place: FloatArray,
        label: int,
    ) -> None:
        """Let moves lead to rows of data that the model puts into a wrong class, if there are."""
        pool, clean = self.task.pool, self.task.oracle.rows
        if pool is None:
            return
        wrong = pool.fooling(label, self.task.oracle.targeted)
        if not len(wrong):
            return
        chosen = np.tile(wrong[(place * len(wrong)).astype(np.int64)], len(some))
        owner = np.repeat(rows[some], len(data))
        points = pool.filled(clean.x, clean.missing, owner, chosen)
        size = len(some), len(data), moves.shape[2]
        moves[np.ix_(some, data)] = (points - clean.x[owner]).reshape(size)

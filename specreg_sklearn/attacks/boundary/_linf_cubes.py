"""Draws in shrinking cubes: what finds the small balls in which walls of trees meet.

The walls of trees over heavy-tailed columns lie at all scales, and the nearest wrong region is
often a thousandth of the data's range away. No walk from rows of data gets there. But in a cube
that is large enough a random point fools the model with good odds, above all the rows of data that
the model puts into a wrong class, clipped to the cube.
"""

from __future__ import annotations

import os
import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.boundary._linf_lattice import Lattice
from specreg_sklearn.attacks.boundary._linf_shrink import shrink
from specreg_sklearn.attacks.questions import SearchTask, stream

_CUBE_DRAWS = 2**42
_FROM_DATA = float(__import__("os").environ.get("DATA","0.7"))
_FIRST_SHARES = (1.0, 1.0, 1.0, 0.5, 0.5, 0.25)
_SHARES = eval(__import__("os").environ.get("SH","(1.0, 1.0, 0.5, 0.5, 0.25, 0.1)"))
# Half-widths of the cubes of a round, as shares of the best distance.
_LEVELS = np.array(eval(__import__("os").environ.get("LEV","[0.99, 0.97, 0.9, 0.75, 0.99, 0.95]")))
_N_SCALES, _PER_SCALE, _FIRST_SCALE = 12, int(os.environ.get("PS","2")), 0.7
_DOWN = np.array([0.25, 0.35, 0.5, 0.7])
_N_DOWN, _PER_DOWN = 3, 5
import os
_PER_ROUND = int(os.environ.get("PER","24"))
UNI=float(os.environ.get("UNI","0.15"))
AROUND=int(os.environ.get("AROUND","6"))
TOLERANCE = 1e-3


class CubeSearch:
    """Asks in cubes around the clean rows."""

    def __init__(self, task: SearchTask, lattice: Lattice) -> None:
        self.task, self.lattice = task, lattice
        n, d = task.x.shape
        self.core = np.zeros((n, d), dtype=bool)
        self.core_of = np.full(n, np.inf)
        self._wrong: dict[int, IntArray] = {}
        self.draws = 0

    def scales(self, rows: IntArray) -> None:
        """Ask at all scales, and then downwards from the smallest cube that holds a hit."""
        oracle = self.task.oracle
        before = oracle.best_distance[rows].copy()
        first = _FIRST_SCALE * oracle.best_distance[rows]
        shares = np.repeat(0.5 ** np.arange(_N_SCALES), _PER_SCALE)
        for _ in range(2):
            self._ask(rows, first[:, None] * shares, _FIRST_SHARES)
            hit = oracle.best_distance[rows] < before
            rows, first, before = rows[hit], first[hit], before[hit]
        for _ in range(_N_DOWN):
            if not len(rows):
                break
            before = oracle.best_distance[rows]
            self._ask(rows, before[:, None] * np.repeat(_DOWN, _PER_DOWN), _FIRST_SHARES)
            rows = rows[oracle.best_distance[rows] < before]

    def _ask(self, rows: IntArray, half: FloatArray, shares: tuple[float, ...]) -> None:
        moves, mask = self._draw(rows, half.shape[1], shares)
        delta = np.where(mask, moves, 0.0)
        self._decide(rows, delta, half)

    def _decide(self, rows: IntArray, delta: FloatArray, half: FloatArray) -> BoolArray:
        m, k, d = delta.shape
        delta = self.lattice.inside(delta.reshape(-1, d), half.reshape(-1))
        owner = np.repeat(rows, k)
        return self.task.oracle.decide(self.task.x[owner] + delta, owner).reshape(m, k)

    def _draw(
        self, rows: IntArray, k: int, shares: tuple[float, ...]
    ) -> tuple[FloatArray, BoolArray]:
        """Draw k moves of every row, (m, k, d), not clipped yet, and the columns they touch."""
        task, d = self.task, self.task.x.shape[1]
        rng = stream(task.seed, _CUBE_DRAWS + self.draws)
        self.draws += 1
        share = rng.choice(shares, size=k)
        draw = rng.random((k, d))
        mask = draw < share[:, None]
        mask[np.arange(k), draw.argmin(axis=1)] = True
        signs = np.where(rng.random((k, d)) < 0.5, -1e300, 1e300)
        chance, place = rng.random(k), rng.random(k)
        uniform = np.flatnonzero(chance > 1 - UNI)
        level = rng.uniform(-1, 1, (k, d))
        moves = np.broadcast_to(signs, (len(rows), k, d)).copy()
        self.uniform = uniform, level
        if task.pool is not None:
            data = np.flatnonzero(chance < _FROM_DATA)
            for label in np.unique(task.oracle.labels[rows]).tolist():
                wrong = self._wrong_rows(label)
                if not len(wrong):
                    continue
                some = np.flatnonzero(task.oracle.labels[rows] == label)
                chosen = wrong[(place[data] * len(wrong)).astype(np.int64)]
                clean = task.oracle.rows
                owner = np.repeat(rows[some], len(data))
                points = task.pool.filled(
                    clean.x, clean.missing, owner, np.tile(chosen, len(some))
                )
                moves[np.ix_(some, data)] = (points - clean.x[owner]).reshape(
                    len(some), len(data), d
                )
        return moves, np.broadcast_to(mask, moves.shape)

    def _wrong_rows(self, label: int) -> IntArray:
        if label not in self._wrong:
            assert self.task.pool is not None
            same = self.task.pool.codes == label
            self._wrong[label] = np.flatnonzero(same == self.task.oracle.targeted)
        return self._wrong[label]

    def round(self, t: int, rows: IntArray) -> None:
        """Ask in cubes a little smaller than the best: what holds the best point, redrawn."""
        task, oracle = self.task, self.task.oracle
        best = oracle.best_distance[rows].copy()
        k = _PER_ROUND
        half = best[:, None] * np.resize(_LEVELS, k)
        moves, mask = self._draw(rows, k, _SHARES)
        base = oracle.best[rows] - task.x[rows]
        around = np.arange(k) % 8 < AROUND
        keep = np.where(around[:, None], base[:, None], 0.0)
        uni, level = self.uniform
        moves[:, uni] = level[uni] * half[:, uni, None]
        delta = np.where(mask, moves, keep)
        fooled = self._decide(rows, delta, half)
        row, move = np.nonzero(fooled)
        if not len(row):
            return
        order = np.lexsort((move, half[row, move], row))
        row, move = row[order], move[order]
        first = np.r_[True, row[1:] != row[:-1]]
        row, move = row[first], move[first]
        found = self.lattice.inside(delta[row, move], half[row, move])
        radius = half[row, move] / (1 - TOLERANCE)
        whose = rows[row]
        delta_, radius_ = shrink(
            oracle.decide, self.lattice, task.x[whose], found, radius, whose,
            np.arange(len(whose)), found, TOLERANCE, np.full(len(whose), np.inf),
        )

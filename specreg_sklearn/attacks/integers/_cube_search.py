"""The search on tables of whole numbers in Linf: smaller and smaller cubes around the rows."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.integers._costs import CHEAPER
from specreg_sklearn.attacks.integers._integer_search import IntegerSearch
from specreg_sklearn.attacks.questions import SearchTask, stream

# Moves that are asked about in a round: corners that the guess prefers, changes of the best move,
# and rows of data.
_N_GUESSED, _N_CHANGED, _N_DATA = 8, 8, 8
# How much chance there is in the guess, and on what shares of the columns a move is drawn.
_GUESS_NOISE, _SHARES = (0.1, 0.3, 1.0), (1.0, 1.0, 1.0, 0.5, 0.25)
# Halvings of a cube: more than float64 has digits.
_MOST_HALVINGS = 60
_DRAW = 2**48


class IntegerCubeSearch(IntegerSearch):
    """Searches moves of whole numbers in the smallest cube around each row.

    In a cube no column costs anything, so moves go to corners: in the directions that the guess
    prefers (see :class:`Gains`), as the best move did, or towards rows of data. The cubes are a
    little smaller than the best one so far; with coarse units only a few of them are different.

    The cubes that :class:`RayS` asks in elsewhere would do here as well, but they take two to three
    times the calls and end farther on some rows.
    """

    # With more units, cubes are as good as continuous.
    _most_units: ClassVar[int] = 100

    def __init__(self, task: SearchTask) -> None:
        super().__init__(task)
        n, d = task.x.shape
        self.best, self.radius = np.zeros((n, d)), np.full(n, np.inf)
        self.turn = 0
        self._shortest = np.where(self.room > 0, self.lengths, np.inf).min(axis=1)

    def _begin(self, rows: IntArray) -> None:
        """Begin at the best points, and in smaller cubes on the way to them."""
        M = self._moves_to(self.task.oracle.best[rows], rows)
        nearer = self._length(M, rows) < self.radius[rows] * CHEAPER
        self._shrink(M[nearer], rows[nearer])
        self.gains.anchor(self.best[rows], rows)
        self._close_smallest(rows)

    def _close_smallest(self, rows: IntArray) -> None:
        """Close rows whose cube is that of the shortest step: none is smaller."""
        self._close(rows[self.radius[rows] * CHEAPER <= self._shortest[rows]])

    def _length(self, M: FloatArray, owner: IntArray) -> FloatArray:
        up, down = np.split(self.lengths[owner], 2, axis=1)
        return np.asarray((np.abs(M) * np.where(M > 0, up, down)).max(axis=1, initial=0.0))

    def _cap(self, radius: FloatArray, owner: IntArray) -> FloatArray:
        """Return how many units columns may move, (m, 2 * d), for less than a radius, (m,)."""
        return np.asarray(np.floor(radius[:, None] * CHEAPER / self.lengths[owner]))

    def _ask(self, M: FloatArray, owner: IntArray) -> tuple[BoolArray, IntArray]:
        moved = np.flatnonzero(M.any(axis=1))
        fooled = np.zeros(len(M), dtype=bool)
        fooled[moved], new = self.asked.fooled(M[moved], owner[moved])
        new = moved[new]
        self.gains.learn(M[new], owner[new], fooled[new])
        return fooled, new

    def _round(self, rows: IntArray) -> None:
        rng, d = stream(self.task.seed, _DRAW + self.turn), self.best.shape[1]
        cap = self._cap(self.radius[rows], rows)
        parts = [
            self._corners(rng, rows, cap),
            self._changes(rng, rows, cap),
            *self._data(rng, rows, cap),
        ]
        M = np.concatenate(parts, axis=1)
        owner = np.repeat(rows, M.shape[1])
        before = self.radius[rows]
        fooled, new = self._ask(M.reshape(-1, d), owner)
        self._shrink(M.reshape(-1, d)[fooled], owner[fooled])
        self._note(rows, self.radius[rows] < before, owner[new])
        self._close_smallest(rows)
        self.turn += 1

    def _corners(self, rng: np.random.Generator, rows: IntArray, cap: FloatArray) -> FloatArray:
        """Return the corners that the guess prefers, (r, k, d)."""
        d = self.best.shape[1]
        luck = rng.normal(size=(_N_GUESSED, 2 * d)) * rng.choice(_GUESS_NOISE, size=(_N_GUESSED, 1))
        touched = rng.random((_N_GUESSED, d)) < rng.choice(_SHARES, size=(_N_GUESSED, 1))
        units = np.minimum(cap, self.room[rows])
        worth = self.gains.drawn(rows, luck) * (units / self.gains.typical)[:, None]
        up, down = worth[..., :d], worth[..., d:]
        step = np.where(up >= down, units[:, None, :d], -units[:, None, d:])
        return np.where(touched & (np.maximum(up, down) > 0), step, 0.0)

    def _changes(self, rng: np.random.Generator, rows: IntArray, cap: FloatArray) -> FloatArray:
        """Return the best moves, clipped, with some columns elsewhere in the cube."""
        d = self.best.shape[1]
        share = np.exp(rng.uniform(np.log(1 / d), 0.0, size=(_N_CHANGED, 1)))
        touched = rng.random((_N_CHANGED, d)) < share
        upwards = rng.random((_N_CHANGED, d)) < 0.5
        # Half of them go to the end of the cube, the others anywhere on the way.
        level = np.maximum(2 * rng.random((_N_CHANGED, d)), 1.0) - 1.0
        level = np.where(level > 0, level, 1.0)
        units = np.minimum(cap, self.room[rows])
        ends = np.where(upwards, units[:, None, :d], -units[:, None, d:])
        ends = np.rint(ends * level)
        clipped = _clipped(self.best[rows], cap)
        return np.where(touched, ends, clipped[:, None])

    def _data(self, rng: np.random.Generator, rows: IntArray, cap: FloatArray) -> list[FloatArray]:
        """Return moves towards rows of data of a wrong class, clipped to the cube."""
        pool, oracle, d = self.task.pool, self.task.oracle, self.best.shape[1]
        draws = rng.random(_N_DATA)
        touched = rng.random((_N_DATA, d)) < rng.choice(_SHARES, size=(_N_DATA, 1))
        if pool is None:
            return []
        M = np.zeros((len(rows), _N_DATA, d))
        for label in np.unique(oracle.labels[rows]).tolist():
            wanted = pool.fooling(label, oracle.targeted)
            some = np.flatnonzero(oracle.labels[rows] == label)
            if not len(wanted):
                continue
            chosen = np.tile(wanted[(draws * len(wanted)).astype(np.int64)], len(some))
            whose = np.repeat(rows[some], _N_DATA)
            points = pool.filled(self.task.x, oracle.rows.missing, whose, chosen)
            M[some] = self._moves_to(points, whose).reshape(len(some), _N_DATA, d)
        return [np.where(touched, _clipped(M, cap[:, None]), 0.0)]

    def _shrink(self, M: FloatArray, owner: IntArray) -> None:
        """Clip moves that fool the model to smaller cubes while they do; keep the best ones."""
        high, low = self._length(M, owner), np.zeros(len(M))
        for _ in range(_MOST_HALVINGS):
            # A smaller cube holds another move only if some column goes one unit less.
            next_length = self._length(_clipped(M, self._cap(high, owner)), owner)
            middle = np.minimum(np.maximum((low + high) / 2, 0.0), next_length)
            now = np.flatnonzero((next_length > low) & self._going_on(owner))
            if not len(now):
                break
            trial = _clipped(M[now], self._cap(middle[now] / CHEAPER**2, owner[now]))
            length = self._length(trial, owner[now])
            fooled, _ = self._ask(trial, owner[now])
            M[now[fooled]], high[now[fooled]] = trial[fooled], length[fooled]
            low[now[~fooled]] = np.maximum(middle[now[~fooled]], length[~fooled])
        order = np.lexsort((-high, owner))
        nearer = order[high[order] < self.radius[owner[order]]]
        # The smallest cube of a row is written last.
        self.best[owner[nearer]], self.radius[owner[nearer]] = M[nearer], high[nearer]


def _clipped(M: FloatArray, cap: FloatArray) -> FloatArray:
    """Return moves (..., d) within caps (..., 2 * d): upwards, then downwards."""
    up, down = np.split(cap, 2, axis=-1)
    return np.clip(M, -down, up)

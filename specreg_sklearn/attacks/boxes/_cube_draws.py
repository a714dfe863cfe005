"""Random moves inside cubes around the clean rows.

The nearest row of another label moves few columns, but a search cannot know which. A dense point of
a small cube, with many columns moved at once, holds the right ones by chance far more often than a
sparse point does, and columns that it does not need are taken home afterwards. Directions come from
rows of data that the model puts into a wrong class, which move the right columns in the right
direction more often than chance, and from random signs, which also reach where no data lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.questions import SearchTask, stream

# The share of the moves that come from rows of data; the others are random signs.
_FROM_DATA = 0.7


@dataclass(frozen=True)
class _Numbers:
    """What one round draws; all rows that come to it share these numbers."""

    source: FloatArray  # (n,): which row of data, as a share of those there are
    from_data: FloatArray  # (n,)
    signs: FloatArray  # (n, d)
    share: FloatArray  # (n,): which of the shares of columns
    columns: FloatArray  # (n, d): columns with small numbers move


@lru_cache(maxsize=64)
def _numbers(seed: int, key: int, n: int, d: int) -> _Numbers:
    rng = stream(seed, key)
    return _Numbers(
        rng.random(n),
        rng.random(n),
        rng.choice([-1.0, 1.0], size=(n, d)),
        rng.random(n),
        rng.random((n, d)),
    )


class CubeDraws:
    """Draws moves for the rows of a task.

    A move is a step from the clean row, to be clipped to a cube. Moves by signs go to the ends of
    the box.
    """

    def __init__(self, task: SearchTask) -> None:
        self.task = task
        pool, oracle = task.pool, task.oracle
        # Rows of data of the wrong classes, one list for each label; else a row's own starts.
        self._wrong: dict[int, IntArray] = {}
        if pool is not None:
            for label in np.unique(oracle.labels).tolist():
                self._wrong[label] = pool.fooling(label, oracle.targeted)
            return
        self._order = np.argsort(task.owner, kind="stable")
        self._count = np.bincount(task.owner, minlength=len(task.x))
        self._first = np.cumsum(self._count) - self._count

    def moves(
        self, rows: IntArray, keys: IntArray, n: int, shares: tuple[float, ...]
    ) -> FloatArray:
        """Return n moves for each row, of shape (rows, n, d).

        `keys` says, for each row, which draw it is. A move touches each column with odds that are
        one of `shares`, and one column at least.
        """
        d = self.task.x.shape[1]
        if not len(rows):
            return np.zeros((0, n, d))
        kinds, place = np.unique(keys, return_inverse=True)
        drawn = [_numbers(self.task.seed, key, n, d) for key in kinds.tolist()]
        source = np.stack([k.source for k in drawn])[place]
        share = np.array(shares)[
            (np.stack([k.share for k in drawn]) * len(shares)).astype(np.int64)
        ]
        columns = np.stack([k.columns for k in drawn])
        touched = columns <= np.maximum(share, columns.min(axis=2))[:, :, None]
        signs = np.where(touched, np.stack([k.signs for k in drawn]), 0.0)[place]
        x = self.task.x[rows][:, None]
        up, down = self.task.hi[rows][:, None] - x, self.task.lo[rows][:, None] - x
        from_data = np.stack([k.from_data for k in drawn]) < _FROM_DATA
        moves = np.where(signs > 0, up, np.where(signs < 0, down, 0.0))
        taken, known = self._from_data(rows, source)
        some = from_data[place] & known
        moves[some] = np.where(touched[place][some], taken[some], 0.0)
        return moves

    def _from_data(self, rows: IntArray, source: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Return moves to rows of a wrong class, (m, n, d), and where there are such rows, (m, n).

        `source`, (m, n), says which of them, as a share of those there are.
        """
        task, (m, n) = self.task, source.shape
        x = task.x[rows][:, None]
        if task.pool is None:
            count = self._count[rows][:, None]
            chosen = self._first[rows][:, None] + (source * count).astype(np.int64)
            points = task.starts[self._order[np.minimum(chosen, len(self._order) - 1)]]
            return points - x, np.broadcast_to(count > 0, (m, n))
        chosen = np.zeros((m, n), dtype=np.int64)
        known = np.zeros((m, n), dtype=bool)
        for label, wrong in self._wrong.items():
            mine = np.flatnonzero(task.oracle.labels[rows] == label)
            if len(mine) and len(wrong):
                chosen[mine] = wrong[(source[mine] * len(wrong)).astype(np.int64)]
                known[mine] = True
        whose = np.repeat(rows, n)
        clean = task.oracle.rows
        points = task.pool.filled(task.x, clean.missing, whose, chosen.ravel())
        return points.reshape(m, n, -1) - x, known


def into_cube(moves: FloatArray, half: FloatArray) -> FloatArray:
    """Return moves clipped to cubes whose half-widths are given without the last axis."""
    half = half[..., None]
    return np.clip(moves, -half, half)

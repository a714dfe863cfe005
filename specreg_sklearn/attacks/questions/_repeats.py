"""Whether a model repeats its answers: a few rows are asked twice, in batches of other rows.

Noise, dropout that was left on, and activations that are quantised over a batch show where a model
is close to changing its mind, and hardly ever on clean rows. So the rows that are asked lie on the
ways from some rows to the nearest ones of another class, most of them near the boundary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.questions._oracle import Oracle
from specreg_sklearn.attacks.questions._start_pool import StartPool

# Ways to a row of another class, points on each of them in a call, and clean rows.
_N_WAYS, _N_POINTS, _N_CLEAN = 4, 16, 32


@dataclass(frozen=True)
class Repeats:
    """How far a model repeats its answers.

    Parameters
    ----------
    n_asked : int
        Rows that were asked twice.
    n_changed : int
        Those of them whose answer changed.
    noisy : bool
        Whether answers change from one call to the next on the very same batch. False, with some
        changed: they depend on the other rows of a batch.
    """

    n_asked: int = 0
    n_changed: int = 0
    noisy: bool = False


def check_repeats(oracle: Oracle, pool: StartPool, attacked: IntArray, done: BoolArray) -> Repeats:
    """Ask a few rows twice, in three small calls; a fourth only if an answer changed.

    Parameters
    ----------
    oracle : Oracle
        Where to ask; nothing is counted.
    pool : StartPool
        Rows of data, some of another class.
    attacked : ndarray of shape (k,), int
        The rows that will be attacked.
    done : ndarray of shape (n,), bool
        What the model answered for the clean rows, all in one call: whether it is fooled.
    """
    every = _evenly(np.arange(len(done)), _N_CLEAN)
    clean = oracle.rows.snap(oracle.rows.x[every], every)
    ways = _Ways(oracle, pool, _evenly(attacked, _N_WAYS))
    share = np.arange(1, _N_POINTS + 1) / _N_POINTS
    coarse, owner = ways.points(share)
    said = _asked(oracle, coarse, owner)
    ways.narrow(said, share)
    fine, _ = ways.points((np.arange(_N_POINTS) + 0.5) / _N_POINTS)
    said_fine = _asked(oracle, fine, owner)
    # In another order, and among other rows; more of them than a block of verification has.
    cells = np.concatenate([fine[::-1], clean, coarse])
    whose = np.concatenate([owner[::-1], every, owner])
    first = np.concatenate([said_fine[::-1], done[every], said])
    second = _asked(oracle, cells, whose)
    changed = first != second
    noisy = bool(changed.any()) and bool((_asked(oracle, cells, whose) != second).any())
    return Repeats(len(cells), int(changed.sum()), noisy)


class _Ways:
    """Straight ways from clean rows to the nearest rows of another class."""

    def __init__(self, oracle: Oracle, pool: StartPool, rows: IntArray) -> None:
        clean = oracle.rows
        self.rows = clean
        far, place, _ = pool.nearest(
            clean.x[rows], clean.missing[rows], oracle.labels[rows], 1, oracle.targeted
        )
        self.owner = rows[place]
        self.low, self.high = clean.x[self.owner], clean.clip(far, self.owner)

    def points(self, share: FloatArray) -> tuple[FloatArray, IntArray]:
        """Return the cells of points at these shares of every way, and their owners."""
        Z = self.low[:, None] + share[:, None] * (self.high - self.low)[:, None]
        owner = np.repeat(self.owner, len(share))
        return self.rows.snap(Z.reshape(len(owner), -1), owner), owner

    def narrow(self, fooled: BoolArray, share: FloatArray) -> None:
        """Keep the stretch of each way before the first point that fools the model."""
        fooled = fooled.reshape(len(self.owner), len(share))
        some = fooled.any(axis=1)
        end = share[fooled.argmax(axis=1)][:, None]
        step = self.high - self.low
        low = self.low + (end - share[0]) * step
        self.high = np.where(some[:, None], self.low + end * step, self.high)
        self.low = np.where(some[:, None], low, self.low)


def _asked(oracle: Oracle, cells: FloatArray, owner: IntArray) -> BoolArray:
    return oracle.ask(cells, owner) if len(owner) else np.zeros(0, dtype=bool)


def _evenly(rows: IntArray, n: int) -> IntArray:
    """Return up to n of the rows, evenly spread."""
    n = min(n, len(rows))
    return rows[(np.arange(n) * len(rows)) // max(n, 1)]

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

# Ways to a row of another class, points on each of them in a call, points that are asked twice in
# one call, and clean rows.
_N_WAYS, _N_POINTS, _N_FINEST, _N_CLEAN = 4, 16, 8, 32


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
        Whether answers change within one batch, or from one call to the next on the very same one.
        False, with some changed: they depend on the other rows of a batch.
    widely : float
        The share of answers that changed on clean rows, and at even steps between rows of two
        classes. What changes close to a boundary only does not count.
    """

    n_asked: int = 0
    n_changed: int = 0
    noisy: bool = False
    widely: float = 0.0


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
    coarse, owner = ways.points(_N_POINTS)
    said = _asked(oracle, coarse, owner)
    ways.narrow(said, _N_POINTS)
    fine, _ = ways.points(_N_POINTS)
    said_fine = _asked(oracle, fine, owner)
    ways.narrow(said_fine, _N_POINTS)
    finest, its_owner = ways.points(_N_FINEST)
    # In another order, and among other rows; more of them than a block of verification has.
    cells = np.concatenate([fine[::-1], clean, coarse, finest, finest])
    whose = np.concatenate([owner[::-1], every, owner, its_owner, its_owner])
    second = _asked(oracle, cells, whose)
    first = np.concatenate([said_fine[::-1], done[every], said])
    again, twins = second[: len(first)], second[len(first) :].reshape(2, -1)
    changed = first != again
    differ = twins[0] != twins[1]
    n_changed = int(changed.sum() + differ.sum())
    noisy = bool(differ.any())
    if n_changed and not noisy:
        noisy = bool((_asked(oracle, cells, whose) != second).any())
    widely = float(changed[len(fine) :].mean())
    return Repeats(len(first) + len(its_owner), n_changed, noisy, widely)


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

    def points(self, n: int) -> tuple[FloatArray, IntArray]:
        """Return the cells of n points on every way, the last of them its end, and their owners."""
        share = np.arange(1, n + 1) / n
        Z = self.low[:, None] + share[:, None] * (self.high - self.low)[:, None]
        owner = np.repeat(self.owner, len(share))
        return self.rows.snap(Z.reshape(len(owner), -1), owner), owner

    def narrow(self, fooled: BoolArray, n: int) -> None:
        """Keep the stretch of each way that ends at the first point that fools the model."""
        answers = fooled.reshape(len(self.owner), n)
        step = (self.high - self.low) / n
        first = answers.argmax(axis=1, keepdims=True)
        some = answers.any(axis=1, keepdims=True)
        self.high = np.where(some, self.low + (first + 1) * step, self.high)
        self.low = np.where(some, self.low + first * step, self.low)


def _asked(oracle: Oracle, cells: FloatArray, owner: IntArray) -> BoolArray:
    step = oracle.batch_rows
    parts = [slice(begin, begin + step) for begin in range(0, len(owner), step)]
    answers = [oracle.ask(cells[part], owner[part]) for part in parts]
    return np.concatenate([np.zeros(0, dtype=bool), *answers])


def _evenly(rows: IntArray, n: int) -> IntArray:
    """Return up to n of the rows, evenly spread."""
    n = min(n, len(rows))
    return rows[(np.arange(n) * len(rows)) // max(n, 1)]

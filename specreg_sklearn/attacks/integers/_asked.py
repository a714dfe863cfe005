"""What has been asked about a row already, in a fixed amount of memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.questions import SearchTask, stream
from specreg_sklearn.tables import rank_within

Keys = NDArray[np.uint64]

# Answers are kept in so many slots of each row; in a full slot, a later one takes the place of the
# earliest.
_SLOT_BITS, _WAYS = 11, 4
_KEY_DRAW = 2**50
_MOST_GRAIN = 2.0**62


class Asked:
    """Asks the model about moves of clean rows, about each of them once.

    A move, a row of `M` of shape (m, d), is counted in units of the cells: whole numbers, but for
    the columns of real numbers of a mixed table. Its key is a sum over columns, so the key of a
    changed move is the key of the old one plus that of the change. The last few thousand keys of a
    row are kept together with their answers.
    """

    def __init__(self, task: SearchTask, unit: FloatArray) -> None:
        n, d = task.x.shape
        self._task, self._unit = task, unit
        # Real numbers are told apart by their first digits after the point.
        self._grain = np.where(task.oracle.rows.integer, 1.0, 2.0**20)
        draws = stream(task.seed, _KEY_DRAW).integers(0, 2**63, size=d, dtype=np.uint64)
        self._factor: Keys = np.asarray(2 * draws + np.uint64(1))
        # The last bit of an entry is the answer; no key has the value 0.
        self._table = np.zeros((n, 2**_SLOT_BITS, _WAYS), dtype=np.uint64)
        self._n_written = np.zeros((n, 2**_SLOT_BITS), dtype=np.int64)

    def key(self, M: FloatArray) -> Keys:
        """Return the keys of moves, of shape (..., d)."""
        counts = np.clip(M * self._grain, -_MOST_GRAIN, _MOST_GRAIN)
        whole = np.rint(counts).astype(np.int64).view(np.uint64)
        return np.asarray((whole * self._factor).sum(axis=-1, dtype=np.uint64))

    def key_of_steps(self, steps: FloatArray, columns: IntArray) -> Keys:
        """Return what steps in the named columns, two arrays of shape (..., k), add to a key."""
        counts = np.clip(steps * self._grain[columns], -_MOST_GRAIN, _MOST_GRAIN)
        whole = np.rint(counts).astype(np.int64).view(np.uint64)
        return np.asarray((whole * self._factor[columns]).sum(axis=-1, dtype=np.uint64))

    def known(self, rows: IntArray, key: Keys) -> BoolArray:
        """Return which moves of rows have been asked about; both arguments broadcast."""
        return np.asarray(self._matches(rows, key)[0].any(axis=-1))

    def _matches(self, rows: IntArray, key: Keys) -> tuple[BoolArray, BoolArray]:
        """Return which entries of the slots of keys, (..., _WAYS), are theirs; and all answers."""
        entry, slot = _entry(key)
        there = self._table[rows, slot]
        # Apart from the answer's bit.
        return (there ^ entry[..., None]) < 2, (there & np.uint64(1)) > 0

    def fooled(self, M: FloatArray, owner: IntArray) -> tuple[BoolArray, IntArray]:
        """Return whether moves fool the model, and the positions of those that were asked now."""
        key = self.key(M)
        match, answer = self._matches(owner, key)
        known = np.asarray(match.any(axis=1))
        fooled = np.asarray((match & answer).any(axis=1))
        entry, slot = _entry(key)
        # The same move may come twice in one call; the first one is asked.
        order = np.flatnonzero(~known)
        order = order[np.lexsort((key[order], owner[order]))]
        first = np.ones(len(order), dtype=bool)
        first[1:] = np.diff(owner[order]) != 0
        first[1:] |= key[order[1:]] != key[order[:-1]]
        fresh = np.sort(order[first])
        fresh = fresh[rank_within((owner[fresh],)) < self._task.oracle.left(owner[fresh])]
        whose = owner[fresh]
        fooled[fresh] = self._task.oracle.decide(self._task.x[whose] + M[fresh] * self._unit, whose)
        slot = slot[fresh]
        way = (self._n_written[whose, slot] + rank_within((slot, whose))) % _WAYS
        self._table[whose, slot, way] = entry[fresh] | fooled[fresh]
        np.add.at(self._n_written, (whose, slot), 1)
        fooled[order] = fooled[order[first]][np.cumsum(first) - 1]
        return fooled, np.asarray(fresh, dtype=np.int64)


def _entry(key: Keys) -> tuple[Keys, IntArray]:
    """Return what stands for a key in the table, the answer's bit left 0, and its place."""
    # The highest bits depend on all others.
    slot = (key >> np.uint64(64 - _SLOT_BITS)).astype(np.int64)
    return (key | np.uint64(2)) & ~np.uint64(1), slot

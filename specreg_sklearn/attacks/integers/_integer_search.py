"""What the searches of whole numbers have in common: rounds, and when a row has had enough."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.integers._asked import Asked
from specreg_sklearn.attacks.integers._costs import (
    are_coarse,
    set_flags,
    unit_lengths,
    whole_units,
)
from specreg_sklearn.attacks.integers._gains import Gains
from specreg_sklearn.attacks.questions import NO_LIMIT, SearchTask

# A row ends after so many rounds with nothing new to ask; with no budget, also without gain.
_VAIN, _PATIENCE = 15, 60
_MOST_ROUNDS = 10**6


class IntegerSearch(ABC):
    """A search that asks about moves of whole numbers, in rounds, until nothing is left to ask."""

    # Columns with more units than this are too fine for the search.
    _most_units: ClassVar[int]

    def __init__(self, task: SearchTask) -> None:
        n = len(task.x)
        self.task, self.unit = task, 1 / task.oracle.rows.scale
        self.room, self.lengths = whole_units(task), unit_lengths(task)
        self._set_flags = set_flags(task)
        self.asked, self.gains = Asked(task, self.unit), Gains(task, self.unit)
        # Rounds in turn in which rows had nothing new to ask, and in which they did not gain.
        self._vain, self._idle = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self._until = NO_LIMIT

    @classmethod
    def applies(cls, task: SearchTask) -> bool:
        """Return whether all columns that may change hold whole numbers in coarse units."""
        return are_coarse(task, cls._most_units)

    def search(self, rows: IntArray, until: int = NO_LIMIT) -> None:
        """Search until rows have spent `until` queries in all, or nothing is left to ask."""
        self._until = until
        self._begin(rows)
        for _ in range(_MOST_ROUNDS):
            rows = rows[self._going_on(rows) & (self._vain[rows] < _VAIN)]
            if until == self.task.oracle.limit == NO_LIMIT:
                rows = rows[self._idle[rows] < _PATIENCE]
            if not len(rows):
                break
            self._round(rows)

    @abstractmethod
    def _begin(self, rows: IntArray) -> None:
        """Take over what was found elsewhere."""

    @abstractmethod
    def _round(self, rows: IntArray) -> None:
        """Ask once more about rows, or about some of them."""

    def _moves_to(self, points: FloatArray, owner: IntArray) -> FloatArray:
        """Return the moves to points, in units of the cells; of groups, the raised flags alone."""
        M = self.task.steps_as_built(points, owner)
        if self._set_flags is not None:
            M[self._set_flags[owner]] = 0.0
        return M

    def _going_on(self, owner: IntArray) -> BoolArray:
        spent = self.task.oracle.n_queries[owner]
        return self.task.is_open(owner) & (spent < self._until)

    def _note(self, rows: IntArray, gained: BoolArray, asked: IntArray) -> None:
        """Note which rows gained in a round, and for which rows there was something to ask."""
        self._idle[rows] = np.where(gained, 0, self._idle[rows] + 1)
        there = np.bincount(asked, minlength=len(self._vain))[rows] > 0
        self._vain[rows] = np.where(gained | there, 0, self._vain[rows] + 1)

    def _close(self, rows: IntArray) -> None:
        """Search rows no more: nothing is nearer than what they have."""
        self._vain[rows] = _VAIN

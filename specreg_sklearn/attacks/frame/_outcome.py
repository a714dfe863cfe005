"""What all rows of a run share, and what was found for them; both travel to workers and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.questions import StartPool
from specreg_sklearn.tables import LabelCoder, Predict


@dataclass
class Setting:
    """What all rows of one run share, as plain data that can be sent to workers.

    `reserve` is the number of questions that each row keeps for a verification.
    """

    predict: Predict
    coder: LabelCoder
    pool: StartPool
    norm: float
    stop_distance: float
    seed: int
    n_repeats: int
    reserve: int


@dataclass
class Outcome:
    """What was found for the rows of a run; arrays have one entry per row.

    Parameters
    ----------
    best : ndarray of shape (n, d)
        Coordinates of the nearest adversarial points.
    far : ndarray of shape (n, d)
        The nearest start of each row, deep in the wrong class.
    best_distance : ndarray of shape (n,)
        ``inf`` where nothing was found.
    n_queries : ndarray of shape (n,), int64
        Questions so far; each is asked as often as there are repeats.
    finished : ndarray of shape (n,), bool
        Rows whose search came to its end.
    error : BaseException or None, default=None
        What cut the search short.
    trace : str
        Where that happened, if it was in another process.
    """

    best: FloatArray
    far: FloatArray
    best_distance: FloatArray
    n_queries: IntArray
    finished: BoolArray
    error: BaseException | None = None
    trace: str = ""

    @classmethod
    def empty(cls, n: int, d: int) -> Outcome:
        """Return the outcome of rows that have not been searched."""
        numbers = np.full(n, np.inf), np.zeros(n, np.int64), np.zeros(n, dtype=bool)
        return cls(np.zeros((n, d)), np.zeros((n, d)), *numbers)

    def take_over(self, rows: IntArray, found: Outcome) -> None:
        """Write what was found for `rows`, where it is nearer than what is known."""
        self.n_queries[rows] = found.n_queries
        self.finished[rows] = found.finished
        nearer = found.best_distance < self.best_distance[rows]
        self.best[rows[nearer]] = found.best[nearer]
        self.far[rows[nearer]] = found.far[nearer]
        self.best_distance[rows[nearer]] = found.best_distance[nearer]
        if self.error is None:
            self.error = found.error
            if found.error is not None and found.trace:
                found.error.__cause__ = WorkerError(found.trace)


class WorkerError(Exception):
    """What happened in another process, as text."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"

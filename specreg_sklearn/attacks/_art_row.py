"""One clean row as the model that ART sees.

ART computes in float32 around whatever point it is given. It is therefore handed the *displacement*
from the clean row, in scaled units: the clean row is the origin, so a feature with values near a
million and steps near one keeps its precision. Features without room to move are left out, because
ART divides by the width of the box.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn.attacks._search import SearchTask

# ART's HopSkipJump halves its step until the model is fooled, without a limit. Once float32 has
# no smaller step it asks the same row for ever; no sound search repeats itself this often.
_MOST_REPEATS = 1000


class StopRow(Exception):
    """The row is done: within eps, or ART is stuck."""


class ArtRow:
    """The two-class model around one row: class 0 is the row's true label, class 1 all others.

    Parameters
    ----------
    task : SearchTask
        The task the row belongs to.
    row : int
        Position of the row in the task.
    """

    # The third class is never predicted: some of ART's attacks refuse models with two.
    n_classes = 3

    def __init__(self, task: SearchTask, row: int) -> None:
        self.task, self.row = task, row
        lo, hi = task.lo[row] - task.x[row], task.hi[row] - task.x[row]
        self.free = np.flatnonzero(hi.astype(np.float32) > lo.astype(np.float32))
        self.bounds = lo[self.free].astype(np.float32), hi[self.free].astype(np.float32)
        self._last: np.ndarray | None = None
        self._answer = np.zeros(1, dtype=bool)
        self._repeats = 0

    def predict(self, steps: np.ndarray) -> np.ndarray:
        """Return one-hot predictions for displacements of shape (m, n_free)."""
        fooled = self._fooled(np.asarray(steps))
        answer = np.zeros((len(fooled), self.n_classes), dtype=np.float32)
        answer[np.arange(len(fooled)), fooled.astype(int)] = 1
        oracle = self.task.oracle
        near = oracle.best_distance[self.row] <= self.task.stop_distance
        if near or oracle.n_queries[self.row] >= oracle.limit:
            raise StopRow
        return answer

    def start(self) -> np.ndarray | None:
        """Return the best start that is still adversarial as ART will ask it, in float32."""
        best = self.task.oracle.best[self.row] - self.task.x[self.row]
        mine = self.task.starts[self.task.owner == self.row] - self.task.x[self.row]
        # A boundary point may flip when it is cast: move it outwards, or take another one.
        pushed = [(1 + push) * best for push in (0.0, 1e-4, 1e-3, 1e-2)]
        for step in [*pushed, *mine]:
            candidate = np.clip(step[self.free].astype(np.float32), *self.bounds)[None]
            if self._fooled(candidate)[0]:
                return candidate
        return None

    def _fooled(self, steps: np.ndarray) -> np.ndarray:
        if not np.isfinite(steps).all():
            raise StopRow
        if self._last is not None and np.array_equal(steps, self._last):
            self._repeats += 1
            if self._repeats > _MOST_REPEATS:
                raise StopRow
            return self._answer
        Z = np.repeat(self.task.x[self.row][None], len(steps), axis=0)
        Z[:, self.free] += steps
        owner = np.full(len(Z), self.row)
        self._last, self._repeats = steps.copy(), 0
        self._answer = self.task.oracle.decide(Z, owner)
        return self._answer


def art_classifier(row: ArtRow, module: Any) -> Any:
    """Wrap a row as ART's black-box classifier."""
    return module.BlackBoxClassifier(
        row.predict,
        input_shape=(len(row.free),),
        nb_classes=row.n_classes,
        clip_values=row.bounds,
    )

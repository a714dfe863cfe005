"""One clean row as the model that ART sees.

ART computes in float32 around whatever point it is given. It is therefore handed the *displacement*
from the clean row, in scaled units: the clean row is the origin, so a feature with values near a
million and steps near one keeps its precision. Features without room to move are left out, because
ART refuses a box without width; images keep them, but their displacement is not looked at.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.art._support import Support
from specreg_sklearn.attacks.questions import Margins, SearchTask

_Float32Array: TypeAlias = NDArray[np.float32]

# ART's HopSkipJump halves its step until the model is fooled, without a limit. Once float32 has
# no smaller step it asks the same row for ever; no sound search repeats itself this often.
_MOST_REPEATS = 1000
# Grey levels above and below the clean row in ART's pictures of 256. They are so few on one side
# that the clean row is a whole number.
_LEVELS_BELOW, _LEVELS_ABOVE = 127, 128
# The side of the boundary is what predict says. Scores that disagree are moved this far across.
_LEAST_MARGIN = 1e-6


class StopRow(Exception):
    """The row is done: within eps, out of queries, or ART is stuck."""


class ArtRow:
    """The two-class model around one row: class 0 is the row as it is, class 1 is success.

    Success is what the oracle calls fooled: the wanted label if the attack is targeted, any wrong
    one otherwise. ART itself always runs an untargeted attack. `input_shape` is that of the image
    that the row is, if the attack treats it as one; `margins` gives the scores to those that look.
    """

    # The third class is never predicted: some of ART's attacks refuse models with two.
    n_classes = 3

    def __init__(
        self,
        task: SearchTask,
        row: int,
        support: Support,
        *,
        input_shape: tuple[int, ...] | None = None,
        margins: Margins | None = None,
    ) -> None:
        self.task, self.row, self.support, self.margins = task, row, support, margins
        lo, hi = task.lo[row] - task.x[row], task.hi[row] - task.x[row]
        lo, hi = lo.astype(np.float32), hi.astype(np.float32)
        self.free = np.flatnonzero(hi > lo)
        if input_shape is not None and support.neural:
            self.shape = tuple(input_shape)
            self._place = task.oracle.rows.columns[self.free]
        elif support.neural:
            # A table is a picture one pixel wide.
            self.shape, self._place = (1, len(self.free), 1), np.arange(len(self.free))
        else:
            self.shape, self._place = (len(self.free),), np.arange(len(self.free))
        # Places that are no free feature get some width; what ART does there is not looked at.
        self._lo = np.full(int(np.prod(self.shape)), -1.0, np.float32)
        self._hi = -self._lo
        self._lo[self._place], self._hi[self._place] = lo[self.free], hi[self.free]
        self._last: np.ndarray | None = None
        self._answer = np.zeros((1, self.n_classes), dtype=np.float32)
        self._repeats = 0

    @property
    def level(self) -> float:
        """The width of one grey level when the widest box is a picture of 256."""
        return float(max(-self._lo.min() / _LEVELS_BELOW, self._hi.max() / _LEVELS_ABOVE))

    def origin(self) -> _Float32Array:
        """Return the clean row as ART sees it, of shape (1, *shape)."""
        return np.zeros((1, *self.shape), dtype=np.float32)

    def predict(self, steps: ArrayLike, **_: object) -> _Float32Array:
        """Return two-class predictions for displacements of shape (m, *shape)."""
        steps = np.asarray(steps)
        answer = self._ask(steps.reshape(len(steps), -1))
        oracle = self.task.oracle
        near = oracle.best_distance[self.row] <= self.task.stop_distance
        if near or oracle.n_queries[self.row] >= oracle.limit:
            raise StopRow
        return answer

    def start(self) -> _Float32Array | None:
        """Return the best start that is still adversarial as ART will ask it, in float32."""
        best = self.task.oracle.best[self.row] - self.task.x[self.row]
        mine = self.task.starts[self.task.owner == self.row] - self.task.x[self.row]
        # A boundary point may flip when it is cast: move it outwards, or take another one.
        pushed = [(1 + push) * best for push in (0.0, 1e-4, 1e-3, 1e-2)]
        for step in [*pushed, *mine]:
            candidate = self.origin().reshape(1, -1)
            candidate[0, self._place] = step[self.free]
            candidate = np.clip(candidate, self._lo, self._hi)
            if self._ask(candidate)[0].argmax() == 1:
                return candidate.reshape(1, *self.shape)
        return None

    def classifier(self, module: ModuleType) -> Any:
        """Wrap the row as a black-box classifier of ART's module of classifiers."""
        wrapper = module.BlackBoxClassifier
        if self.support.neural:
            wrapper = module.BlackBoxClassifierNeuralNetwork
        found = wrapper(
            self.predict,
            input_shape=self.shape,
            nb_classes=self.n_classes,
            clip_values=self._clip_values(),
            preprocessing=None,
        )
        # ART would cut calls into small batches, for some attacks into single rows.
        found.predict = self.predict
        return found

    def _clip_values(self) -> tuple[Any, Any]:
        if self.support.one_box:
            # The oracle clips every row to its own box anyway.
            return -_LEVELS_BELOW * self.level, _LEVELS_ABOVE * self.level
        return self._lo.reshape(self.shape), self._hi.reshape(self.shape)

    def _ask(self, steps: np.ndarray) -> _Float32Array:
        if not np.isfinite(steps).all():
            raise StopRow
        if self._last is not None and np.array_equal(steps, self._last):
            self._repeats += 1
            if self._repeats > _MOST_REPEATS:
                raise StopRow
            return self._answer
        Z = np.repeat(self.task.x[self.row][None], len(steps), axis=0)
        Z[:, self.free] += steps[:, self._place]
        self._answer = self._weights(Z, np.full(len(Z), self.row))
        self._last, self._repeats = steps.copy(), 0
        return self._answer

    def _weights(self, Z: FloatArray, owner: IntArray) -> _Float32Array:
        weights = np.zeros((len(Z), self.n_classes), dtype=np.float32)
        if self.margins is None:
            fooled = self.task.oracle.decide(Z, owner)
            weights[np.arange(len(Z)), fooled.astype(int)] = 1
            return weights
        margin = self._margin(Z, owner)
        if self.support.probabilities:
            # Unlike the logistic function, this one still tells 20 from 21 in float32.
            margin = margin / (1 + np.abs(margin))
            weights[:, 0], weights[:, 1] = (1 + margin) / 2, (1 - margin) / 2
        else:
            weights[:, 0], weights[:, 1] = margin / 2, -margin / 2
            weights[:, 2] = -np.abs(margin) - 1
        return weights

    def _margin(self, Z: FloatArray, owner: IntArray) -> FloatArray:
        """Return how far points are from success: two queries each, negative where they fooled."""
        oracle = self.task.oracle
        covered = int(oracle.left(owner[:1])[0] // 2)
        fooled = oracle.decide(Z[:covered], owner[:covered])
        if covered < len(Z):
            raise StopRow
        assert self.margins is not None  # only attacks that read scores come here
        _, margin = self.margins.ask(Z, owner)
        return np.where(
            fooled, np.minimum(margin, -_LEAST_MARGIN), np.maximum(margin, _LEAST_MARGIN)
        )

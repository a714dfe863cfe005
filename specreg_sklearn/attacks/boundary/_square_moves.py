"""What SquareAttack moves: blocks of columns, to corners of a Linf ball or along a sphere."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.questions import SearchTask
from specreg_sklearn.space import L2

# In L2, iterations without gain after which a row takes long steps.
_PATIENCE = 30
# The search keeps this much inside the distance, so that rounding cannot lead out of it.
_INSIDE = 1 - 1e-6


class Blocks:
    """Draws blocks of columns: all of one size have had a turn before any comes again."""

    def __init__(self, columns: IntArray, image_shape: tuple[int, ...] | None) -> None:
        self.d, self.shape = len(columns), image_shape
        # Which block size is being drawn, and what is left of it.
        self.size, self.left = -1, [columns[:0]]
        if image_shape is not None:
            channels, _, self.width = shape = (1, 1, *image_shape)[-3:]
            self.pixels = np.full(shape, -1)
            self.pixels.reshape(-1)[columns] = np.arange(self.d)
            place = np.unravel_index(columns, shape)
            # Columns of one stripe, and of one channel, move together.
            self.channel, self.stripe = place[0], place[0] * self.width + place[2]
            self.n_channels, self.sides = channels, shape[1:]

    def signs(self, rng: np.random.Generator) -> FloatArray:
        """Draw signs to begin with: one per column, or per vertical stripe of an image."""
        if self.shape is None:
            return rng.choice([-1.0, 1.0], size=self.d)
        return rng.choice([-1.0, 1.0], size=self.n_channels * self.width)[self.stripe]

    def draw(self, rng: np.random.Generator, share: float) -> IntArray:
        """Draw the columns of a block that holds about this share of all."""
        area = self.d if self.shape is None else self.sides[0] * self.sides[1]
        size = max(1, round(share * area if self.shape is None else np.sqrt(share * area)))
        if size != self.size or not self.left:
            self.size = size
            self.left = self._columns(rng) if self.shape is None else self._squares(rng)
        return self.left.pop()

    def pattern(self, rng: np.random.Generator, block: IntArray) -> FloatArray:
        """Draw signs for a block: one per column, or per channel of an image."""
        if self.shape is None:
            return rng.choice([-1.0, 1.0], size=len(block))
        return rng.choice([-1.0, 1.0], size=self.n_channels)[self.channel[block]]

    def _columns(self, rng: np.random.Generator) -> list[np.ndarray]:
        return np.array_split(rng.permutation(self.d), -(-self.d // self.size))

    def _squares(self, rng: np.random.Generator) -> list[np.ndarray]:
        h, w = (min(self.size, side) for side in self.sides)
        across = self.sides[1] - w + 1
        squares = []
        for corner in rng.permutation((self.sides[0] - h + 1) * across).tolist():
            i, j = divmod(corner, across)
            square = self.pixels[:, i : i + h, j : j + w].ravel()
            squares.append(square[square >= 0])
        # Squares may hold immutable pixels only, but not all of them do.
        return [s for s in squares if len(s)]


class CornerMoves:
    """Points of the Linf ball: every column is at the upper or at the lower end of its range."""

    def __init__(self, task: SearchTask, blocks: Blocks) -> None:
        self.blocks, rows = blocks, np.arange(len(task.x))
        step = _shortened(task, np.full(task.x.shape, task.stop_distance * _INSIDE), rows)
        self.up, self.down = task.clip(task.x + step, rows), task.clip(task.x - step, rows)
        self.free = self.up != self.down
        self.best = np.zeros(task.x.shape, dtype=bool)

    def anywhere(self, rng: np.random.Generator, rows: IntArray) -> np.ndarray:
        return np.tile(self.blocks.signs(rng) > 0, (len(rows), 1))

    def points(self, states: np.ndarray, rows: IntArray) -> np.ndarray:
        return np.where(states, self.up[rows], self.down[rows])

    def propose(
        self, rng: np.random.Generator, share: float, rows: IntArray
    ) -> tuple[np.ndarray, np.ndarray]:
        block = self.blocks.draw(rng, share)
        states, free = self.best[rows], self.free[np.ix_(rows, block)]
        old, new = states[:, block], self.blocks.pattern(rng, block) > 0
        same = ~((old != new) & free).any(axis=1)
        # A row that is there already goes the other way.
        states[:, block] = np.where(same[:, None], ~old, new)
        return states, np.flatnonzero(free.any(axis=1))

    def learn(self, rows: IntArray, kept: BoolArray, gained: BoolArray) -> None:
        """Learn nothing: there are but two ends, and both were considered."""


class SphereMoves:
    """Steps on the L2 sphere: what a block of columns gains in norm, the others give."""

    def __init__(self, task: SearchTask, blocks: Blocks) -> None:
        self.task, self.blocks, self.radius = task, blocks, task.stop_distance * _INSIDE
        self.best = np.zeros(task.x.shape)
        self.last = np.zeros(task.x.shape[1])
        self.turn_back = np.zeros(len(task.x), dtype=bool)
        # Iterations since the loss of a row last fell.
        self.idle = np.zeros(len(task.x), dtype=np.int64)

    def anywhere(self, rng: np.random.Generator, rows: IntArray) -> np.ndarray:
        self.turn_back[:], self.idle[:] = False, 0
        return self._fitted(np.tile(self.blocks.signs(rng), (len(rows), 1)), rows)

    def points(self, states: np.ndarray, rows: IntArray) -> np.ndarray:
        return np.asarray(self.task.x[rows] + _shortened(self.task, states, rows))

    def propose(
        self, rng: np.random.Generator, share: float, rows: IntArray
    ) -> tuple[np.ndarray, np.ndarray]:
        block, step = self.blocks.draw(rng, share), np.zeros_like(self.last)
        # Columns of a table move freely; the pixels of a square move together.
        image = self.blocks.shape is not None
        step[block] = self.blocks.pattern(rng, block) if image else rng.normal(size=len(block))
        # The steps go on getting smaller where blocks cannot.
        step *= self.radius * np.sqrt(share) / np.linalg.norm(step)
        old = self.best[rows]
        strides = np.where(self.turn_back[rows][:, None], -self.last, step)
        # Where the scores are flat, as in a leaf of a tree, small steps lead nowhere: there a block
        # gets as much norm as all other columns together, or all of it.
        stalled = np.flatnonzero(self.idle[rows] >= _PATIENCE)
        strides[stalled] *= (self.radius / L2.length(strides[stalled]))[:, None]
        base = old.copy()
        if rng.random() < 0.5:
            base[stalled] = 0.0
        states = self._fitted(base + strides, rows)
        self.last = step
        return states, np.flatnonzero((states != old).any(axis=1))

    def learn(self, rows: IntArray, kept: BoolArray, gained: BoolArray) -> None:
        """Have rows whose step made things worse try it the other way round, once."""
        self.turn_back[rows] = ~kept & ~self.turn_back[rows]
        self.idle[rows] = np.where(gained, 0, self.idle[rows] + 1)

    def _fitted(self, steps: FloatArray, rows: IntArray) -> FloatArray:
        """Return steps of full length inside the box; two passes share out what the box cut off."""
        x = self.task.x[rows]
        for _ in range(2):
            steps = steps * (self.radius / np.maximum(L2.length(steps), 1e-300))[:, None]
            steps = self.task.clip(x + steps, rows) - x
        return steps * np.minimum(1, self.radius / np.maximum(L2.length(steps), 1e-300))[:, None]


def _shortened(task: SearchTask, steps: FloatArray, owner: IntArray) -> FloatArray:
    """Return steps that stay as long as they are when cells are rounded, or get shorter."""
    rows = task.oracle.rows
    if rows.exact:
        return steps
    steps = steps.copy()
    for dtype, columns in rows.narrow:
        size = np.abs(steps[:, columns])
        # Half a unit in the last place, for the larger of both ends.
        slack = np.abs(rows.x[owner][:, columns]) + size
        slack *= np.finfo(dtype).eps / 2
        steps[:, columns] = np.copysign(np.maximum(size - slack, 0), steps[:, columns])
    whole, unit = rows.integer, rows.scale[rows.integer]
    # Undo what the search keeps inside: two units are two units, not one.
    steps[:, whole] = np.trunc(steps[:, whole] * unit / _INSIDE**2) / unit
    return steps

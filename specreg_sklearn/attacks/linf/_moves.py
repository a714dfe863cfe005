"""Moves of perturbations in a Linf ball.

Most coordinates of a perturbation are as large as the ball allows. A move changes some of them, and
makes the ball smaller at the same time: whatever still fools the model is progress.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.linf._lattice import Lattice
from specreg_sklearn.attacks.questions import Decide

# Numbers built at once: a megabyte. Larger blocks fall out of the processor's cache.
_BLOCK = 2**17
# If moves do not work together, so many of them are followed one by one.
_MOST_SINGLES = 4


@dataclass
class Moves:
    """Moves that all perturbations share; the first ones flip, the others set.

    `mask`, (k, d), marks the coordinates that each move touches, and `levels`, (k - n_flips, d),
    says where in the ball, from -1 to 1, the later moves put them. `outward` flips put coordinates
    well inside the ball to the end on their own side rather than to the opposite one.
    """

    mask: BoolArray
    levels: FloatArray
    outward: bool = False

    def points(self, x: FloatArray, delta: FloatArray, radius: FloatArray) -> FloatArray:
        """Return the point after each move of each row, (m, k, d), in balls of this radius."""
        n_flips = len(self.mask) - len(self.levels)
        inside, flipped = self._ends(delta, radius)
        # Passes over all cells are what costs here: add up before they are spread.
        out = np.empty((len(delta), *self.mask.shape))
        out[:] = (inside + x)[:, None]
        np.copyto(out[:, :n_flips], (flipped + x)[:, None], where=self.mask[:n_flips])
        if len(self.levels):
            set_ = self.levels * radius[:, None, None]
            set_ += x[:, None]
            np.copyto(out[:, n_flips:], set_, where=self.mask[n_flips:])
        return out

    def single(self, delta: FloatArray, radius: FloatArray, move: IntArray) -> FloatArray:
        """Return perturbations, shape (m, d), after one move each, (m,) int."""
        return self._moved(delta, radius, self.mask[move], move[:, None])

    def together(self, delta: FloatArray, radius: FloatArray, chosen: BoolArray) -> FloatArray:
        """Return perturbations, shape (m, d), after all `chosen` moves, (m, k) bool, together.

        Where several touch a coordinate, the first one decides.
        """
        if not len(self.levels):
            # Flips agree wherever they meet. Counts of whole numbers are exact in any shape.
            counts = chosen.astype(np.float64) @ self.mask.astype(np.float64)
            return self._moved(delta, radius, counts > 0, np.zeros((len(chosen), 1), np.int64))
        touching = chosen[:, :, None] & self.mask
        return self._moved(delta, radius, np.asarray(touching.any(axis=1)), touching.argmax(axis=1))

    def _moved(
        self, delta: FloatArray, radius: FloatArray, touched: BoolArray, move: IntArray
    ) -> FloatArray:
        """Return perturbations after the named moves of their `touched` coordinates."""
        n_flips = len(self.mask) - len(self.levels)
        inside, target = self._ends(delta, radius)
        if len(self.levels):
            level = self.levels[np.maximum(move - n_flips, 0), np.arange(delta.shape[1])]
            target = np.where(move < n_flips, target, level * radius[:, None])
        return np.where(touched, target, inside)

    def _ends(self, delta: FloatArray, radius: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return perturbations clipped to their balls, and with every coordinate flipped."""
        half = radius[:, None]
        to_upper = delta <= 0
        if self.outward:
            to_upper ^= np.abs(delta) < half
        return np.clip(delta, -half, half), np.where(to_upper, half, -half)


def block_flips(order: IntArray, n_blocks: int, *, outward: bool = False) -> Moves:
    """Return moves that flip `n_blocks` blocks of columns, cut in this order, each column once."""
    d = len(order)
    block = np.empty(d, dtype=np.int64)
    block[order] = np.arange(d) * n_blocks // d
    return Moves(block == np.arange(n_blocks)[:, None], np.empty((0, d)), outward)


def random_moves(rng: np.random.Generator, n: int, d: int) -> Moves:
    """Return moves of random columns: half of them flip, half set anywhere in the ball.

    How many columns a move touches varies from one to all of them: a tree asks for one or two, a
    vote of neighbours for many.
    """
    share = np.exp(rng.uniform(np.log(1 / d), 0.0, size=n))
    draw = rng.random((n, d))
    mask = draw < share[:, None]
    mask[np.arange(n), draw.argmin(axis=1)] = True
    return Moves(mask, rng.uniform(-1, 1, size=(n - n // 2, d)))


def try_moves(
    decide: Decide,
    lattice: Lattice,
    x: FloatArray,
    delta: FloatArray,
    radius: FloatArray,
    owner: IntArray,
    moves: Moves,
) -> tuple[IntArray, FloatArray]:
    """Ask about every move of every perturbation, and about those that work together.

    `x` and `delta`, (m, d), are the clean coordinates and the perturbations, and `radius`, (m,),
    those of the Linf balls in which the moves end. Returns the perturbations for which something
    worked, (r,), some of them more than once, and what worked, (r, d).
    """
    k, d = moves.mask.shape
    worked = np.zeros((len(delta), k), dtype=bool)
    for part in _parts(len(delta), k * d):
        points = moves.points(x[part], delta[part], radius[part]).reshape(-1, d)
        if lattice.rounds():
            clean = np.repeat(x[part], k, axis=0)
            points = clean + lattice.inside(points - clean, np.repeat(radius[part], k))
        worked[part] = decide(points, np.repeat(owner[part], k)).reshape(-1, k)
    # Only now: the order of a row's questions must not depend on where the rows were cut.
    several = np.flatnonzero(worked.sum(axis=1) > 1)
    unions = np.empty((len(several), d))
    for part in _parts(len(several), k * d):
        some = several[part]
        together = moves.together(delta[some], radius[some], worked[some])
        unions[part] = lattice.inside(together, radius[some])
    good = decide(x[several] + unions, owner[several])
    worked[several[good]] = False
    which, move = np.nonzero(worked & (np.cumsum(worked, axis=1) <= _MOST_SINGLES))
    singles = lattice.inside(moves.single(delta[which], radius[which], move), radius[which])
    return np.append(several[good], which), np.concatenate([unions[good], singles])


def _parts(n: int, size: int) -> list[slice]:
    """Cut n entries, each of which takes `size` numbers, into blocks."""
    step = max(1, _BLOCK // size)
    return [slice(begin, begin + step) for begin in range(0, n, step)]

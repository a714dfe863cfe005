"""Moves of perturbations in a Linf ball, and the search for the smallest ball that still fools.

Most coordinates of a perturbation are as large as the ball allows. A move changes some of them, and
makes the ball smaller at the same time: whatever still fools the model is progress.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.questions import Decide

# Numbers built at once: a megabyte. Larger blocks fall out of the processor's cache.
_BLOCK = 2**17
# Radii are tried in steps that grow by this factor until the model is no longer fooled.
_GROWTH = 4.0
# A bracket may stay as wide as this share of what was gained, and of the radius: a looser one makes
# the next moves look good that only use up the slack.
_SHARE_OF_GAIN, _SHARE_OF_RADIUS = 0.25, 0.003
# If moves do not work together, so many of them are followed one by one.
_MOST_SINGLES = 4
# With no slack left to halve, a search ends; floats run out long before.
_MOST_HALVINGS = 60


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
        points = moves.points(x[part], delta[part], radius[part])
        worked[part] = decide(points.reshape(-1, d), np.repeat(owner[part], k)).reshape(-1, k)
    # Only now: the order of a row's questions must not depend on where the rows were cut.
    several = np.flatnonzero(worked.sum(axis=1) > 1)
    unions = np.empty((len(several), d))
    for part in _parts(len(several), k * d):
        some = several[part]
        unions[part] = moves.together(delta[some], radius[some], worked[some])
    good = decide(x[several] + unions, owner[several])
    worked[several[good]] = False
    which, move = np.nonzero(worked & (np.cumsum(worked, axis=1) <= _MOST_SINGLES))
    singles = moves.single(delta[which], radius[which], move)
    return np.append(several[good], which), np.concatenate([unions[good], singles])


def _parts(n: int, size: int) -> list[slice]:
    """Cut n entries, each of which takes `size` numbers, into blocks."""
    step = max(1, _BLOCK // size)
    return [slice(begin, begin + step) for begin in range(0, n, step)]


def shrink(
    decide: Decide,
    x: FloatArray,
    delta: FloatArray,
    radius: FloatArray,
    owner: IntArray,
    which: IntArray,
    found: FloatArray,
    tolerance: float,
) -> tuple[FloatArray, FloatArray]:
    """Shrink the balls that hold new perturbations, as far as the model stays fooled.

    They are clipped to the smaller balls, so that coordinates well inside stay where they are. Of
    several that replace the same perturbation, the one with the smallest ball is taken.

    `which` and `found` are as :func:`try_moves` returns them, within ``(1 - tolerance) * radius``:
    `tolerance` is the smallest share of the radius that is worth a query. Returns all perturbations
    and their radii.
    """
    if not len(which):
        return delta, radius
    delta, least = delta.copy(), tolerance * radius
    low, high = np.zeros(len(radius)), radius - least
    width = least.copy()
    moved = np.unique(which)
    delta[which[::-1]] = found[::-1]
    while len(which):
        width[np.unique(which)] *= _GROWTH
        inner = radius[which] - width[which]
        some = inner > 0
        inner, which, found = inner[some], which[some], found[some]
        good = decide(x[which] + np.clip(found, -inner[:, None], inner[:, None]), owner[which])
        low[which[~good]] = inner[~good]
        inner, which, found = inner[good], which[good], found[good]
        low[which], high[which] = 0.0, inner
        # The first of those that are left is written last.
        delta[which[::-1]] = found[::-1]
    for _ in range(_MOST_HALVINGS):
        slack = np.minimum(_SHARE_OF_GAIN * (radius - high), _SHARE_OF_RADIUS * high)
        open_ = moved[(high - low > np.maximum(slack, least))[moved]]
        if not len(open_):
            break
        middle = (low[open_] + high[open_]) / 2
        points = np.clip(delta[open_], -middle[:, None], middle[:, None])
        good = decide(x[open_] + points, owner[open_])
        high[open_] = np.where(good, middle, high[open_])
        low[open_] = np.where(good, low[open_], middle)
    half = high[moved, None]
    delta[moved] = np.clip(delta[moved], -half, half)
    radius = radius.copy()
    radius[moved] = high[moved]
    return delta, radius

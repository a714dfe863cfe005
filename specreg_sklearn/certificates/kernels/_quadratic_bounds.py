"""Sums of kernels between quadratic functions: larger distances, some of them without a gap.

Each kernel is a curve of one number that is linear in the move, for radial kernels but for a factor
``exp(-decay |z|^2)`` that all of them share and that takes no part in the sign. Around a point of
the ball a curve lies above a quadratic function of this number (below one where its weight is
negative), so the sum lies above a quadratic function of the move, whose minimum in a ball is known.
The bound is tight at the point. Where the point is that in which the sum is smallest, nothing is
lost: the end of a short move to where the sum is zero is tried, and points are moved on from there,
step by step; the best bound counts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.certificates.kernels._margins import Expansion
from specreg_sklearn.certificates.moves import ModelRows, lowest_in_balls, row_products

MOST_MOVES = 200
"""Columns that can move up to which quadratic functions are taken: each is a matrix."""

_ROWS = 8
# How distances grow until the sign is no longer sure, and how near the answer is then.
_GROWTH, _STEPS, _NARROW = 1.25, 120, 2e-7
# A zero of the sum is the nearest one if nothing is found as much nearer, relative to its distance.
_NEAREST = 3e-7
# Rounding of the quadratic functions here, relative to the sizes of their parts, per term.
_ROUNDING, _UNIT = 2.0**-48, 2.0**-53


class Sign(NamedTuple):
    """What is known of the sign of a sum within distances.

    Parameters
    ----------
    positive : ndarray of shape (n_rows,), bool
        Where the sum is surely positive.
    n_forms : ndarray of shape (n_rows,), int
        How many quadratic functions were minimised.
    """

    positive: BoolArray
    n_forms: IntArray


def proved_distances(
    expansion: Expansion,
    rows: ModelRows,
    lower: FloatArray,
    most: FloatArray,
    zeros: FloatArray,
    n_points: int,
) -> tuple[FloatArray, IntArray]:
    """Return distances within which a sum of kernels stays positive.

    Parameters
    ----------
    expansion : Expansion
        The sum.
    rows : ModelRows
        The rows.
    lower : ndarray of shape (n_rows,)
        Distances within which it is known to; a row with 0 stays as it is.
    most : ndarray of shape (n_rows,)
        Distances beyond which nobody asks.
    zeros : ndarray of shape (n_rows, n_moves)
        Moves to where the sum is zero, short ones if possible; NaN where none is known.
    n_points : int
        Points around which quadratic functions are taken, at most, for each row and distance.

    Returns
    -------
    distance : ndarray of shape (n_rows,)
        At least `lower`, at most `most`.
    n_forms : ndarray of shape (n_rows,), int
        How many quadratic functions were minimised.
    """
    distance, n_forms = np.minimum(lower, most), np.zeros(len(lower), dtype=np.int64)
    open_ = np.flatnonzero((lower > 0) & (lower < most))
    if not 0 < rows.slope.shape[1] <= MOST_MOVES:
        return distance, n_forms
    for begin in range(0, len(open_), _ROWS):
        some = open_[begin : begin + _ROWS]
        ball = _Balls(expansion, rows.take(some), zeros[some], n_points)
        distance[some], n_forms[some] = _farthest(ball, distance[some], most[some])
    return distance, n_forms


def _farthest(balls: _Balls, low: FloatArray, most: FloatArray) -> tuple[FloatArray, IntArray]:
    """Search the distances from `low` to `most`, row by row.

    Not by :func:`largest_radius`: it asks all rows at each distance, and here a look costs the
    eigenvalues of a matrix, so that only rows that are still searched are asked.
    """
    n_forms = np.zeros(len(low), dtype=np.int64)

    def positive(radius: FloatArray, asked: BoolArray) -> BoolArray:
        out = np.zeros(len(radius), dtype=bool)
        some = np.flatnonzero(asked)
        if len(some):
            sign = balls.sign(some, radius[some])
            out[some] = sign.positive
            n_forms[some] += sign.n_forms
        return out

    # Of the distance at which all is said, a single look is often enough.
    for end in (balls.length * (1 - _NEAREST), most):
        look = np.isfinite(end) & (end > low) & (end <= most)
        low = np.where(positive(end, look), end, low)
    done = (low >= most) | (low >= balls.length * (1 - 2 * _NEAREST))
    grows = ~done & np.isinf(balls.rows.asked)
    high = low.copy()
    for _ in range(_STEPS):
        if not grows.any():
            break
        high = np.where(grows, np.minimum(_GROWTH * high, most), high)
        sure = positive(high, grows)
        low = np.where(sure, high, low)
        grows = sure & (high < most)
    for _ in range(_STEPS):
        wide = high - low > _NARROW * high
        if not wide.any():
            break
        middle = 0.5 * (low + high)
        sure = positive(middle, wide)
        low = np.where(wide & sure, middle, low)
        high = np.where(wide & ~sure, middle, high)
    return low, n_forms


class _Balls:
    """A sum of kernels in balls around a few rows."""

    def __init__(
        self, expansion: Expansion, rows: ModelRows, zeros: FloatArray, n_points: int
    ) -> None:
        self.expansion, self.rows, self.n_points = expansion, rows, n_points
        known = np.asarray(np.isfinite(zeros).all(axis=1))
        self.zeros = np.where(known[:, None], zeros, 0.0)
        self.length = np.where(known, rows.norm.length(self.zeros), np.inf)
        self.ridges = expansion.kernel.ridges(rows.values, expansion.centre, expansion.weight)
        # How the numbers change with moves of the row, not of the inputs.
        self.direction = np.matmul(self.ridges.direction, rows.slope)
        self.rates = rows.norm.dual.length(
            self.direction.reshape(-1, self.direction.shape[2])
        ).reshape(self.direction.shape[:2])
        self.gram = rows.slope.T @ rows.slope

    def sign(self, some: IntArray, radius: FloatArray) -> Sign:
        """Return where the sum is positive, for some rows and a distance for each."""
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            ball = _Ball(self, some, radius)
            positive = np.zeros(len(some), dtype=bool)
            n_forms = np.zeros(len(some), dtype=np.int64)
            point = np.zeros((len(some), self.gram.shape[0]))
            # A little inside of the ball, whatever the length of a move rounds to.
            share = np.minimum(radius / self.length[some], 1.0) * (1 - 1e-9)
            for k in range(self.n_points):
                left = np.flatnonzero(~positive)
                if not len(left):
                    break
                bound, move = ball.lowest(left, point[left])
                positive[left] = bound > 0
                n_forms[left] += 1
                towards = np.where(np.isfinite(move), move, 0.0)
                point[left] += 0.5 * (towards - point[left])
                if k == 0:
                    known = np.isfinite(self.length[some])
                    point[known] = self.zeros[some[known]] * share[known, None]
        return Sign(positive, n_forms)


class _Ball:
    """Some of the rows, each with a distance."""

    def __init__(self, balls: _Balls, some: IntArray, radius: FloatArray) -> None:
        rows, expansion, ridges = balls.rows, balls.expansion, balls.ridges
        self.balls, self.radius = balls, radius
        shared = len(balls.direction) == 1
        self.direction = balls.direction if shared else balls.direction[some]
        self.start, self.weight = ridges.start[some], ridges.weight[some]
        rates = balls.rates if shared else balls.rates[some]
        self.reach = np.broadcast_to(rates * radius[:, None] * (1 + 1e-12), self.start.shape)
        # What the inputs and kernels of the model may be off by lowers the intercept.
        drift = rows.error[some] + rows.growth * radius
        reach = rows.stretch * radius + drift
        x = rows.values[some]
        # Their roundings and ours, which are those of float64.
        blur = expansion.blur(x, reach, rows.unit + _UNIT)
        self.intercept = expansion.intercept - blur - expansion.speed(x, reach) * drift
        # The factor that kernels share is less than 1, and the intercept has its inverse.
        self.decay = ridges.decay
        self.grown = self.decay * (rows.stretch * radius) ** 2

    def lowest(self, left: IntArray, point: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return lower bounds of the sum, over the shared factor, and moves near the minimum."""
        curve = self.balls.ridges.curve
        direction = self.direction if len(self.direction) == 1 else self.direction[left]
        weight, reach = self.weight[left], self.reach[left]
        moved = np.matmul(direction, point[:, :, None])[:, :, 0]
        at = self.start[left] + moved
        below, above = curve.bends(at, -reach - moved, reach - moved)
        bend = weight * np.where(weight > 0, below, above)
        value, slope = weight * curve.value(at), weight * curve.slope(at)
        constant, level, rise = self._shared(left, point)
        form = np.matmul(np.swapaxes(direction * bend[:, :, None], 1, 2), direction)
        form = form + rise[:, None, None] * self.balls.gram
        pull = slope - 2 * bend * moved
        linear = np.matmul(pull[:, None, :], direction)[:, 0]
        terms = value - slope * moved + bend * moved * moved
        far = np.abs(moved) + reach
        size = np.abs(value) + np.abs(slope) * far + np.abs(bend) * far * far
        noise = _ROUNDING * (size.shape[1] + len(point[0])) * (size.sum(axis=1) + level)
        base = terms.sum(axis=1) + constant - noise
        fine = np.isfinite(form).all(axis=(1, 2)) & np.isfinite(linear).all(axis=1)
        form = np.where(fine[:, None, None], form, 0.0)
        linear = np.where(fine[:, None], linear, 0.0)
        norm = self.balls.rows.norm
        fall, move = lowest_in_balls(form, linear, self.radius[left], norm)
        return np.where(fine, base + fall, -np.inf), move

    def _shared(
        self, left: IntArray, point: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Bound the intercept over the shared factor from below by ``constant + rise |z|^2``.

        Returns the constant, what its rounding is relative to, and the rise.
        """
        intercept, grown = self.intercept[left], self.grown[left]
        if self.decay == 0:
            return intercept, np.abs(intercept), np.zeros(len(left))
        gram = self.balls.gram
        now = self.decay * (row_products(point, gram) * point).sum(axis=1)
        # exp(u) lies above its tangent, and below its chord.
        tangent = np.exp(now)
        chord = np.expm1(grown) / np.maximum(grown, np.finfo(np.float64).tiny)
        above = intercept > 0
        constant = np.where(above, intercept * tangent * (1 - now), intercept)
        rise = np.where(above, intercept * tangent, intercept * chord * (1 + 1e-14)) * self.decay
        return constant, np.abs(intercept) * np.exp(grown) * (1 + grown), rise

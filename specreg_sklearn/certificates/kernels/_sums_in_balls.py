"""Sums of kernels in balls around rows, and in boxes: whether they surely stay positive there.

Each kernel is a curve of one number that is linear in the move, for radial kernels but for a factor
``exp(-decay |z|^2)`` that all of them share and that takes no part in the sign. Quadratic functions
of the move that lie below the sum come in two ways, and their minimum in a ball is known:

* Around a point of the ball a curve lies above a quadratic function of its number (below one where
  its weight is negative). The bound is tight at the point. Where the sum is smallest at the point,
  nothing is lost: the end of a short move to where the sum is zero is tried first.
* By Taylor's formula around the row, where terms of both signs cancel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.certificates.kernels._margins import Expansion
from specreg_sklearn.certificates.kernels._nearest_zeros import cut_at_zero
from specreg_sklearn.certificates.kernels._taylor_sums import MOST_TERMS, TaylorSum
from specreg_sklearn.certificates.moves import ModelRows, lowest_in_balls, row_products

# Rounding of the quadratic functions here, relative to the sizes of their parts, per term.
_ROUNDING, _UNIT = 2.0**-48, 2.0**-53
# Room for the roundings of sums over columns.
_OUTWARDS = 1 + 1e-12
# Larger forms have no eigenvalues in floating point.
_LARGEST = 1e120


class Forms(NamedTuple):
    """Quadratic functions ``base + linear @ t + t @ form @ t``, one for each row.

    Parameters
    ----------
    base : ndarray of shape (n_rows,)
        Their values at zero, less what all this rounds to.
    linear : ndarray of shape (n_rows, n_moves)
        Their slopes there.
    form : ndarray of shape (n_rows, n_moves, n_moves)
        Symmetric matrices.
    """

    base: FloatArray
    linear: FloatArray
    form: FloatArray


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


class SumInBalls:
    """A sum of kernels in balls around a few rows.

    Parameters
    ----------
    expansion : Expansion
        The sum.
    rows : ModelRows
        The rows.
    box : tuple of two ndarray of shape (n_rows, n_moves)
        Ends of the moves, which contain zero and may be infinite.
    zeros : ndarray of shape (n_rows, n_moves)
        Moves to where the sum is zero; NaN where none is known.
    n_forms : int
        How many quadratic functions are minimised for a row and a distance at most.

    Attributes
    ----------
    length : ndarray of shape (n_rows,)
        Of the shortest moves that are known to lead to where the sum is zero.
    """

    def __init__(
        self,
        expansion: Expansion,
        rows: ModelRows,
        box: tuple[FloatArray, FloatArray],
        zeros: FloatArray,
        n_forms: int,
    ) -> None:
        self.expansion, self.rows, self.box, self.n_forms = expansion, rows, box, n_forms
        known = np.asarray(np.isfinite(zeros).all(axis=1))
        self._zeros = np.where(known[:, None], zeros, 0.0)
        self.length = np.where(known, rows.norm.length(self._zeros), np.inf)
        self.ridges = expansion.kernel.ridges(rows.values, expansion.centre, expansion.weight)
        # How the numbers change with moves of the row, not of the inputs.
        direction = np.matmul(self.ridges.direction, rows.slope)
        n_rows, (n_centres, n_moves) = len(rows), direction.shape[1:]
        rates = rows.norm.dual.length(direction.reshape(-1, n_moves)).reshape(-1, n_centres)
        self.rates = np.broadcast_to(rates, (n_rows, n_centres))
        self.direction = np.broadcast_to(direction, (n_rows, n_centres, n_moves))
        self.gram = rows.slope.T @ rows.slope
        self._taylor: dict[int, TaylorSum] = {}

    @property
    def zeros(self) -> FloatArray:
        """The shortest moves that are known to lead to where the sum is zero; NaN without any."""
        return np.where(np.isfinite(self.length)[:, None], self._zeros, np.nan)

    def sign(self, some: IntArray, radius: FloatArray) -> Sign:
        """Return where the sum is positive, for some rows and a distance for each."""
        with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
            ball = _Ball(self, some, radius)
            positive = np.zeros(len(some), dtype=bool)
            n_forms = np.zeros(len(some), dtype=np.int64)
            known = np.isfinite(self.length[some])
            # A little inside of the ball, whatever the length of a move rounds to.
            share = np.where(known, np.minimum(radius / self.length[some], 1.0) * (1 - 1e-9), 0.0)
            point = self._zeros[some] * share[:, None]
            towards = point.copy()
            takes_turns = len(self.expansion.weight) <= MOST_TERMS
            for k in range(self.n_forms):
                # Where the sum is zero inside the ball, no bound will say otherwise.
                left = np.flatnonzero(~positive & (self.length[some] > radius))
                if not len(left):
                    break
                if takes_turns and k % 2:
                    bound, move = ball.lowest(left, ball.taylor_forms(left, towards[left]))
                else:
                    bound, move = ball.lowest(left, ball.tangent_forms(left, point[left]))
                    point[left] += 0.5 * (move - point[left])
                towards[left] = move
                positive[left] = bound > 0
                n_forms[left] += 1
                self._look_for_zeros(some[left], move, radius[left], bound)
        return Sign(positive, n_forms)

    def taylor(self, row: int, reach: FloatArray) -> TaylorSum:
        """Return the sum by Taylor's formula around a row, for arguments that get so far."""
        if row not in self._taylor or not self._taylor[row].is_fine(reach):
            ridges, direction = self.ridges, self.direction[row]
            self._taylor[row] = TaylorSum(
                ridges.curve, ridges.start[row], ridges.weight[row], direction, reach
            )
        return self._taylor[row]

    def _look_for_zeros(
        self, some: IntArray, move: FloatArray, radius: FloatArray, bound: FloatArray
    ) -> None:
        """Take moves to where the sum is not positive, up to there, if they are shorter."""
        rows = self.rows
        share = radius / np.maximum(rows.norm.length(move), radius)
        move = np.clip(move * share[:, None], self.box[0][some], self.box[1][some])

        def value(t: FloatArray) -> FloatArray:
            return self.expansion.value(rows.values[some] + row_products(t, rows.slope.T))

        found = np.flatnonzero((bound <= 0) & (value(move) <= 0))
        if not len(found):
            return
        some = some[found]
        move = cut_at_zero(value, move[found], (self.box[0][some], self.box[1][some]))
        length = rows.norm.length(np.where(np.isnan(move), np.inf, move))
        nearer = length < self.length[some]
        self._zeros[some[nearer]], self.length[some[nearer]] = move[nearer], length[nearer]


class _Ball:
    """Some of the rows, each with a distance."""

    def __init__(self, sums: SumInBalls, some: IntArray, radius: FloatArray) -> None:
        rows, expansion, ridges = sums.rows, sums.expansion, sums.ridges
        self.sums, self.some, self.radius = sums, some, radius
        self.direction, self.start = sums.direction[some], ridges.start[some]
        self.weight = ridges.weight[some]
        self.box = sums.box[0][some], sums.box[1][some]
        wide = radius[:, None]
        low, high = np.maximum(self.box[0], -wide), np.minimum(self.box[1], wide)
        corner = np.maximum(-low, high)
        # How far the numbers of curves get: by the length of a move, or by its box.
        middle, half = 0.5 * (low + high)[:, :, None], 0.5 * (high - low)[:, :, None]
        centre = np.matmul(self.direction, middle)[:, :, 0]
        size = np.abs(self.direction)
        spread = np.matmul(size, half + (_OUTWARDS - 1) * corner[:, :, None])[:, :, 0] * _OUTWARDS
        reach = sums.rates[some] * wide * _OUTWARDS
        self.low = np.minimum(np.maximum(centre - spread, -reach), 0.0)
        self.high = np.maximum(np.minimum(centre + spread, reach), 0.0)
        self.reach = np.maximum(-self.low, self.high)
        in_l2 = rows.norm.from_l2(radius, corner.shape[1])
        self.length = np.minimum(in_l2, np.linalg.norm(corner, axis=1)) * _OUTWARDS
        # What the inputs and kernels of the model may be off by lowers the intercept.
        drift = rows.error[some] + rows.growth * radius
        far = rows.stretch * radius + drift
        x = rows.values[some]
        # Their roundings and ours, which are those of float64.
        blur = expansion.blur(x, far, rows.unit + _UNIT)
        self.intercept = expansion.intercept - blur - expansion.speed(x, far) * drift
        # The factor that kernels share is less than 1, and the intercept has its inverse.
        inputs = np.matmul(np.abs(rows.slope), corner[:, :, None])[:, :, 0]
        far = np.minimum(rows.stretch * radius, np.linalg.norm(inputs, axis=1)) * _OUTWARDS
        self.grown = ridges.decay * far**2

    def lowest(self, left: IntArray, below: Forms) -> tuple[FloatArray, FloatArray]:
        """Return lower bounds of the sum, over the shared factor, and moves near the minimum."""
        fine = (np.abs(below.form) < _LARGEST).all(axis=(1, 2)) & np.isfinite(below.base)
        fine &= (np.abs(below.linear) < _LARGEST).all(axis=1)
        form = np.where(fine[:, None, None], below.form, 0.0)
        linear = np.where(fine[:, None], below.linear, 0.0)
        box, norm = (self.box[0][left], self.box[1][left]), self.sums.rows.norm
        fall, move = lowest_in_balls(form, linear, self.radius[left], norm, box, -below.base)
        bound = np.where(fine, below.base + fall, -np.inf)
        return bound, np.where(np.isfinite(move), move, 0.0)

    def tangent_forms(self, left: IntArray, point: FloatArray) -> Forms:
        """Return quadratic functions below the sums that touch them at points."""
        curve, direction = self.sums.ridges.curve, self.direction[left]
        weight, low, high = self.weight[left], self.low[left], self.high[left]
        moved = np.matmul(direction, point[:, :, None])[:, :, 0]
        at = self.start[left] + moved
        below, above = curve.bends(at, np.minimum(low - moved, 0.0), np.maximum(high - moved, 0.0))
        bend = weight * np.where(weight > 0, below, above)
        value, slope = weight * curve.value(at), weight * curve.slope(at)
        form = np.matmul(np.swapaxes(direction * bend[:, :, None], 1, 2), direction)
        linear = np.matmul((slope - 2 * bend * moved)[:, None, :], direction)[:, 0]
        terms = value - slope * moved + bend * moved * moved
        far = np.abs(moved) + self.reach[left]
        size = np.abs(value) + np.abs(slope) * far + np.abs(bend) * far * far
        return self._with_intercept(left, point, terms.sum(axis=1), linear, form, size.sum(axis=1))

    def taylor_forms(self, left: IntArray, towards: FloatArray) -> Forms:
        """Return quadratic functions below the sums, near them around the rows."""
        found = [
            self.sums.taylor(int(self.some[i]), self.reach[i]).below(
                move, float(self.length[i]), self.reach[i]
            )
            for i, move in zip(left.tolist(), towards, strict=True)
        ]
        base, size = (np.array([getattr(f, name) for f in found]) for name in ("base", "size"))
        linear, form = np.stack([f.linear for f in found]), np.stack([f.form for f in found])
        return self._with_intercept(left, np.zeros_like(towards), base, linear, form, size)

    def _with_intercept(
        self,
        left: IntArray,
        point: FloatArray,
        base: FloatArray,
        linear: FloatArray,
        form: FloatArray,
        size: FloatArray,
    ) -> Forms:
        """Add the intercept over the shared factor, at least ``constant + rise |z|^2``."""
        sums, intercept, grown = self.sums, self.intercept[left], self.grown[left]
        constant, level = intercept, np.abs(intercept)
        if sums.ridges.decay > 0:
            now = sums.ridges.decay * (row_products(point, sums.gram) * point).sum(axis=1)
            # exp(u) lies above its tangent, and below its chord.
            tangent = np.exp(now)
            chord = np.expm1(grown) / np.maximum(grown, np.finfo(np.float64).tiny) * (1 + 1e-14)
            above = intercept > 0
            constant = np.where(above, intercept * tangent * (1 - now), intercept)
            rise = intercept * np.where(above, tangent, chord) * sums.ridges.decay
            form = form + rise[:, None, None] * sums.gram
            level = level * np.exp(grown) * (1 + grown)
        noise = _ROUNDING * (self.start.shape[1] + form.shape[1]) * (size + level)
        return Forms(base + constant - noise, linear, form)

"""How low quadratic functions fall in balls around zero, and in boxes: lower bounds by duals.

For a function ``slope @ t + t @ form @ t`` and multipliers m, d >= 0 the minimum over all moves of

    slope @ t + t @ form @ t + m (t @ t - radius^2) + sum of d_j (t_j - low_j) (t_j - high_j)

is a lower bound in the ball of L2 and between `low` and `high`. It has a closed form where the
matrix of the sum is positive definite. Without a box the best m leaves no gap: the secular equation
of trust regions. The others are improved one after the other, each as far as it goes, and are
trusted in nothing: any multipliers give a valid, if smaller, bound.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray
from specreg_sklearn.certificates.moves._minimum_in_l1 import lowest_over_corners
from specreg_sklearn.space import Norm

_HALVINGS = 50
# How often all multipliers of a box are improved, at most, what is too little to go on, and how
# many times the last gain all later ones are worth at most.
_MOST_SWEEPS, _LITTLE, _MANY = 24, 1e-7, 8.0
# How fast the matrix may come nearer to a singular one, and a multiplier grow, by one step; and how
# large one may be, relative to the form: others are lost in its roundings.
_SMALLEST, _LARGEST, _LARGE = 0.05, 1e3, 1e5
# Rounding of eigenvalues and of sums over them, relative to the largest part, per column.
_ROUNDING = 2.0**-46
_TINY = np.finfo(np.float64).tiny


class LowestPoints(NamedTuple):
    """How low quadratic functions fall.

    Parameters
    ----------
    bound : ndarray of shape (n_rows,)
        At most the minimum, rounding included.
    move : ndarray of shape (n_rows, n_moves)
        Moves that the bounds stem from, near the minimum where there is hardly a gap.
    """

    bound: FloatArray
    move: FloatArray


def lowest_in_balls(
    form: FloatArray,
    slope: FloatArray,
    radius: FloatArray,
    norm: Norm,
    box: tuple[FloatArray, FloatArray] | None = None,
    enough: FloatArray | None = None,
) -> LowestPoints:
    """Return lower bounds of ``slope @ t + t @ form @ t`` for all moves t of a length.

    Parameters
    ----------
    form : ndarray of shape (n_rows, n_moves, n_moves)
        Symmetric matrices.
    slope : ndarray of shape (n_rows, n_moves)
        Slopes at zero.
    radius : ndarray of shape (n_rows,)
        Lengths up to which a row moves; positive.
    norm : Norm
        L1, L2 or Linf, in which lengths are measured.
    box : tuple of two ndarray of shape (n_rows, n_moves), or None
        Ends of the moves, which contain zero and may be infinite; None if there are none.
    enough : ndarray of shape (n_rows,) or None
        What a bound is needed for: none is improved that is larger, or surely never will be.
    """
    wide = np.repeat(radius[:, None], slope.shape[1], axis=1)
    box = (-wide, wide) if box is None else box
    low, high = np.maximum(box[0], -wide), np.minimum(box[1], wide)
    form, slope = _without_fixed(form, slope, low == high)
    eigenvalues, vectors = np.linalg.eigh(form)
    noise = _ROUNDING * form.shape[1] * np.abs(eigenvalues).max(axis=1)
    in_l2 = norm.from_l2(radius, form.shape[1])
    multiplier = _secular_root(eigenvalues, vectors, noise, slope, in_l2)
    best = _minimum(eigenvalues + multiplier[:, None], vectors, noise, slope)
    best = LowestPoints(_below(best.bound - multiplier * in_l2 * in_l2, slope), best.move)
    past = 1e-9 * radius[:, None]
    leaves = ((best.move < low - past) | (best.move > high + past)).any(axis=1)
    # Nothing is less than NaN, nor more: without a bound that is needed, the best one is.
    wanted = np.full(len(slope), np.nan) if enough is None else enough
    if norm.order == 1:
        falls, rises = np.maximum(-eigenvalues, 0.0), np.maximum(eigenvalues, 0.0)
        # The diagonal of the part of each form that is not convex.
        falling = np.matmul(vectors * vectors, falls[:, :, None])[:, :, 0] + 2 * noise[:, None]
        convex = np.matmul(vectors * rises[:, None, :], np.swapaxes(vectors, 1, 2))
        found = lowest_over_corners(convex, falling, slope, radius, (low, high), wanted)
        best = _better(best, LowestPoints(*found))
    some = np.flatnonzero(leaves & ~(best.bound > wanted))
    if not len(some):
        return best
    boxes = _Boxes(form[some], slope[some], in_l2[some], low[some], high[some])
    found = boxes.lowest(wanted[some])
    bound, move = best.bound.copy(), best.move.copy()
    bound[some], move[some] = _better(LowestPoints(bound[some], move[some]), found)
    return LowestPoints(bound, np.clip(move, low, high))


def _without_fixed(
    form: FloatArray, slope: FloatArray, fixed: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return the functions with columns that do not move left out: convex, and without a slope."""
    if not fixed.any():
        return form, slope
    form = np.where(fixed[:, :, None] | fixed[:, None, :], 0.0, form)
    own = np.arange(form.shape[1])
    form[:, own, own] += np.where(fixed, np.abs(form).max(axis=(1, 2))[:, None] + _TINY, 0.0)
    return form, np.where(fixed, 0.0, slope)


def _better(one: LowestPoints, other: LowestPoints) -> LowestPoints:
    larger = other.bound > one.bound
    return LowestPoints(
        np.where(larger, other.bound, one.bound), np.where(larger[:, None], other.move, one.move)
    )


def _below(bound: FloatArray, slope: FloatArray) -> FloatArray:
    """Return a negative sum, less what adding its terms rounds."""
    return bound * (1 + _ROUNDING * slope.shape[1])


def _secular_root(
    eigenvalues: FloatArray,
    vectors: FloatArray,
    noise: FloatArray,
    slope: FloatArray,
    radius: FloatArray,
) -> FloatArray:
    """Return the multipliers of balls of L2 with which the minimum lies in the ball."""
    turned = np.matmul(slope[:, None, :], vectors)[:, 0]
    # From here on the shifted form is positive definite, by more than its rounding.
    low = np.maximum(0.0, 2 * noise - eigenvalues[:, 0]) + _TINY
    high = low + 0.5 * np.linalg.norm(turned, axis=1) / radius
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        longer = np.linalg.norm(0.5 * turned / (eigenvalues + middle[:, None]), axis=1) > radius
        low, high = np.where(longer, middle, low), np.where(longer, high, middle)
    return high


def _minimum(
    eigenvalues: FloatArray, vectors: FloatArray, noise: FloatArray, slope: FloatArray
) -> LowestPoints:
    """Return the minima of positive definite functions, and where they are."""
    turned = np.matmul(slope[:, None, :], vectors)[:, 0]
    spent = 0.25 * (turned * turned / (eigenvalues - noise[:, None])).sum(axis=1)
    move = np.matmul(vectors, (-0.5 * turned / eigenvalues)[:, :, None])[:, :, 0]
    return LowestPoints(-spent, move)


class _Boxes:
    """Quadratic functions in a ball of L2 and a box each, and their multipliers.

    A step along the multiplier of one column has a closed form: where the minimum of the sum is a
    number h from the middle of the interval, of half the width w, a multiplier larger by
    ``(h / w - 1) / K`` puts it at the end of the interval, where K is the entry of the inverse.
    """

    def __init__(
        self,
        form: FloatArray,
        slope: FloatArray,
        radius: FloatArray,
        low: FloatArray,
        high: FloatArray,
    ) -> None:
        self.form, self.slope, self.radius, self.low, self.high = form, slope, radius, low, high
        self.middle, self.half = 0.5 * (low + high), np.maximum(0.5 * (high - low), _TINY)
        steep = np.abs(slope).max(axis=1) / radius
        self.most = _LARGE * (np.abs(form).max(axis=(1, 2)) + steep + _TINY)

    def lowest(self, enough: FloatArray) -> LowestPoints:
        """Return the best bounds that were found, up to those that are enough."""
        d = np.zeros_like(self.slope)
        best = LowestPoints(np.full(len(d), -np.inf), np.zeros_like(d))
        goes_on = np.ones(len(d), dtype=bool)
        for _ in range(_MOST_SWEEPS):
            now, inverse = self._bounded(d)
            gained = now.bound - best.bound
            best = _better(best, LowestPoints(np.where(goes_on, now.bound, -np.inf), now.move))
            reached = self._value(now.move) <= enough
            little = gained <= _LITTLE * np.abs(best.bound)
            # Gains shrink from sweep to sweep, and these will not do.
            missing = np.where(np.isfinite(enough), enough - best.bound, 0.0)
            goes_on &= ~(reached | little | (best.bound > enough) | (_MANY * gained < missing))
            if not goes_on.any():
                break
            d = np.where(goes_on[:, None], self._swept(d, now.move, inverse), d)
        return best

    def _value(self, move: FloatArray) -> FloatArray:
        """Return the functions at the nearest moves in the box and in the ball."""
        inside = np.clip(move, self.low, self.high)
        length = np.linalg.norm(inside, axis=1)
        inside *= (self.radius / np.maximum(length, self.radius))[:, None]
        bent = np.matmul(self.form, inside[:, :, None])[:, :, 0]
        return np.asarray((inside * (self.slope + bent)).sum(axis=1))

    def _bounded(self, d: FloatArray) -> tuple[LowestPoints, FloatArray]:
        """Return what multipliers of boxes prove with the best ones of balls; and the inverses."""
        own, n_moves = np.arange(d.shape[1]), d.shape[1]
        form = self.form.copy()
        form[:, own, own] += d
        eigenvalues, vectors = np.linalg.eigh(form)
        noise = _ROUNDING * n_moves * np.abs(eigenvalues).max(axis=1)
        slope = self.slope - 2 * d * self.middle
        multiplier = _secular_root(eigenvalues, vectors, noise, slope, self.radius)
        eigenvalues = eigenvalues + multiplier[:, None]
        found = _minimum(eigenvalues, vectors, noise, slope)
        # What the slope rounds to changes the minimum by less than its length allows.
        rounded = _ROUNDING * np.linalg.norm(np.abs(self.slope) + 2 * d * self.half, axis=1)
        steps = np.linalg.norm(found.move, axis=1) + rounded / (eigenvalues[:, 0] - noise)
        fixed = (d * self.low * self.high).sum(axis=1) - multiplier * self.radius**2
        bound = _below(found.bound + fixed - rounded * steps, slope)
        inverse = np.matmul(vectors / eigenvalues[:, None, :], np.swapaxes(vectors, 1, 2))
        return LowestPoints(bound, found.move), inverse

    def _swept(self, d: FloatArray, move: FloatArray, inverse: FloatArray) -> FloatArray:
        """Return multipliers, each improved as far as it goes while the others stay."""
        d, t, K = d.copy(), move.copy(), inverse.copy()
        active = ((d > 0) | (t < self.low) | (t > self.high)).any(axis=0)
        for j in np.flatnonzero(active).tolist():
            column, own = K[:, j].copy(), K[:, j, j].copy()
            off = t[:, j] - self.middle[:, j]
            ratio = np.clip(np.abs(off) / self.half[:, j], _SMALLEST, _LARGEST)
            more = np.clip((ratio - 1) / own, -d[:, j], self.most - d[:, j])
            share = more / (1 + more * own)
            t -= (share * off)[:, None] * column
            K -= share[:, None, None] * column[:, :, None] * column[:, None, :]
            d[:, j] += more
        return d

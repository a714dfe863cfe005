"""Lower bounds of lengths of moves by Lagrange multipliers of the norm and of the bounds.

For moves t in a box, each bound is a quadratic function ``(t - low) (t - high) <= 0`` of a column.
The squared length is at least a quadratic form in every norm: ``t @ t`` in L2, a mean of squares
``sum(w t^2)`` with weights that sum to one in Linf, and ``t @ M @ t`` in L1 for any symmetric M
without entries beyond 1 in size. So for numbers m, d >= 0 a move t with ``f(t) <= 0`` has

    length^2 >= min over all t of  t @ M @ t + m f(t) + sum(d (t - low) (t - high)),

which has a closed form where the matrix of the sum is positive definite. The best multipliers are
those of a semidefinite program (Shor's bound). An interior point method looks for them (Nesterov,
Nemirovski, 1994) and is trusted in nothing: any multipliers give a valid, if smaller, bound.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray

_UNIT = 2.0**-53
# How large the barrier is at first, how much smaller it gets, and how small in the end.
_FIRST, _FALL, _LAST = 0.1, 0.1, 1e-7
_MOST_STEPS = 120
# Larger multipliers of bounds keep the matrix away from a singular one.
_SHIFTS = (0.0, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5)
# Products of columns whose multiplier is looked for, in L1.
_MOST_PRODUCTS = 150


class Form(NamedTuple):
    """Moves t inside a box, of length 1 at most, and ``1 + g @ t + t @ H @ t``.

    Parameters
    ----------
    g : ndarray of shape (n_moves,)
        Slopes.
    H : ndarray of shape (n_moves, n_moves)
        The form, symmetric.
    low, high : ndarray of shape (n_moves,)
        Ends of the box, within -1 and 1.
    order : {1, 2, inf}
        The norm.
    likely : ndarray of shape (n_moves,)
        A move whose largest columns are those whose products count in L1.
    """

    g: FloatArray
    H: FloatArray
    low: FloatArray
    high: FloatArray
    order: float
    likely: FloatArray


class Bound(NamedTuple):
    """What multipliers prove.

    Parameters
    ----------
    squared : float
        No move to where the function is not positive has a smaller squared length.
    move : ndarray of shape (n_moves,)
        The move that attains the minimum.
    spread : ndarray of shape (n_moves,)
        What the form gains by columns that do not move by one number each: where to cut the box.
    """

    squared: float
    move: FloatArray
    spread: FloatArray


def best_bound(form: Form) -> Bound:
    """Return the best bound that multipliers give, up to a small share; 1 where it is more."""
    ascent = _Ascent(form)
    barrier, n_terms = _FIRST, len(ascent.theta) + 2 * len(form.g)
    squared, move, spread = 0.0, np.zeros(len(form.g)), np.ones(len(form.g))
    for _ in range(_MOST_STEPS):
        state = ascent.state(ascent.theta)
        if state is None or state.value >= 1 + 1e-9:
            break
        progress = ascent.step(state, barrier)
        if progress is None:
            break
        if progress < 0.3 * n_terms * barrier:
            if n_terms * barrier < _LAST:
                break
            barrier *= _FALL
    for shift in _SHIFTS:
        theta = ascent.theta.copy()
        theta[1 : len(form.g) + 1] += shift
        state = ascent.state(theta)
        if state is not None:
            better = ascent.proved(theta, state)
            if better > squared:
                squared, move = better, state.move
                spread = barrier * np.diag(state.inverse) * np.abs(np.diag(form.H))
    return Bound(min(squared, 1.0), move, spread)


class _State(NamedTuple):
    """Where some multipliers lead: their minimum, the move there, and the matrix's inverse."""

    value: float
    move: FloatArray
    matrix: FloatArray
    inverse: FloatArray
    volume: float


class _Ascent:
    """Newton's method for the multipliers, with a barrier before the ends of their domain.

    The multipliers are m, then d, then the weights of a mean in Linf, or entries of M in L1. Each
    but the first has the matrix ``(e_i e_j' + e_j e_i') / 2``, twice that where i is not j.
    """

    def __init__(self, form: Form) -> None:
        self.form, n = form, len(form.g)
        every = np.arange(n)
        self.i, self.j = every, every
        self.base = np.eye(n) if form.order != np.inf else np.zeros((n, n))
        least = float(np.linalg.eigvalsh(form.H)[0])
        first = 0.5 / max(-least, 1e-3)
        extra = np.zeros(0)
        if form.order == np.inf:
            self.i, self.j, extra = np.tile(every, 2), np.tile(every, 2), np.full(n, 1 / n)
            first /= n
        elif form.order == 1:
            i, j = _products(form.likely)
            self.i, self.j, extra = np.append(every, i), np.append(every, j), np.zeros(len(i))
        self.theta = np.concatenate([[first], np.full(n, 0.1 / n), extra])
        self.twice = np.where(self.i == self.j, 1.0, 2.0)
        self.n_positive = len(self.theta) - (len(extra) if form.order == 1 else 0)

    def matrix(self, theta: FloatArray) -> FloatArray:
        """Return the matrix of the sum."""
        out = self.base + theta[0] * self.form.H
        np.add.at(out, (self.i, self.j), theta[1:])
        off = self.i != self.j
        out[self.j[off], self.i[off]] += theta[1:][off]
        return out

    def state(self, theta: FloatArray) -> _State | None:
        """Return where multipliers lead; None where they are outside their domain."""
        if not self._inside(theta):
            return None
        form, n = self.form, len(self.form.g)
        matrix = self.matrix(theta)
        try:
            root = np.linalg.cholesky(matrix)
            inverse = np.linalg.inv(matrix)
        except np.linalg.LinAlgError:
            return None
        d = theta[1 : n + 1]
        slope = theta[0] * form.g - d * (form.low + form.high)
        move = -0.5 * (inverse @ slope)
        value = theta[0] + (d * form.low * form.high).sum() + 0.5 * (slope @ move)
        volume = 2 * np.log(np.diag(root)).sum()
        return _State(float(value), move, matrix, np.asarray(inverse), float(volume))

    def _inside(self, theta: FloatArray) -> bool:
        rest = theta[self.n_positive :]
        return bool((theta[: self.n_positive] > 0).all() and (np.abs(rest) < 1).all())

    def step(self, state: _State, barrier: float) -> float | None:
        """Go one step, and return what it promised; None where there is no way up."""
        form, theta, n, k = self.form, self.theta, len(self.form.g), self.n_positive
        t, K = state.move, state.inverse
        size = len(theta)
        turn = np.zeros((n, size))
        turn[:, 0] = form.g + 2 * (form.H @ t)
        at = np.arange(1, size)
        np.add.at(turn, (self.i, at), self.twice * t[self.j])
        np.add.at(turn, (self.j, at), self.twice * t[self.i])
        turn[np.arange(n), np.arange(1, n + 1)] -= form.low + form.high
        rise = np.empty(size)
        rise[0] = 1 + form.g @ t + t @ (form.H @ t)
        rise[1:] = self.twice * t[self.i] * t[self.j]
        rise[1 : n + 1] += form.low * form.high - (form.low + form.high) * t
        KH = K @ form.H
        rise[0] += barrier * np.trace(KH)
        rise[1:] += barrier * self.twice * K[self.i, self.j]
        curve = np.empty((size, size))
        curve[0, 0] = (KH * KH.T).sum()
        curve[0, 1:] = curve[1:, 0] = self.twice * (KH @ K)[self.i, self.j]
        rows, columns = K[self.i], K[self.j]
        both = rows[:, self.i] * columns[:, self.j] + rows[:, self.j] * columns[:, self.i]
        curve[1:, 1:] = 0.5 * np.outer(self.twice, self.twice) * both
        curve = 0.5 * (turn.T @ K @ turn) + barrier * curve
        head, rest = theta[:k], theta[k:]
        rise[:k] += barrier / head
        rise[k:] += barrier * (1 / (1 + rest) - 1 / (1 - rest))
        bend = np.concatenate([1 / head**2, 1 / (1 + rest) ** 2 + 1 / (1 - rest) ** 2])
        curve[np.arange(size), np.arange(size)] += barrier * bend
        way = self._newton(curve, rise)
        promised = float(rise @ way)
        if not (np.isfinite(way).all() and promised > 0):
            return None
        now, length = self._height(theta, state, barrier), 1.0
        while length > 1e-8:
            new = theta + length * way
            there = self.state(new)
            if there is not None:
                gained = self._height(new, there, barrier) - now
                if gained >= 0.05 * length * promised:
                    self.theta = new
                    return promised
            length *= 0.5
        return None

    def _newton(self, curve: FloatArray, rise: FloatArray) -> FloatArray:
        try:
            if self.form.order != np.inf:
                return np.asarray(np.linalg.solve(curve, rise))
            # Weights of a mean go on summing to one.
            sums = np.zeros(len(rise))
            sums[len(self.form.g) + 1 :] = 1.0
            way, back = np.linalg.solve(curve, np.column_stack([rise, sums])).T
            return np.asarray(way - back * (sums @ way) / (sums @ back))
        except np.linalg.LinAlgError:
            return np.full(len(rise), np.nan)

    def _height(self, theta: FloatArray, state: _State, barrier: float) -> float:
        k = self.n_positive
        ends = np.log(theta[:k]).sum() + np.log1p(-np.square(theta[k:])).sum()
        return float(state.value + barrier * (state.volume + ends))

    def proved(self, theta: FloatArray, state: _State) -> float:
        """Return a lower bound of the minimum, whatever was rounded on the way to it."""
        form, n, t = self.form, len(self.form.g), state.move
        m, d = theta[0], theta[1 : n + 1]
        weight = 1.0
        if form.order == np.inf:
            # Weights that sum to a little more than one count for less.
            weight = 1 / (float(theta[n + 1 :].sum()) * (1 + 8 * n * _UNIT))
        matrix = state.matrix
        size = np.abs(self.base) + m * np.abs(form.H)
        np.add.at(size, (self.i, self.j), np.abs(theta[1:]))
        off = self.i != self.j
        size[self.j[off], self.i[off]] += np.abs(theta[1:][off])
        rounding = 8 * (n + 8) * _UNIT
        far = np.abs(t)
        lead = m * (np.abs(form.g) @ far) + d @ (
            (far + np.abs(form.low)) * (far + np.abs(form.high))
        )
        least = float(np.linalg.eigvalsh(matrix)[0]) - rounding * float(np.linalg.norm(size))
        if not least > 0:
            return 0.0
        slope = m * form.g - d * (form.low + form.high)
        steep = m * np.abs(form.g) + d * (np.abs(form.low) + np.abs(form.high))
        ascent = np.abs(slope + 2 * (matrix @ t)) + rounding * (steep + 2 * (size @ far))
        value = m + (d * form.low * form.high).sum() + slope @ t + t @ (matrix @ t)
        value -= rounding * (m + lead + far @ (size @ far))
        # From here the minimum is no farther down than the slope allows.
        value -= float(ascent @ ascent) / (4 * least)
        return max(0.0, float(value) * weight)


def _products(likely: FloatArray) -> tuple[IntArray, IntArray]:
    """Return pairs of columns, those of the largest products first."""
    i, j = np.triu_indices(len(likely), 1)
    chosen = np.argsort(-np.abs(likely[i] * likely[j]), kind="stable")[:_MOST_PRODUCTS]
    return i[chosen], j[chosen]

"""The largest absolute value, rounded by a logarithmic barrier.

It is the dual of moves in L1. The height of the barrier solves an equation of its own for each pair
of classes, and the multipliers of both sides are the dual estimate.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.estimators.robust_logistic._dual_norm import DualNorm

_MOST_BARRIER_STEPS = 100


class LargestPart(DualNorm):
    """The largest absolute value, by a logarithmic barrier with multipliers of its own.

    The stand-in is the least ``t - width * sum log(t ** 2 - x ** 2)`` over t, less its value at 0.
    """

    _upper: FloatArray | None = None
    _lower: FloatArray

    def move_to(self, coef: FloatArray, width: float) -> None:
        """Set the point; see :meth:`DualNorm.move_to`."""
        x = self.pairs.difference(coef)
        self._difference, self._width = x, width * float(self._unit.min()) / coef.shape[1]
        self._above, self._below = _barrier_gaps(x, self._width)
        gap = self._above * self._below
        self._slope = 2 * self._width * x / gap
        self.exact = np.abs(x).max(axis=1)
        self.value = _barrier_value(self._above, self._below, self._width)
        self.missing = self.exact - np.einsum("pf,pf->p", self._slope, x)
        if self._upper is None:
            self._upper, self._lower = self._width / self._above, self._width / self._below

    def evaluate(self, coef: FloatArray, width: float) -> FloatArray:
        """Return the stand-in; see :meth:`DualNorm.evaluate`."""
        x = self.pairs.difference(coef)
        width = width * float(self._unit.min()) / coef.shape[1]
        return _barrier_value(*_barrier_gaps(x, width), width)

    def slope(self, weights: FloatArray) -> FloatArray:
        """Return a gradient; see :meth:`DualNorm.slope`."""
        return self.pairs.adjoint(weights[:, None] * self._slope)

    def weigh(self, weights: FloatArray) -> None:
        """Set the weights; see :meth:`DualNorm.weigh`."""
        assert self._upper is not None
        above, below = self._upper / self._above, self._lower / self._below
        self._bends, self._lean = above + below, above - below
        self._weights = weights
        self._total = self._bends.sum(axis=1)

    def direction(self, coef: FloatArray) -> FloatArray:
        """Return a derivative; see :meth:`DualNorm.direction`."""
        self._step = self.pairs.difference(coef)
        return np.einsum("pf,pf->p", self._slope, self._step)

    def bend(self, coef: FloatArray, slopes: FloatArray) -> FloatArray:
        """Return what bends; see :meth:`DualNorm.bend`."""
        rise = np.einsum("pf,pf->p", self._lean, self._step) / self._total
        pulls = self._bends * self._step - rise[:, None] * self._lean
        pulls *= self._weights[:, None]
        pulls += slopes[:, None] * self._slope
        return self.pairs.adjoint(pulls)

    def diagonal(self) -> FloatArray:
        """Return a curvature; see :meth:`DualNorm.diagonal`."""
        rest = self._bends - self._lean**2 / self._total[:, None]
        return (self._weights[:, None] * np.maximum(rest, 0)).T

    def step(self, coef: FloatArray, length: float) -> None:
        """Follow a step; see :meth:`DualNorm.step`."""
        assert self._upper is not None
        step = self.pairs.difference(coef)
        rise = np.einsum("pf,pf->p", self._lean, step)[:, None] / self._total[:, None]
        upper = (self._width - self._upper * (rise - step)) / self._above
        lower = (self._width - self._lower * (rise + step)) / self._below
        self._upper = _kept_positive(self._upper, upper, length)
        self._lower = _kept_positive(self._lower, lower, length)


def _kept_positive(old: FloatArray, new: FloatArray, length: float) -> FloatArray:
    """Return multipliers a step on, no smaller than a hundredth of what they were."""
    return np.clip(old + length * (new - old), 1e-2 * old, 1)


def _barrier_gaps(x: FloatArray, width: float) -> tuple[FloatArray, FloatArray]:
    """Return ``t - x`` and ``t + x``, whose reciprocals times `width` sum to one in each row.

    What is solved for is how far t lies above the largest part: t itself would drown it.
    """
    size = np.abs(x)
    largest = size.max(axis=1, keepdims=True)
    short = largest - size
    # The sum falls in t, and its reciprocal is concave: Newton's method from the left never
    # overshoots. The largest part alone gives a start there.
    excess = width + width**2 / (np.sqrt(width**2 + largest**2) + largest)
    for _ in range(_MOST_BARRIER_STEPS):
        near, far = 1 / (excess + short), 1 / (excess + largest + size)
        total = width * (near + far).sum(axis=1, keepdims=True)
        if np.all(total <= 1 + 1e-13):
            break
        falls = width * (near**2 + far**2).sum(axis=1, keepdims=True)
        excess = excess + np.maximum((total - 1) * total / falls, 0)
    return excess + (largest - x), excess + (largest + x)


def _barrier_value(above: FloatArray, below: FloatArray, width: float) -> FloatArray:
    at_zero = 2 * width * above.shape[1]  # t where all parts are zero
    top = (above[:, 0] + below[:, 0]) / 2
    return top - at_zero - width * np.log(above / at_zero * (below / at_zero)).sum(axis=1)

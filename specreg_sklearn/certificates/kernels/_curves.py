"""Functions of one number that kernels are made of, between quadratic functions.

Each curve gives, around any point ``at`` and for steps u from an interval, two numbers with
``below u^2 <= value(at + u) - value(at) - slope(at) u <= above u^2``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import comb, factorial

import numpy as np

from specreg_sklearn._typing import FloatArray

# Where the second derivative of tanh is extreme, and half of it there.
_BENDS_MOST, _MOST_BEND = 0.6584789484624084, 0.38490017945975064
# Around a real number, no farther than this, tanh is at most as large as the tangent of this.
_CIRCLE = 1.3
# Shorter steps count as this long, where the quotient that bounds them rounds too much.
_SHORT = 1e-3


class Curve(ABC):
    """A smooth function of one number."""

    @abstractmethod
    def value(self, at: FloatArray) -> FloatArray:
        """Return the function."""

    @abstractmethod
    def slope(self, at: FloatArray) -> FloatArray:
        """Return its derivative."""

    @abstractmethod
    def bends(
        self, at: FloatArray, low: FloatArray, high: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return `below` and `above` for steps from `low` <= 0 to `high` >= 0, but for rounding."""

    @abstractmethod
    def taylor(self, at: FloatArray, order: int) -> FloatArray:
        """Return derivatives over factorials up to an order, (order + 1, *at.shape)."""

    @abstractmethod
    def tail(self, at: FloatArray, reach: FloatArray, order: int) -> FloatArray:
        """Return what all terms beyond an order are at most, for steps up to a reach."""


class Exponential(Curve):
    """The exponential function."""

    def value(self, at: FloatArray) -> FloatArray:
        return np.asarray(np.exp(at))

    def slope(self, at: FloatArray) -> FloatArray:
        return np.asarray(np.exp(at))

    def bends(
        self, at: FloatArray, low: FloatArray, high: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the quotients at both ends, since they rise with the step."""
        ends = np.minimum(low, -_SHORT), np.maximum(high, _SHORT)
        size = np.exp(at)
        below, above = (size * (np.expm1(u) - u) / (u * u) for u in ends)
        return below, above

    def taylor(self, at: FloatArray, order: int) -> FloatArray:
        return np.exp(at) / np.array([factorial(k) for k in range(order + 1)])[:, None]

    def tail(self, at: FloatArray, reach: FloatArray, order: int) -> FloatArray:
        """Return the next term with the largest derivative on the way."""
        return np.asarray(np.exp(at + reach) * reach ** (order + 1) / factorial(order + 1))


@dataclass(frozen=True)
class Power(Curve):
    """A number to the power of a whole number, `degree` >= 1."""

    degree: int

    def value(self, at: FloatArray) -> FloatArray:
        return np.asarray(at**self.degree)

    def slope(self, at: FloatArray) -> FloatArray:
        return np.asarray(self.degree * at ** (self.degree - 1))

    def bends(
        self, at: FloatArray, low: FloatArray, high: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the quotients at both ends where the third derivative keeps its sign."""
        p = self.degree
        ends = [
            sum((comb(p, j) * at ** (p - j) * u ** (j - 2) for j in range(2, p + 1)), 0.0 * at)
            for u in (low, high)
        ]
        below, above = np.minimum(*ends), np.maximum(*ends)
        if p % 2 == 0 and p > 2:
            # The function is convex, and bends most at one of the ends.
            around = (at + low < 0) & (at + high > 0)
            farthest = np.maximum(np.abs(at + low), np.abs(at + high))
            below = np.where(around, 0.0, below)
            above = np.where(around, 0.5 * p * (p - 1) * farthest ** (p - 2), above)
        return below, above

    def _term(self, at: FloatArray, k: int) -> FloatArray:
        return comb(self.degree, k) * at ** max(self.degree - k, 0)

    def taylor(self, at: FloatArray, order: int) -> FloatArray:
        return np.stack([self._term(at, k) for k in range(order + 1)])

    def tail(self, at: FloatArray, reach: FloatArray, order: int) -> FloatArray:
        """Return the sum of the terms, none beyond the degree."""
        terms = (self._term(np.abs(at), k) * reach**k for k in range(order + 1, self.degree + 1))
        return sum(terms, np.zeros_like(at))


class HyperbolicTangent(Curve):
    """The hyperbolic tangent."""

    def value(self, at: FloatArray) -> FloatArray:
        return np.asarray(np.tanh(at))

    def slope(self, at: FloatArray) -> FloatArray:
        return np.asarray(1 - np.tanh(at) ** 2)

    def bends(
        self, at: FloatArray, low: FloatArray, high: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the extremes of half the second derivative on the way."""
        ends = [-np.tanh(z) * (1 - np.tanh(z) ** 2) for z in (at + low, at + high)]
        below, above = np.minimum(*ends), np.maximum(*ends)
        for place, bend in ((_BENDS_MOST, -_MOST_BEND), (-_BENDS_MOST, _MOST_BEND)):
            passed = (at + low <= place) & (at + high >= place)
            below = np.where(passed, np.minimum(below, bend), below)
            above = np.where(passed, np.maximum(above, bend), above)
        return below, above

    def taylor(self, at: FloatArray, order: int) -> FloatArray:
        """Solve ``y' = 1 - y^2`` by a power series."""
        out = np.zeros((order + 1, *at.shape))
        out[0] = np.tanh(at)
        for k in range(order):
            square = sum((out[i] * out[k - i] for i in range(k + 1)), 0.0)
            out[k + 1] = ((k == 0) - square) / (k + 1)
        return out

    def tail(self, at: FloatArray, reach: FloatArray, order: int) -> FloatArray:
        """Return Cauchy's bound, from a circle on which the function is known to be small."""
        share = reach / _CIRCLE
        geometric = share ** (order + 1) / np.maximum(1 - share, 0.0)
        return np.where(share < 1, np.tan(_CIRCLE) * geometric, np.inf)

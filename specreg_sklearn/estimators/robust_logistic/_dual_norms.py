"""Dual norms of differences of coefficients, with rounded kinks.

What a move of size epsilon does to the gap of two logits is epsilon times the dual norm of the
difference of their coefficients. Every norm here comes with what Newton's method needs: a smooth
stand-in, its gradient inside the unit ball of the moves, and a curvature. That curvature is not the
second derivative of the stand-in, which tells of a kink only within the rounded width: a dual
estimate of the gradient is carried along, as in primal-dual interior-point methods.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.estimators.robust_logistic._class_pairs import ClassPairs

_MOST_BARRIER_STEPS = 100


class DualNorm(ABC):
    """A rounded dual norm at the differences of a table of coefficients.

    Parameters
    ----------
    pairs : ClassPairs
        The pairs whose differences count.
    unit : ndarray of shape (n_features,)
        The coefficient that changes a logit by about one, for each column; `width` is in units
        of it.

    Attributes
    ----------
    value : ndarray of shape (n_pairs,)
        The stand-in: convex, differentiable, 0 at 0.
    exact : ndarray of shape (n_pairs,)
        The norm.
    missing : ndarray of shape (n_pairs,)
        What the gradient falls short of: the norm minus gradient times difference, at least 0.
    """

    value: FloatArray
    exact: FloatArray
    missing: FloatArray

    def __init__(self, pairs: ClassPairs, unit: FloatArray) -> None:
        self.pairs, self._unit = pairs, unit

    @abstractmethod
    def move_to(self, coef: FloatArray, width: float) -> None:
        """Set the point and the width of the kinks."""

    @abstractmethod
    def evaluate(self, coef: FloatArray, width: float) -> FloatArray:
        """Return the stand-in at a point, and stay where we are."""

    @abstractmethod
    def slope(self, weights: FloatArray) -> FloatArray:
        """Return the gradient of ``weights @ value`` in the coefficients."""

    @abstractmethod
    def weigh(self, weights: FloatArray) -> None:
        """Set the weights of the pairs for the three methods below."""

    @abstractmethod
    def direction(self, coef: FloatArray) -> FloatArray:
        """Return the derivative of `value` along a direction."""

    @abstractmethod
    def bend(self, coef: FloatArray, slopes: FloatArray) -> FloatArray:
        """Return the gradient of ``slopes @ value``, plus the weighted curvature times `coef`.

        `coef` is the direction that :meth:`direction` was called with last.
        """

    @abstractmethod
    def diagonal(self) -> FloatArray:
        """Return a curvature for preconditioning, weighted, (n_pairs,) or (n_features, n_pairs)."""

    @abstractmethod
    def step(self, coef: FloatArray, length: float) -> None:
        """Follow a step of the coefficients with the dual estimate."""


class NoMoves(DualNorm):
    """Stands in where epsilon is 0."""

    def __init__(self, pairs: ClassPairs, unit: FloatArray) -> None:
        super().__init__(pairs, unit)
        self.value = self.exact = self.missing = np.zeros(len(pairs))

    def move_to(self, coef: FloatArray, width: float) -> None:
        """Do nothing."""

    def evaluate(self, coef: FloatArray, width: float) -> FloatArray:
        """Return zeros."""
        return self.value

    def slope(self, weights: FloatArray) -> FloatArray:
        """Return a zero that adds to anything."""
        return np.zeros((1, 1))

    def weigh(self, weights: FloatArray) -> None:
        """Do nothing."""

    def direction(self, coef: FloatArray) -> FloatArray:
        """Return zeros."""
        return self.value

    def bend(self, coef: FloatArray, slopes: FloatArray) -> FloatArray:
        """Return a zero that adds to anything."""
        return np.zeros((1, 1))

    def diagonal(self) -> FloatArray:
        """Return zeros."""
        return self.value

    def step(self, coef: FloatArray, length: float) -> None:
        """Do nothing."""


class Length(DualNorm):
    """The Euclidean norm: smooth, but where two classes coincide.

    The second derivative serves as it is. It is a Laplacian over the classes times the
    coefficients, so nothing of size (n_pairs, n_features) is touched in a product.
    """

    def move_to(self, coef: FloatArray, width: float) -> None:
        """Set the point; see :meth:`DualNorm.move_to`."""
        self._coef = coef
        squares = np.square(self.pairs.difference(coef)).sum(axis=1)
        width = width * float(self._unit.min())
        self._rounded = np.sqrt(squares + width**2)
        self.exact, self.value = np.sqrt(squares), squares / (self._rounded + width)
        self.missing = self.exact * (1 - self.exact / self._rounded)

    def evaluate(self, coef: FloatArray, width: float) -> FloatArray:
        """Return the stand-in; see :meth:`DualNorm.evaluate`."""
        squares = np.square(self.pairs.difference(coef)).sum(axis=1)
        width = width * float(self._unit.min())
        return squares / (np.sqrt(squares + width**2) + width)

    def slope(self, weights: FloatArray) -> FloatArray:
        """Return a gradient; see :meth:`DualNorm.slope`."""
        return self.pairs.laplacian(weights / self._rounded) @ self._coef

    def weigh(self, weights: FloatArray) -> None:
        """Set the weights; see :meth:`DualNorm.weigh`."""
        self._weights = weights / self._rounded
        self._laplacian = self.pairs.laplacian(self._weights)

    def direction(self, coef: FloatArray) -> FloatArray:
        """Return a derivative; see :meth:`DualNorm.direction`."""
        self._along = self.pairs.products(self._coef, coef) / self._rounded
        return self._along

    def bend(self, coef: FloatArray, slopes: FloatArray) -> FloatArray:
        """Return what bends; see :meth:`DualNorm.bend`."""
        turning = (slopes - self._weights * self._along) / self._rounded
        return self.pairs.laplacian(turning) @ self._coef + self._laplacian @ coef

    def diagonal(self) -> FloatArray:
        """Return a curvature; see :meth:`DualNorm.diagonal`."""
        return self._weights

    def step(self, coef: FloatArray, length: float) -> None:
        """Do nothing: the second derivative needs no dual estimate."""


class SumOfParts(DualNorm):
    """The sum of absolute values; at the optimum many differences are exactly zero.

    References
    ----------
    Chan, Golub, Mulet, "A nonlinear primal-dual method for total variation-based image
    restoration", SIAM J. Sci. Comput. 20, 1999, for the curvature ``(1 - u z) / r``.
    """

    _dual: FloatArray | None = None

    def move_to(self, coef: FloatArray, width: float) -> None:
        """Set the point; see :meth:`DualNorm.move_to`."""
        self._difference = self.pairs.difference(coef)
        size = np.abs(self._difference)
        width_of = width * self._unit
        self._rounded = np.sqrt(size**2 + width_of**2)
        self._slope = self._difference / self._rounded
        self.exact = size.sum(axis=1)
        self.value = (size**2 / (self._rounded + width_of)).sum(axis=1)
        self.missing = self.exact - np.einsum("pf,pf->p", self._slope, self._difference)
        if self._dual is None:
            self._dual = self._slope

    def evaluate(self, coef: FloatArray, width: float) -> FloatArray:
        """Return the stand-in; see :meth:`DualNorm.evaluate`."""
        squares = np.square(self.pairs.difference(coef))
        width_of = width * self._unit
        return (squares / (np.sqrt(squares + width_of**2) + width_of)).sum(axis=1)

    def slope(self, weights: FloatArray) -> FloatArray:
        """Return a gradient; see :meth:`DualNorm.slope`."""
        return self.pairs.adjoint(weights[:, None] * self._slope)

    def weigh(self, weights: FloatArray) -> None:
        """Set the weights; see :meth:`DualNorm.weigh`."""
        assert self._dual is not None
        self._bends = weights[:, None] * (1 - self._slope * self._dual) / self._rounded

    def direction(self, coef: FloatArray) -> FloatArray:
        """Return a derivative; see :meth:`DualNorm.direction`."""
        self._step = self.pairs.difference(coef)
        return np.einsum("pf,pf->p", self._slope, self._step)

    def bend(self, coef: FloatArray, slopes: FloatArray) -> FloatArray:
        """Return what bends; see :meth:`DualNorm.bend`."""
        pulls = self._bends * self._step
        pulls += slopes[:, None] * self._slope
        return self.pairs.adjoint(pulls)

    def diagonal(self) -> FloatArray:
        """Return a curvature; see :meth:`DualNorm.diagonal`."""
        return self._bends.T

    def step(self, coef: FloatArray, length: float) -> None:
        """Follow a step; see :meth:`DualNorm.step`."""
        assert self._dual is not None
        step = self.pairs.difference(coef)
        target = (self._difference + step) / self._rounded
        target -= self._dual * self._slope * step / self._rounded
        self._dual = np.clip(self._dual + length * (target - self._dual), -1, 1)


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


DUAL_NORMS: dict[float, type[DualNorm]] = {1: LargestPart, 2: Length, math.inf: SumOfParts}
"""The dual norms, by the order of the norm of the moves."""

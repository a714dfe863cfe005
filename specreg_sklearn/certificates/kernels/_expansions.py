"""Kernels, and how low sums of them can fall within a distance.

For ``f(x) = sum of a_i k(x, s_i) + b`` and a move t of length r, Taylor's formula along the
straight way gives ``f(x + t) >= f(x) - |slope| r - C(r) |t|^2 / 2``, where C(r) bounds how far
below zero the second derivative of f falls on the way. It is local and one-sided: a bound per term,
from its distance to the row and the sign of its weight.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.kernels._curves import (
    Curve,
    Exponential,
    HyperbolicTangent,
    Power,
)
from specreg_sklearn.certificates.moves import row_products

# The largest |second derivative| of tanh is 4 / (3 sqrt(3)).
_TANH_CURVATURE = 0.7698003589195011
_ABOVE = 1 + 1e-12


@dataclass(frozen=True, eq=False)
class Ridges:
    """Kernels around rows as functions of one number that is linear in the move of a row.

    For a move z of the row, and a centre i of weight a_i, the kernel is
    ``weight_i curve(start_i + direction_i @ z) exp(-decay |z|^2)``.

    Attributes
    ----------
    start, weight : ndarray of shape (n_rows, n_centres)
        Where the numbers begin, and how much each term counts.
    direction : ndarray of shape (n_rows or 1, n_centres, n_inputs)
        How they change.
    curve : Curve
        The function.
    decay : float
        How fast all kernels fall with the move.
    """

    start: FloatArray
    weight: FloatArray
    direction: FloatArray
    curve: Curve
    decay: float


class Kernel(ABC):
    """A kernel, with what proofs need of it at rows (n, d) and centres (m, d)."""

    @abstractmethod
    def ridges(self, x: FloatArray, s: FloatArray, weight: FloatArray) -> Ridges:
        """Return the terms of the sums with weights (m,)."""

    @abstractmethod
    def values(self, x: FloatArray, s: FloatArray) -> FloatArray:
        """Return the kernel, (n, m)."""

    @abstractmethod
    def slope(self, x: FloatArray, s: FloatArray, weight: FloatArray) -> FloatArray:
        """Return the gradients (n, d) of the sums with weights (m,)."""

    @abstractmethod
    def curvature(
        self, x: FloatArray, s: FloatArray, weight: FloatArray, reach: FloatArray
    ) -> FloatArray:
        """Return how far second derivatives of the sums fall below zero within a reach, (n,)."""

    @abstractmethod
    def rounding(self, x: FloatArray, s: FloatArray, reach: FloatArray) -> FloatArray:
        """Return how many roundings a kernel value may be off by within a reach, (n, m).

        In units of the unit roundoff.
        """

    @abstractmethod
    def constant(self, x: FloatArray, s: FloatArray, reach: FloatArray) -> FloatArray:
        """Return Lipschitz constants of the kernels within a reach, (n, m)."""


@dataclass(frozen=True)
class RadialKernel(Kernel):
    """The kernel ``exp(-gamma |x - s|^2)``.

    Parameters
    ----------
    gamma : float
        Positive.
    """

    gamma: float

    def ridges(self, x: FloatArray, s: FloatArray, weight: FloatArray) -> Ridges:
        """Take ``|x + z - s|^2`` apart."""
        seen = weight * self.values(x, s)
        towards = 2 * self.gamma * (s[None] - x[:, None, :])
        return Ridges(np.zeros_like(seen), seen, towards, Exponential(), self.gamma)

    def _squares(self, x: FloatArray, s: FloatArray) -> FloatArray:
        return np.asarray(np.square(x[:, None, :] - s[None]).sum(axis=2))

    def values(self, x: FloatArray, s: FloatArray) -> FloatArray:
        return np.asarray(np.exp(-self.gamma * self._squares(x, s)))

    def slope(self, x: FloatArray, s: FloatArray, weight: FloatArray) -> FloatArray:
        pull = -2 * self.gamma * weight * self.values(x, s)
        return np.asarray(pull.sum(axis=1)[:, None] * x - row_products(pull, s))

    def curvature(
        self, x: FloatArray, s: FloatArray, weight: FloatArray, reach: FloatArray
    ) -> FloatArray:
        """Bound each term by what it is nearest to, or farthest from, within the reach."""
        distance, gamma = np.sqrt(self._squares(x, s)), self.gamma
        near = np.maximum(distance - reach[:, None], 0.0)
        far = distance + reach[:, None]
        # Across: the term bends by -2 gamma times its value. Of positive weights that falls.
        across = 2 * gamma * np.exp(-gamma * near * near)

        def along(t: FloatArray) -> FloatArray:
            return np.asarray(2 * gamma * np.exp(-gamma * t * t) * (2 * gamma * t * t - 1))

        # Along: largest at gamma t^2 = 3 / 2, rising before and falling after.
        peak = np.clip(np.sqrt(1.5 / gamma), near, far)
        falls = np.where(weight > 0, weight * across, -weight * np.maximum(along(peak), 0.0))
        return np.asarray(falls.sum(axis=1) * _ABOVE)

    def rounding(self, x: FloatArray, s: FloatArray, reach: FloatArray) -> FloatArray:
        # The exponent z rounds as the squares of rows and centres do, and z exp(-z) < 0.37.
        size = np.linalg.norm(x, axis=1)[:, None] + reach[:, None] + np.linalg.norm(s, axis=1)
        return np.asarray(8 + 4 * (x.shape[1] + 8) * np.minimum(self.gamma * size * size, 1e15))

    def constant(self, x: FloatArray, s: FloatArray, reach: FloatArray) -> FloatArray:
        # The slope is 2 gamma t exp(-gamma t^2), largest at gamma t^2 = 1 / 2.
        return np.full((len(x), len(s)), np.sqrt(2 * self.gamma) * np.exp(-0.5) * _ABOVE)


class _Inner(Kernel):
    """A function of ``z = gamma x @ s + offset``."""

    gamma: float
    offset: float

    @property
    @abstractmethod
    def curve(self) -> Curve:
        """The function of z."""

    def ridges(self, x: FloatArray, s: FloatArray, weight: FloatArray) -> Ridges:
        """Return the terms; their directions are those of the centres for every row."""
        z = self._z(x, s)
        return Ridges(z, np.broadcast_to(weight, z.shape), self.gamma * s[None], self.curve, 0.0)

    def _z(self, x: FloatArray, s: FloatArray) -> FloatArray:
        return np.asarray(self.gamma * row_products(x, s.T) + self.offset)

    def _largest(self, x: FloatArray, s: FloatArray, reach: FloatArray) -> FloatArray:
        """Return the largest |z| within a reach."""
        lengths = np.linalg.norm(s, axis=1)
        return np.asarray(np.abs(self._z(x, s)) + self.gamma * lengths * reach[:, None]) * _ABOVE

    def _size(self, x: FloatArray, s: FloatArray, reach: FloatArray) -> FloatArray:
        """Return what the roundings of z are relative to."""
        longest = np.linalg.norm(x, axis=1) + reach
        return np.asarray(
            self.gamma * longest[:, None] * np.linalg.norm(s, axis=1) + abs(self.offset)
        )


@dataclass(frozen=True)
class PolynomialKernel(_Inner):
    """The kernel ``(gamma x @ s + offset) ** degree``.

    Parameters
    ----------
    gamma, offset : float
        As above.
    degree : int
        At least 1.
    """

    gamma: float
    offset: float
    degree: int

    @property
    def curve(self) -> Curve:
        """The power."""
        return Power(self.degree)

    def values(self, x: FloatArray, s: FloatArray) -> FloatArray:
        return np.asarray(self._z(x, s) ** self.degree)

    def slope(self, x: FloatArray, s: FloatArray, weight: FloatArray) -> FloatArray:
        outer = self.gamma * self.degree * self._z(x, s) ** (self.degree - 1)
        return row_products(weight * outer, s)

    def curvature(
        self, x: FloatArray, s: FloatArray, weight: FloatArray, reach: FloatArray
    ) -> FloatArray:
        """Bound the second derivative on the way by its value at the row and its own change."""
        p, gamma = self.degree, self.gamma
        if p == 1:
            return np.zeros(len(x))
        factor = p * (p - 1) * gamma * gamma
        z = self._z(x, s)
        lengths = np.linalg.norm(s, axis=1)
        bend = factor * weight * z ** (p - 2)
        # At the row: the form sum of bend_i s_i s_i', of which the least eigenvalue counts.
        forms = np.matmul(np.swapaxes(bend[:, :, None] * s, 1, 2), s)
        least = np.linalg.eigvalsh(forms)[:, 0]
        noise = 1e-13 * (np.abs(bend) * lengths**2).sum(axis=1)
        falls = np.maximum(-least, 0.0) + noise
        if p > 2:
            # On the way: how far z ** (p - 2) may be from its value at the row.
            far = self._largest(x, s, reach)
            step = gamma * lengths * reach[:, None]
            change = (p - 2) * far ** (p - 3) * step
            falls = falls + (factor * np.abs(weight) * change * lengths**2).sum(axis=1)
        return np.asarray(falls * _ABOVE)

    def rounding(self, x: FloatArray, s: FloatArray, reach: FloatArray) -> FloatArray:
        size = self._size(x, s, reach)
        return np.asarray(8 * (x.shape[1] + 8 + self.degree) * self.degree * size**self.degree)

    def constant(self, x: FloatArray, s: FloatArray, reach: FloatArray) -> FloatArray:
        far = self._largest(x, s, reach)
        lengths = np.linalg.norm(s, axis=1)
        return np.asarray(self.gamma * self.degree * far ** (self.degree - 1) * lengths * _ABOVE)


@dataclass(frozen=True)
class SigmoidKernel(_Inner):
    """The kernel ``tanh(gamma x @ s + offset)``."""

    @property
    def curve(self) -> Curve:
        """The hyperbolic tangent."""
        return HyperbolicTangent()

    gamma: float
    offset: float

    def values(self, x: FloatArray, s: FloatArray) -> FloatArray:
        return np.asarray(np.tanh(self._z(x, s)))

    def slope(self, x: FloatArray, s: FloatArray, weight: FloatArray) -> FloatArray:
        return row_products(weight * self.gamma * (1 - np.tanh(self._z(x, s)) ** 2), s)

    def curvature(
        self, x: FloatArray, s: FloatArray, weight: FloatArray, reach: FloatArray
    ) -> FloatArray:
        """Bound every second derivative by the largest one of tanh."""
        squares = np.square(s).sum(axis=1)
        total = float((np.abs(weight) * squares).sum()) * self.gamma**2 * _TANH_CURVATURE
        return np.full(len(x), total * _ABOVE)

    def rounding(self, x: FloatArray, s: FloatArray, reach: FloatArray) -> FloatArray:
        return np.asarray(8 + 8 * (x.shape[1] + 8) * self._size(x, s, reach))

    def constant(self, x: FloatArray, s: FloatArray, reach: FloatArray) -> FloatArray:
        lengths = np.linalg.norm(s, axis=1) * self.gamma * _ABOVE
        return np.broadcast_to(lengths, (len(x), len(s)))

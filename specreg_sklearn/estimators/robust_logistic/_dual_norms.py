"""The dual norms of moves in L1, L2 and Linf; two of them are rounded by square roots, here."""

from __future__ import annotations

import math

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.estimators.robust_logistic._dual_norm import DualNorm
from specreg_sklearn.estimators.robust_logistic._largest_part import LargestPart


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


DUAL_NORMS: dict[float, type[DualNorm]] = {1: LargestPart, 2: Length, math.inf: SumOfParts}
"""The dual norms, by the order of the norm of the moves."""

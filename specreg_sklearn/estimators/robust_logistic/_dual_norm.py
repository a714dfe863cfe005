"""Dual norms of differences of coefficients, with rounded kinks.

What a move of size epsilon does to the gap of two logits is epsilon times the dual norm of the
difference of their coefficients. Every norm here comes with what Newton's method needs: a smooth
stand-in, its gradient inside the unit ball of the moves, and a curvature. That curvature is not the
second derivative of the stand-in, which tells of a kink only within the rounded width: a dual
estimate of the gradient is carried along, as in primal-dual interior-point methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.estimators.robust_logistic._class_pairs import ClassPairs


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

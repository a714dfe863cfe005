"""Sums of kernels by Taylor's formula around a row, with the norms of whole derivatives.

Each term is a curve of a number ``u_i = direction_i @ t``, so the derivative of order k of the sum
is the form ``T_k(t, ..., t) = sum of a_ik u_i^k``. Value, slope and the quadratic form count as
they are. Of the others only a bound is known:

    |T_k(t, ..., t)| <= |t|^(k - 1) sqrt(t @ M_k @ t),
    M_k = sum over i, j of a_ik a_jk (direction_i @ direction_j)^(k - 1) direction_i direction_j',

since M_k holds the products of the rows of T_k as a matrix. Terms of both signs cancel in it, where
bounds of one term after the other add up. A square root lies below any of its tangents, which leaves
a quadratic function of the move again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.kernels._curves import Curve

MOST_TERMS = 2500
"""Kernels in a sum up to which derivatives are taken: M_k takes the products of all pairs."""

_MOST_ORDER, _UNIT = 10, 2.0**-53
# Tails that are smaller than this share of the sum need no further order.
_LITTLE = 1e-4


class LowerForm(NamedTuple):
    """A quadratic function ``base + linear @ t + t @ form @ t`` that a sum is not below.

    Parameters
    ----------
    base : float
        Its value at zero.
    linear : ndarray of shape (n_moves,)
        Its slope there.
    form : ndarray of shape (n_moves, n_moves)
        A symmetric matrix.
    size : float
        What the roundings of all that are relative to.
    """

    base: float
    linear: FloatArray
    form: FloatArray
    size: float


class TaylorSum:
    """The sum of one row.

    Parameters
    ----------
    curve : Curve
        The function that all terms share.
    start, weight : ndarray of shape (n_centres,)
        Its arguments at the row, and how much each term counts.
    direction : ndarray of shape (n_centres, n_moves)
        How the arguments change with a move.
    reach : ndarray of shape (n_centres,)
        How far arguments get in the moves that matter: the order is chosen for these.
    """

    def __init__(
        self,
        curve: Curve,
        start: FloatArray,
        weight: FloatArray,
        direction: FloatArray,
        reach: FloatArray,
    ) -> None:
        self.curve, self.start, self.weight, self.direction = curve, start, weight, direction
        terms = weight * curve.taylor(start, _MOST_ORDER)
        self.little = _LITTLE * abs(float(terms[0].sum()))
        self.order = 2
        while not self.is_fine(reach):
            self.order += 1
        self.terms = terms[: self.order + 1]
        self.linear = self.terms[1] @ direction
        self.form = (direction.T * self.terms[2]) @ direction
        self.higher = list(self._higher())

    def is_fine(self, reach: FloatArray) -> bool:
        """Return whether the order is high enough for arguments that get so far."""
        return self.order == _MOST_ORDER or self.tail(reach) <= self.little

    def tail(self, reach: FloatArray) -> float:
        """Return what all terms beyond the order are at most, for arguments that get so far."""
        return float(np.abs(self.weight) @ self.curve.tail(self.start, reach, self.order))

    def _higher(self) -> list[FloatArray]:
        """Return M_k for the orders from 3, rounding included."""
        m, n = self.direction.shape
        gram = self.direction @ self.direction.T
        power, lengths = gram.copy(), np.linalg.norm(self.direction, axis=1)
        out = []
        for k in range(3, self.order + 1):
            power = power * gram
            scaled = self.direction * self.terms[k][:, None]
            matrix = scaled.T @ (power @ scaled)
            size = float(np.abs(self.terms[k]) @ lengths**k)
            noise = 4 * (m + k * (n + 4)) * _UNIT * size * size
            out.append(0.5 * (matrix + matrix.T) + noise * np.eye(n))
        return out

    def below(self, towards: FloatArray, length: float, reach: FloatArray) -> LowerForm:
        """Return a quadratic function below the sum, near it for moves like one of them.

        Parameters
        ----------
        towards : ndarray of shape (n_moves,)
            The move.
        length : float
            How far moves get, in L2.
        reach : ndarray of shape (n_centres,)
            How far arguments get.
        """
        base, form = float(self.terms[0].sum()) - self.tail(reach), self.form
        size = float((np.abs(self.terms[:3]) * reach ** np.arange(3)[:, None]).sum())
        for k, matrix in enumerate(self.higher, start=3):
            # The tangent of a root near zero would be too steep.
            least = 1e-9 * length * float(np.sqrt(np.trace(matrix)))
            root = max(float(np.sqrt(max(float(towards @ matrix @ towards), 0.0))), least)
            if root > 0:
                lost = 0.5 * length ** (k - 1)
                base, size = base - lost * root, size + lost * root
                form = form - (lost / root) * matrix
        return LowerForm(base, self.linear, form, size)

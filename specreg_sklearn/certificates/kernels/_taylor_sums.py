"""Sums of kernels by Taylor's formula around a row, with norms of whole derivatives.

Each term is a curve of a number ``u_i = direction_i @ t``, so the term of order k of the sum is the
form ``T_k(t) = sum of a_ik u_i^k``. Value, slope and the quadratic form count as they are. For the
others, with T_k as a matrix of n^(k - 1) rows, and M_k the product of this matrix with itself,

    |T_k(t)| <= |t|^(k - 1) sqrt(t @ M_k @ t),
    M_k = sum over i, j of a_ik a_jk (direction_i @ direction_j)^(k - 1) direction_i direction_j'.

Terms of both signs cancel in M_k, where bounds of one term after the other would add up: in a table
that is hundreds of times as much. The geometric mean ``|t| sqrt(t @ M_k @ t)`` is no larger than an
arithmetic one, which leaves a quadratic function of the move.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.kernels._curves import Curve

MOST_TERMS = 2000
"""Kernels in a sum up to which this is done: M_k takes the products of all pairs of directions."""

_MOST_ORDER, _UNIT = 10, 2.0**-53
# Tails that are smaller than this share of the sum need no further order.
_LITTLE = 1e-4
# Room for the roundings of the bounds themselves.
_ABOVE = 1 + 1e-12


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
        self.higher = self._higher()

    def is_fine(self, reach: FloatArray) -> bool:
        """Return whether the order is high enough for arguments that get so far."""
        return self.order == _MOST_ORDER or self.tail(reach) <= self.little

    def tail(self, reach: FloatArray) -> float:
        """Return what all terms beyond the order are at most, for arguments that get so far."""
        tails = self.curve.tail(self.start, reach, self.order)
        return float(np.abs(self.weight) @ tails) * _ABOVE

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
        """Return a quadratic function below the sum.

        Parameters
        ----------
        towards : ndarray of shape (n_moves,)
            A move; for those in its direction the means are as small as possible.
        length : float
            How far moves get, in L2.
        reach : ndarray of shape (n_centres,)
            How far arguments get.
        """
        base, form = float(self.terms[0].sum()) - self.tail(reach), self.form
        size = float((np.abs(self.terms[:3]) * reach ** np.arange(3)[:, None]).sum())
        way = towards / max(float(np.linalg.norm(towards)), np.finfo(np.float64).tiny)
        own = np.eye(len(way))
        for k, matrix in enumerate(self.higher, start=3):
            # At least a little, where the other directions would count too much.
            least = 1e-6 * float(np.sqrt(np.trace(matrix)))
            rate = max(float(np.sqrt(max(float(way @ matrix @ way), 0.0))), least)
            if rate > 0:
                lost = 0.5 * length ** (k - 2) * _ABOVE
                form = form - lost * (rate * own + matrix / rate)
        return LowerForm(base, self.linear, form, size)

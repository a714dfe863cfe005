"""Lower bounds of a sum of kernels around rows, and the distance up to which it stays positive."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.kernels._expansions import Kernel
from specreg_sklearn.certificates.moves import ModelRows, largest_radius

_ROWS, _UNIT = 16, 2.0**-53


@dataclass(frozen=True, eq=False)
class Expansion:
    """A function ``sum of weight_i k(x, centre_i) + intercept``.

    Parameters
    ----------
    kernel : Kernel
        The kernel.
    centre : ndarray of shape (n_centres, n_inputs)
        Where it is centred.
    weight : ndarray of shape (n_centres,)
        How much each term counts.
    intercept : float
        What is added.
    size : ndarray of shape (n_centres,)
        What the roundings of each term are relative to: at least the size of its weight.
    """

    kernel: Kernel
    centre: FloatArray
    weight: FloatArray
    intercept: float
    size: FloatArray

    def value(self, x: FloatArray) -> FloatArray:
        """Return the function at rows."""
        return np.concatenate(
            [
                (self.kernel.values(x[i : i + _ROWS], self.centre) * self.weight).sum(axis=1)
                + self.intercept
                for i in range(0, len(x), _ROWS)
            ]
            or [np.zeros(0)]
        )

    def slope(self, x: FloatArray) -> FloatArray:
        """Return its gradients at rows."""
        return np.vstack(
            [
                self.kernel.slope(x[i : i + _ROWS], self.centre, self.weight)
                for i in range(0, len(x), _ROWS)
            ]
            or [np.zeros((0, x.shape[1]))]
        )

    def blur(self, x: FloatArray, reach: FloatArray, unit: float) -> FloatArray:
        """Return how far a model may be off by rounding kernels and their sum.

        Parameters
        ----------
        x : ndarray of shape (n_rows, n_inputs)
            Rows.
        reach : ndarray of shape (n_rows,)
            How far they move, in L2.
        unit : float
            Unit roundoff of the model's arithmetic.
        """
        kernel, s = self.kernel, self.centre
        largest = np.abs(kernel.values(x, s)) + kernel.constant(x, s, reach) * reach[:, None]
        per_term = (len(s) + 8) * np.minimum(largest, 1e300) + kernel.rounding(x, s, reach)
        total = (per_term * self.size).sum(axis=1)
        return np.asarray(2 * unit * (total + 4 * abs(self.intercept)))

    def speed(self, x: FloatArray, reach: FloatArray) -> FloatArray:
        """Return how fast the function changes at most, within a reach of rows, in L2."""
        constant = self.kernel.constant(x, self.centre, reach)
        return np.asarray((constant * np.abs(self.weight)).sum(axis=1))

    def negative(self) -> Expansion:
        """Return the function with the other sign."""
        return replace(self, weight=-self.weight, intercept=-self.intercept)


class Margin:
    """An expansion around rows, within any distance.

    Parameters
    ----------
    expansion : Expansion
        The function.
    rows : ModelRows
        The rows.
    """

    def __init__(self, expansion: Expansion, rows: ModelRows) -> None:
        self.expansion, self.rows = expansion, rows
        self.at = expansion.value(rows.values)
        self.gradient = expansion.slope(rows.values)
        self.rate = rows.rates(self.gradient)

    def lowest(self, radius: FloatArray) -> FloatArray:
        """Return what the function is at least, as the model computes it, within distances."""
        return np.concatenate(
            [
                self._lowest(slice(i, i + _ROWS), radius[i : i + _ROWS])
                for i in range(0, len(radius), _ROWS)
            ]
            or [np.zeros(0)]
        )

    def _lowest(self, part: slice, radius: FloatArray) -> FloatArray:
        rows, expansion = self.rows, self.expansion
        x, kernel, s = rows.values[part], expansion.kernel, expansion.centre
        drift = rows.error[part] + rows.growth * radius
        reach = rows.stretch * radius + drift
        with np.errstate(over="ignore", invalid="ignore"):
            length = rows.stretch * radius
            steepest = np.linalg.norm(self.gradient[part], axis=1)
            fall = self.rate[part] * radius + steepest * drift
            bend = kernel.curvature(x, s, expansion.weight, reach)
            fall = fall + 0.5 * bend * (length + drift) ** 2
            blur = expansion.blur(x, reach, rows.unit) + 64 * (len(s) + x.shape[1]) * _UNIT * fall
            out = self.at[part] - fall - blur
        return np.where(np.isnan(out), -np.inf, out)

    def positive_within(self, narrow: float) -> FloatArray:
        """Return distances within which the function stays positive; 0 where it is not.

        Parameters
        ----------
        narrow : float
            How near they are to the largest that can be told so, relative to them.
        """
        return largest_radius(lambda r: self.lowest(r) > 0, len(self.rows), narrow=narrow)

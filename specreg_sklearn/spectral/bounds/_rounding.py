"""Rounding in float64: results and norms that are rounded up, so that a proof survives it."""

from __future__ import annotations

import math
import sys
from typing import overload

import numpy as np

UNIT_ROUNDOFF = 2.0**-53
# Below the smallest normal number, roundings are no longer relative.
_SMALLEST = sys.float_info.min
_STEP = 2.0**-1074


def gamma(n_operations: int) -> float:
    """Return the relative error that `n_operations` roundings in a row can build up to.

    References
    ----------
    N. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., SIAM 2002, lemma 3.1.
    """
    growth = n_operations * UNIT_ROUNDOFF
    return growth / (1.0 - growth) * (1.0 + 4.0 * UNIT_ROUNDOFF)


def sqrt_above(value: float) -> float:
    """Return an upper bound of the square root of a computed sum of two non-negative numbers."""
    return math.nextafter(math.sqrt(value) * (1.0 + 4.0 * UNIT_ROUNDOFF), math.inf)


def product_above(*factors: float) -> float:
    """Return an upper bound of the product of non-negative numbers."""
    return math.prod(factors) * (1.0 + 4.0 * UNIT_ROUNDOFF * len(factors))


@overload
def above(value: float, n_operations: int = 4) -> float: ...
@overload
def above(value: np.ndarray, n_operations: int = 4) -> np.ndarray: ...
def above(value: float | np.ndarray, n_operations: int = 4) -> float | np.ndarray:
    """Raise a non-negative result of at most `n_operations` roundings above its real value.

    Zero stays zero: it is taken to be exact.
    """
    factor = 1 + 2 * gamma(n_operations)
    if np.ndim(value) == 0:
        return math.nextafter(float(value) * factor, math.inf) if value != 0.0 else 0.0
    raised = np.multiply(value, factor)
    return np.nextafter(raised, np.inf, out=raised, where=np.not_equal(value, 0.0))


def scaled_above(value: float, exponent: int) -> float:
    """Return an upper bound of a non-negative number times ``2 ** exponent``.

    Exact where the result is a normal number, infinity where it is too large, and above zero where
    it is too small.
    """
    try:
        scaled = math.ldexp(value, exponent)
    except OverflowError:
        return math.inf
    return math.nextafter(scaled, math.inf) if 0.0 < value and scaled < _SMALLEST else scaled


def times_all(values: np.ndarray, factor: float, n_operations: int = 1) -> np.ndarray:
    """Return upper bounds of non-negative numbers times a factor, after so many roundings.

    Below the smallest normal number each of them costs half a step of 2**-1074: products of
    positive numbers that come to zero are raised above it, since zero would claim too much.
    """
    with np.errstate(over="ignore"):  # infinity is a bound too
        raised = above(values * factor, n_operations)
    small = (values > 0.0) & (factor > 0.0) & (raised < _SMALLEST)
    return np.add(raised, (n_operations + 4) * _STEP, out=raised, where=small)


def row_norms(matrix: np.ndarray) -> np.ndarray:
    """Return an upper bound of the 2-norm of every row, free of overflow and underflow."""
    if matrix.shape[1] == 0:
        return np.zeros(len(matrix))
    # Dividing by a power of two does not round.
    exponents = np.frexp(np.abs(matrix).max(axis=1))[1]
    scaled = np.ldexp(matrix, -exponents[:, None])
    squares = np.einsum("ij,ij->i", scaled, scaled)
    with np.errstate(over="ignore"):  # infinity is a bound too
        return above(np.ldexp(np.sqrt(squares), exponents), matrix.shape[1] + 4)


def frobenius(matrix: np.ndarray) -> float:
    """Return an upper bound of the Frobenius norm of an array."""
    entries = matrix.ravel(order="K")
    if not len(entries):
        return 0.0
    exponent = int(np.frexp(max(entries.max(), -entries.min()))[1])
    if abs(exponent) > 400:  # squares might leave the range of float64
        entries = np.ldexp(entries, -exponent)
    else:
        exponent = 0
    with np.errstate(over="ignore"):  # infinity is a bound too
        return above(float(np.ldexp(np.sqrt(entries @ entries), exponent)), len(entries) + 4)


def pair_distances(rows: np.ndarray) -> np.ndarray:
    """Return an upper bound of the 2-norm of row j minus row k, for all pairs.

    Differences are formed before they are squared: the usual ``a2 + b2 - 2ab`` cancels.
    """
    distances = np.zeros((len(rows), len(rows)))
    for j in range(len(rows) - 1):
        distances[j, j + 1 :] = above(row_norms(rows[j + 1 :] - rows[j]), 2)
    return distances + distances.T


def times(*factors: float) -> float:
    """Return an upper bound of a product of non-negative constants; ones do not round."""
    if 0.0 in factors:
        return 0.0  # also where another constant overflowed
    left = [factor for factor in factors if factor != 1.0]
    if len(left) == 1:
        return left[0]
    # Factors of size one: no product on the way leaves the range of float64.
    product, exponent = 1.0, 0
    for factor in left:
        mantissa, power = math.frexp(product * math.frexp(factor)[0])
        product, exponent = mantissa, exponent + power + math.frexp(factor)[1]
    return scaled_above(above(product, len(left)) if left else product, exponent)

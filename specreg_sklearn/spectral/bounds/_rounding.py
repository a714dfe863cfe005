"""Constants of float64 arithmetic that the certified bounds share."""

from __future__ import annotations

import math

UNIT_ROUNDOFF = 2.0**-53


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

"""Bounds of boxes in NumPy, from what their leaves cost, are charged and add to the score.

Compiled loops beside this file (`_look_loops`) give the same bits, so sums run in their order. The
steps along tangents stand in both: numba compiles no function that is handed over with its arrays,
and loops over leaves would be too slow here. A test holds the two equal.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.trees.search._boxes import Terms
from specreg_sklearn.certificates.trees.search._constants import MOST_TANGENTS, ROUNDING


def in_order(numbers: FloatArray) -> FloatArray:
    """Return the sum over the last axis, from its first number to its last one."""
    return np.cumsum(numbers, axis=-1)[..., -1]


def by_price(
    terms: Terms,
    value: FloatArray,
    charge: FloatArray,
    begin: IntArray,
    base: float,
    fixed: float,
    pools: float,
    radius: float,
    start: float,
) -> tuple[FloatArray, float, float, float]:
    """Return what leaves pay, the bound, the price of the score, and what lacks to the radius.

    For each price, ``price * target`` plus the smallest ``charge - price * value`` of each tree,
    less the pools, is no larger than the cost beyond the cheapest point. It is concave in the
    price.
    """
    counts = np.diff(np.append(begin, len(value)))

    def at(price: float) -> tuple[float, float]:
        paid = charge - price * value
        least = np.minimum.reduceat(paid, begin)
        picked = np.where(paid <= np.repeat(least, counts), value, -np.inf)
        slope = terms.target - float(in_order(np.maximum.reduceat(picked, begin)))
        return price * terms.target + float(in_order(least)), slope

    best_price, (best, slope) = 0.0, at(0.0)
    left, at_left, rising = 0.0, best, slope
    right, at_right, falling = -1.0, 0.0, 0.0
    guess = start
    for _ in range(MOST_TANGENTS):
        here, slope = at(guess)
        if here > best:
            best_price, best = guess, here
        if base + (best - fixed) >= radius:
            break
        if slope > 0:
            left, at_left, rising = guess, here, slope
        else:
            right, at_right, falling = guess, here, slope
        if right < 0:
            guess = 4.0 * guess
            continue
        if not rising > falling:
            break
        crossing = (at_right - at_left + rising * left - falling * right) / (rising - falling)
        highest = at_left + rising * (crossing - left)
        if highest <= best + 1e-9 * abs(best) or not left < crossing < right:
            break
        guess = crossing
    paid = charge - best_price * value
    least = np.abs(np.minimum.reduceat(paid, begin))
    size = abs(best_price * terms.target) + float(in_order(least)) + (base + pools)
    gained = (best - fixed) - (terms.margin + ROUNDING * size)
    return paid, base + max(gained, 0.0), best_price, radius - (base + gained)


def by_radius(
    terms: Terms,
    value: FloatArray,
    charge: FloatArray,
    begin: IntArray,
    cost: FloatArray,
    base: float,
    fixed: float,
    pools: float,
    radius: float,
    levels: FloatArray,
) -> tuple[FloatArray, float, FloatArray, float]:
    """Return what leaves pay, the bound, the least of each tree, and what these have to spare.

    The bound is the smallest cost at which leaves no dearer reach the target.
    """
    paid, needed = charge - value, terms.target - (terms.margin + ROUNDING * pools)
    least = np.minimum.reduceat(paid, begin)
    spare = (fixed - float(in_order(least))) - needed
    if spare < 0:
        return paid, radius, least, spare
    low, high = 0, len(levels)
    while low < high:
        middle = (low + high) // 2
        within = np.where(cost <= levels[middle], paid, np.inf)
        total = float(in_order(np.minimum.reduceat(within, begin)))
        if fixed - total >= needed:
            high = middle
        else:
            low = middle + 1
    key = radius if low == len(levels) else max(float(levels[low]), base)
    return paid, key, least, spare

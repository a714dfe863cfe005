"""A count out of so many, with the interval that chance leaves.

``metrics`` has these intervals, too, but loads attacks and scipy's distributions. Whoever verifies
a report needs neither, and should not have to trust the code that wrote it: the few lines stand
here again, and a test holds both to the same numbers.
"""

from __future__ import annotations

import math
from typing import Any

CONFIDENCE = 0.95
_Z = 1.959963984540054  # the normal quantile of 97.5 %


def share_of(count: int, of: int) -> dict[str, Any]:
    """Return a share as plain data: its count, the number of rows, and a 95 % interval.

    The interval is that of Wilson (1927), which covers also where the share is near 0 or 1. It is
    about the population that the rows were drawn from.
    """
    low, high = wilson(count, of)
    return {
        "count": count,
        "of": of,
        "share": count / of if of else None,
        "interval": [low, high] if of else None,
    }


def percent(share: float) -> str:
    """Return a share in percent, without the sign; what is not all or nothing does not look so."""
    value = 100 * share
    if 0 < value < 0.5 or 99.5 <= value < 100:
        return f"{min(max(value, 0.1), 99.9):.1f}"
    return f"{value:.0f}"


def wilson(count: int, of: int) -> tuple[float, float]:
    """Return the ends of the 95 % score interval of a share."""
    if not of:
        return 0.0, 1.0
    p, z2 = count / of, _Z**2
    middle = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z * math.sqrt(p * (1 - p) / of + z2 / (4 * of**2)) / (1 + z2 / of)
    # At the ends of the scale rounding must not leave out the share itself.
    low = 0.0 if count == 0 else max(0.0, middle - half)
    return low, 1.0 if count == of else min(1.0, middle + half)

"""Where two pieces of plain data differ, by place."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import TypeGuard


def differences(
    stated: object, found: object, place: str, tolerance: float
) -> Iterator[tuple[str, str]]:
    """Yield places at which what is stated is not what was found, and what was found there.

    Numbers may differ by `tolerance`, relative to the larger one.
    """
    if isinstance(stated, dict) and isinstance(found, dict):
        for key in found:
            if key not in stated:
                yield f"{place}.{key}", "is missing"
            else:
                yield from differences(stated[key], found[key], f"{place}.{key}", tolerance)
        yield from ((f"{place}.{key}", "does not belong there") for key in stated.keys() - found)
    elif isinstance(stated, list) and isinstance(found, list):
        if len(stated) != len(found):
            yield place, f"has {len(stated)} entries; found {len(found)}"
            return
        for i, (one, other) in enumerate(zip(stated, found, strict=True)):
            yield from differences(one, other, f"{place}[{i}]", tolerance)
    elif not same_value(stated, found, tolerance):
        yield place, f"is {_short(stated)}; found {_short(found)}"


def same_value(one: object, other: object, tolerance: float) -> bool:
    """Return whether two values are equal, numbers up to a relative difference.

    Below the smallest normal number there are too few digits for one.
    """
    if is_number(one) and is_number(other):
        # Infinity is within any share of itself.
        near = math.isfinite(one) and math.isfinite(other)
        share = tolerance * max(abs(one), abs(other))
        return one == other or (near and abs(one - other) <= max(share, sys.float_info.min))
    return type(one) is type(other) and bool(one == other)


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a number; True and False are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

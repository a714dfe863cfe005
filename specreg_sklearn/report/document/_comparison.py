"""Two models on the same rows: who withstands where the other does not."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

_Z = 1.959963984540054  # the normal quantile of 97.5 %


def comparisons(models: list[dict[str, Any]], eps: float) -> list[dict[str, Any]]:
    """Return one record for each pair of models, on rows that both were measured on.

    A row counts for a model if it is right and no row within `eps` is known that the model gets
    wrong. `p_value` is that of McNemar's exact test of the rows on which the two differ, two-sided
    and in its mid-p form (Fagerland, Lydersen, Laake 2013), and `interval` the 95 % interval of
    Bonett and Price (2012) for paired differences.
    """
    return [_pair(one, other, eps) for one, other in combinations(models, 2)]


def _pair(one: dict[str, Any], other: dict[str, Any], eps: float) -> dict[str, Any]:
    mine, theirs = ([withstands(row, eps) for row in model["rows"]] for model in (one, other))
    only_one = sum(a and not b for a, b in zip(mine, theirs, strict=True))
    only_other = sum(b and not a for a, b in zip(mine, theirs, strict=True))
    n = len(mine)
    return {
        "first": one["name"],
        "second": other["name"],
        "n_rows": n,
        "only_first_withstands": only_one,
        "only_second_withstands": only_other,
        "difference": (only_one - only_other) / n,
        "interval": _interval(only_one, only_other, n),
        "p_value": _mid_p(only_one, only_other),
    }


def withstands(row: dict[str, Any], eps: float) -> bool:
    """Return whether a row is right, and stays so within `eps` as far as is known."""
    right = row["status"] != "already_wrong"
    return right and (eps == 0 or row["upper"] is None or row["upper"] > eps)


def holds(row: dict[str, Any], eps: float) -> bool:
    """Return whether a row is right and proved to stay so within `eps`."""
    right = row["status"] != "already_wrong"
    return right and (eps == 0 or row["lower"] is None or row["lower"] > eps)


def _interval(only_one: int, only_other: int, n: int) -> list[float]:
    # One row more for each kind of disagreement: without it no disagreement would mean certainty.
    a, b = (only_one + 1) / (n + 2), (only_other + 1) / (n + 2)
    half = _Z * math.sqrt((a + b - (a - b) ** 2) / (n + 2))
    return [max(a - b - half, -1.0), min(a - b + half, 1.0)]


def _mid_p(only_one: int, only_other: int) -> float:
    if only_one == only_other:
        return 1.0
    n, least = only_one + only_other, min(only_one, only_other)
    ways = [math.comb(n, k) for k in range(least + 1)]
    # Outcomes as likely as the observed one count half, on both sides.
    return min(1.0, (2 * sum(ways) - ways[-1]) / 2**n)

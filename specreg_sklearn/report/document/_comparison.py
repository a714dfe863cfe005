"""Two models on the same rows: who withstands where the other does not."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

_Z = 1.959963984540054


def comparisons(models: list[dict[str, Any]], eps: float) -> list[dict[str, Any]]:
    """Return one record for each pair of models, on rows that both were measured on.

    A row counts for a model if it is right and no row within `eps` is known that the model gets
    wrong. `p_value` is that of the exact two-sided test of McNemar (1947) of the rows on which the
    two differ, and `interval` the 95 % interval of Agresti and Min (2005) for paired differences.
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
        "p_value": _mcnemar(only_one, only_other),
    }


def withstands(row: dict[str, Any], eps: float) -> bool:
    """Return whether a row is right, and stays so within `eps` as far as is known."""
    right = row["status"] != "already_wrong"
    return right and (eps == 0 or row["upper"] is None or row["upper"] > eps)


def holds(row: dict[str, Any], eps: float) -> bool:
    """Return whether a row is right and proved to stay so within `eps`."""
    right = row["status"] != "already_wrong"
    return right and (eps == 0 or row["lower"] is None or row["lower"] > eps)


def _interval(b: int, c: int, n: int) -> list[float]:
    b_, c_, n_ = b + 0.5, c + 0.5, n + 2
    middle = (b_ - c_) / n_
    half = _Z * math.sqrt(b_ + c_ - (b_ - c_) ** 2 / n_) / n_
    return [max(-1.0, middle - half), min(1.0, middle + half)]


def _mcnemar(b: int, c: int) -> float:
    n = b + c
    tail: float = sum(math.comb(n, k) for k in range(min(b, c) + 1)) / 2**n
    return min(1.0, 2 * tail)

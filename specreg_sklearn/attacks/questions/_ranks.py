"""Ranking entries that belong to rows: every function works on all rows at once."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray


def nearest_by_group(
    owner: IntArray, group: IntArray, distance: FloatArray, keep: IntArray | int
) -> BoolArray:
    """Mark the best entries of each owner: the best of every group first, then the second best.

    `owner` and `group` (the class of a start) hold whole numbers, one per entry. A smaller distance
    is better, and entries at ``inf`` are never marked; at most `keep` of an owner are.
    """
    tier = rank_within((group, owner), distance)
    rank = rank_within((owner,), distance, tier)
    return (rank < keep) & np.isfinite(distance)


def rank_within(keys: tuple[np.ndarray, ...], *values: np.ndarray) -> IntArray:
    """Return each entry's place among those of equal keys; the last of `values` counts first."""
    order = np.lexsort((*values, *keys))
    fresh = np.zeros(len(order), dtype=bool)
    fresh[:1] = True
    for key in keys:
        fresh[1:] |= key[order][1:] != key[order][:-1]
    index = np.arange(len(order))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = index - np.maximum.accumulate(np.where(fresh, index, 0))
    return place

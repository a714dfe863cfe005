"""Ranking entries that belong to rows: every function works on all rows at once."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray


def nearest_by_group(
    owner: IntArray, group: IntArray, distance: FloatArray, keep: IntArray | int
) -> BoolArray:
    """Mark the best entries of each owner: the best of every group first, then the second best.

    Parameters
    ----------
    owner, group : ndarray of shape (m,), int
        Whose entry it is, and the group (the class of a start) it belongs to.
    distance : ndarray of shape (m,)
        Smaller is better; entries at ``inf`` are never marked.
    keep : int or ndarray of shape (m,)
        How many entries of an owner are marked at most.

    Returns
    -------
    ndarray of shape (m,), bool
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


def best_of_owner(owner: IntArray, distance: FloatArray, n: int) -> FloatArray:
    """Return, for each entry, the smallest distance among the entries of its owner."""
    best = np.full(n, np.inf)
    np.minimum.at(best, owner, distance)
    return best[owner]

"""Ranking entries that belong to rows, of all rows at once."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import IntArray


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

"""The best entries of each row, of every group in turn; all rows at once."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.tables import rank_within


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

"""Some of the rows of X: by position, or a few that stand for all."""

from __future__ import annotations

import sys
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse

from specreg_sklearn._typing import MaxSamples, RandomState
from specreg_sklearn.tables._labels import as_targets
from specreg_sklearn.tables._setting_checks import check_seed
from specreg_sklearn.tables.containers import (
    as_numpy,
    as_table,
    dispatches_to,
    frame_of,
    in_library_of,
)

# Differences of labels up to which they are counted rather than sorted: numpy sorts 16 bits by
# counting, too.
_COUNTED = 2**16

# Classes up to which looking for each is faster than sorting.
_LOOKED_FOR = 16

# Rows beyond which none are shuffled that are not taken.
_SHUFFLED = 2**17

DEFAULT_MAX_SAMPLES = 100
"""Rows that a share is measured on by default: its standard error is at most 0.05."""


def check_max_samples(max_samples: object) -> int | None:
    """Return how many rows are measured at most; None, or "all", is all of them."""
    if max_samples is None or (isinstance(max_samples, str) and max_samples == "all"):
        return None
    is_flag = isinstance(max_samples, bool)
    if is_flag or not isinstance(max_samples, Integral) or int(max_samples) < 1:
        raise ValueError(
            f"max_samples={max_samples!r} is not accepted; give an integer >= 1, or 'all' to "
            "measure every row (None means the same)."
        )
    return int(max_samples)


def subsample(
    X: Any, y: Any, max_samples: MaxSamples, random_state: RandomState
) -> tuple[Any, np.ndarray]:
    """Return at most `max_samples` rows, in the container of `X`, and their labels, in their order.

    They are stratified by label. The choice depends on `y` and the seed only, so every model is
    measured on the same rows. "all" and None keep all rows.
    """
    labels = as_targets(y, as_table(X).n_rows)
    chosen = sampled_rows(labels, max_samples, random_state)
    return (X if len(chosen) == len(labels) else take_rows(X, chosen)), labels[chosen]


def sampled_rows(
    labels: np.ndarray, max_samples: MaxSamples, random_state: RandomState
) -> np.ndarray:
    """Return the positions of the rows that :func:`subsample` takes."""
    most = check_max_samples(max_samples)
    if most is None or most >= len(labels):
        return np.arange(len(labels))
    strata, _ = _strata(labels)
    return np.sort(_spread(strata, most, check_seed(random_state)))


LEAST_OF_CLASS = 10
"""Rows of each class that :func:`stratified_rows` takes, where there are as many."""


def stratified_rows(
    labels: np.ndarray, max_samples: MaxSamples, random_state: RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of at most `max_samples` rows, and what each of them stands for.

    Each class has its share, as in :func:`sampled_rows`, but at least `LEAST_OF_CLASS` rows, or as
    many as it has; fewer if that would take more than half of all rows, and one at the very least,
    unless there are more classes than rows. A row of a class that has more than its share counts
    less, and the others more, so that weighted means stay unbiased: each counts as many rows as it
    stands for, as in the estimator of Horvitz and Thompson (1952). The mean weight is 1, and all
    are 1 where each class has its share anyway.
    """
    most, n = check_max_samples(max_samples), len(labels)
    if most is None or most >= n:
        return np.arange(n), np.ones(n)
    strata, counts = _strata(labels)
    quota = _quota_of_rare_classes(counts, most)
    seed = check_seed(random_state)
    if not quota.any():
        return np.sort(_spread(strata, most, seed)), np.ones(most)
    rng = np.random.default_rng(seed)
    shuffled = None if n > _SHUFFLED else _shuffled(n, rng)
    weight = np.zeros(n)
    for code in np.flatnonzero(quota).tolist():
        if shuffled is None:
            mine = _some(np.flatnonzero(strata == code), quota[code], rng)
        else:
            mine = shuffled[strata[shuffled] == code][: quota[code]]
        weight[mine] = counts[code] / quota[code]
    others = np.flatnonzero(quota[strata] == 0)
    size = most - int(quota.sum())
    if len(others):
        weight[others[_spread(strata[others], size, seed)]] = len(others) / size
    places = np.flatnonzero(weight)
    return places, weight[places] * (len(places) / n)


def _strata(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the class of each row, numbered in the order of the labels, and how many rows it has.

    Labels that are small whole numbers are counted, which takes a tenth of the time of sorting.
    """
    if labels.dtype.kind in "biu" and len(labels):
        low, high = int(labels.min()), int(labels.max())
        if high - low < _COUNTED:
            # In int64 no difference of such labels is too large, and unsigned ones cannot wrap.
            place = labels.astype(np.int64) - low if high < 2**63 else (labels - low).astype(int)
            counts = np.bincount(place)
            if counts.all():
                return place, counts
            known = np.flatnonzero(counts)
            number = np.zeros(len(counts), dtype=np.uint16)
            number[known] = np.arange(len(known))
            return number[place], counts[known]
    _, strata, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return strata, counts


def _quota_of_rare_classes(counts: np.ndarray, size: int) -> np.ndarray:
    """Return how many rows to take of classes that would have too few; 0 for all others."""
    k = len(counts)
    least = 0 if size < k else max(1, min(LEAST_OF_CLASS, size // (2 * k)))
    quota = np.zeros(k, dtype=int)
    while True:
        # Rows for rare classes are taken from the others, which may become rare themselves.
        rest = quota == 0
        share = (size - quota.sum()) * counts / max(counts[rest].sum(), 1)
        rare = rest & (share < least) & (share < counts)
        if not rare.any():
            return quota
        quota[rare] = np.minimum(counts[rare], least)


def take_rows(X: Any, rows: np.ndarray) -> Any:
    """Return some rows of `X` in the container of `X`."""
    nothing = np.empty((len(rows), 0))
    return as_table(X).write(rows, np.empty(0, dtype=int), nothing, nothing.astype(bool))


def replace_rows(container: Any, where: np.ndarray, rows: Any) -> Any:
    """Return a container whose rows are those of another one where `where` says so.

    `rows` holds as many rows as `where` has True, in the container of `container`, which may be
    written to.
    """
    pd, pl = sys.modules.get("pandas"), sys.modules.get("polars")
    place = np.where(where, len(where) + np.cumsum(where) - 1, np.arange(len(where)))
    if pl is not None and isinstance(container, pl.DataFrame):
        return pl.concat([container, rows])[place]
    if pd is not None and isinstance(container, pd.DataFrame):
        columns = []
        for j in range(container.shape[1]):
            column, repaired = container.iloc[:, j].array, rows.iloc[:, j].array
            # Not by assignment: sparse columns know none.
            columns.append(type(column)._concat_same_type([column, repaired]).take(place))
        return frame_of(columns, container.index, container)
    if isinstance(container, list):
        repaired = iter(rows)
        return [next(repaired) if w else row for w, row in zip(where, container, strict=True)]
    if sparse.issparse(container):
        return type(container)(sparse.vstack([container, rows], format="csr")[place])
    if dispatches_to(container):
        written = as_numpy(container).copy()
        written[where] = as_numpy(rows)
        return in_library_of(container, written)
    container[where] = rows
    return container


def _shuffled(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return the numbers below `n` in random order."""
    # In 32 bits they stay in the cache of a processor for longer, in the same order.
    return rng.permutation(np.arange(n, dtype=np.int32 if n < 2**31 else np.int64))


def _spread(strata: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Take evenly spaced rows from the shuffled classes, laid end to end.

    Each class gets its share, rounded up or down; unlike a stratified split this works for any
    class size.
    """
    rng, n = np.random.default_rng(seed), len(strata)
    counts = np.bincount(strata)
    is_long = n > _SHUFFLED and len(counts) <= _LOOKED_FOR
    shuffled = None if is_long else _shuffled(n, rng)
    chosen = np.floor((np.arange(size) + rng.random()) * n / size).astype(int)
    if shuffled is not None:
        by_class = _places_by_class(strata[shuffled])
        return shuffled[by_class[chosen]].astype(int)
    sizes = np.diff(np.searchsorted(chosen, np.cumsum(counts)), prepend=0)
    return np.concatenate(
        [_some(np.flatnonzero(strata == c), k, rng) for c, k in enumerate(sizes.tolist()) if k]
    )


def _some(places: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return as many of the places, drawn at random."""
    return places[rng.choice(len(places), size, replace=False, shuffle=False)]


def _places_by_class(strata: np.ndarray) -> np.ndarray:
    """Return what a stable sort of classes, numbered from 0, gives; fast for a few classes."""
    k = int(strata.max()) + 1
    if k > _LOOKED_FOR:
        return np.argsort(strata, kind="stable")
    return np.concatenate([np.flatnonzero(strata == code) for code in range(k)])

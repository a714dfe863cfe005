"""Where a search begins: adversarial points given by the user, taken from data, or from noise.

Noise alone is a poor start on tables. On the breast cancer data it fails for about half of the
rows, at any budget, and each failure looks like robustness. Rows of real data that the model puts
into another class are nearly always available, and taking one of *every* other class keeps the
search out of the basin of a single wrong class.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.questions._oracle import Oracle
from specreg_sklearn.attacks.questions._random import noise_stream, pool_order
from specreg_sklearn.attacks.questions._start_pool import StartPoints, StartPool

NOISE_TRIES = 100
_TRIES_AT_ONCE = 10
# Blocks of data that are tried between two blocks of noise. Fixed counts, so that a longer run
# begins as a shorter one does.
_DATA_PER_NOISE = 4


def find_starts(
    oracle: Oracle,
    pool: StartPool,
    *,
    seed: int,
    given: FloatArray | None,
    n_data_starts: int,
    known: FloatArray | None = None,
) -> StartPoints:
    """Return the starts of all rows: what the user gave, else data, and noise as a last try.

    `given` are the user's own, as coordinates of shape (n, n_starts, d). Else each row starts from
    `n_data_starts` rows of data; 0 leaves noise only. Rows that these do not serve try rows from
    all over the pool, and noise in between, until one fools the model. Rows of which a point in
    `known`, (n, d), has fooled the model start there, and ask nothing; NaN stands for none.
    """
    rows = np.arange(len(oracle.labels))
    found = [no_starts(len(oracle.rows.columns))]
    if known is not None:
        there = np.flatnonzero(~np.isnan(known).any(axis=1))
        oracle.remember(known[there], there)
        found.append((known[there], there, np.zeros(len(there), dtype=np.int64)))
        rows = _lacking(oracle)
    if given is not None:
        owner = np.repeat(rows, given.shape[1])
        points = given[rows].reshape(len(owner), -1)
        found.append(_accepted(oracle, points, owner, np.zeros(len(owner), dtype=np.int64)))
    elif n_data_starts:
        found.append(data_starts(oracle, pool, rows, n_starts=n_data_starts))
    n_pool = len(pool.codes) if given is None and n_data_starts else 0
    other_data = pool_order(seed, n_pool)
    n_blocks = -(-len(other_data) // _TRIES_AT_ONCE)
    lo, hi = oracle.rows.finite_box(pool.reach)
    rng = partial(noise_stream, seed)
    for turn in range(max(-(-n_blocks // _DATA_PER_NOISE), NOISE_TRIES // _TRIES_AT_ONCE)):
        lacking = _lacking(oracle)
        lacking = lacking[oracle.left(lacking) > 0]
        if not len(lacking):
            break
        begin = turn * _DATA_PER_NOISE * _TRIES_AT_ONCE
        order = other_data[begin : begin + _DATA_PER_NOISE * _TRIES_AT_ONCE]
        found.append(_other_data_starts(oracle, pool, lacking, order))
        if turn < NOISE_TRIES // _TRIES_AT_ONCE:
            found.append(noise_starts(oracle, lo, hi, _lacking(oracle), rng, turn, turn + 1))
    return _joined(found)


def _lacking(oracle: Oracle) -> IntArray:
    return np.flatnonzero(np.isinf(oracle.best_distance))


def no_starts(d: int) -> StartPoints:
    """Return no points of d coordinates."""
    return np.empty((0, d)), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)


def _joined(found: list[StartPoints]) -> StartPoints:
    points, owner, group = (np.concatenate(part) for part in zip(*found, strict=True))
    return points, owner, group


def data_starts(
    oracle: Oracle, pool: StartPool, attacked: IntArray, *, n_starts: int
) -> StartPoints:
    """Return adversarial starts taken from the pool, as (points, owners, groups).

    Candidates are clipped to each row's box, take over its immutable cells and are asked again;
    only those the model still gets wrong are kept.
    """
    rows = oracle.rows
    points, owner, group = pool.nearest(
        rows.x[attacked], rows.missing[attacked], oracle.labels[attacked], n_starts, oracle.targeted
    )
    return _accepted(oracle, points, attacked[owner], group)


def _other_data_starts(
    oracle: Oracle, pool: StartPool, attacked: IntArray, order: IntArray
) -> StartPoints:
    """Return starts for rows that the nearest rows of data did not serve.

    A candidate takes over the cells that cannot change, and the nearest rows are those that least
    survive this. So rows from all over the pool are tried in the given order, block by block, until
    one of them fools the model.
    """
    found = [no_starts(pool.x.shape[1])]
    for begin in range(0, len(order), _TRIES_AT_ONCE):
        if not len(attacked):
            break
        candidates = order[begin : begin + _TRIES_AT_ONCE]
        wanted = (oracle.labels[attacked][:, None] == pool.codes[candidates]) == oracle.targeted
        row, place = np.nonzero(wanted)
        owner, chosen = attacked[row], candidates[place]
        points = pool.filled(oracle.rows.x, oracle.rows.missing, owner, chosen)
        found.append(_accepted(oracle, points, owner, pool.codes[chosen]))
        attacked = np.setdiff1d(attacked, found[-1][1])
    return _joined(found)


def _accepted(oracle: Oracle, points: FloatArray, owner: IntArray, group: IntArray) -> StartPoints:
    """Clip candidates to their rows' boxes and return those that fool the model."""
    points = oracle.rows.clip(points, owner)
    fooled = oracle.decide(points, owner)
    return points[fooled], owner[fooled], group[fooled]


def noise_starts(
    oracle: Oracle,
    lo: FloatArray,
    hi: FloatArray,
    attacked: IntArray,
    rng: Callable[[int], np.random.Generator],
    first: int = 0,
    last: int = NOISE_TRIES // _TRIES_AT_ONCE,
) -> StartPoints:
    """Return adversarial starts drawn evenly from each row's box, as (points, owners, groups).

    They are drawn in blocks, of which those from `first` up to `last` are tried. All rows share
    the same draws, and a row stops asking as soon as one of its blocks holds a success.
    """
    found = [no_starts(lo.shape[1])]
    for block in range(first, last):
        if not len(attacked):
            break
        share = rng(block).random((_TRIES_AT_ONCE, lo.shape[1]))
        owner = np.repeat(attacked, _TRIES_AT_ONCE)
        width = (hi - lo)[owner]
        Z = lo[owner] + np.tile(share, (len(attacked), 1)) * width
        fooled = oracle.decide(Z, owner)
        owner = owner[fooled]
        found.append((Z[fooled], owner, np.zeros(len(owner), dtype=np.int64)))
        attacked = np.setdiff1d(attacked, owner)
    return _joined(found)

"""All randomness of an attack: keyed by the seed and a counter, and by nothing else.

No row number, no block size and no outcome feeds a stream, so what a row draws does not depend on
which other rows are attacked, nor on which worker does it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray

# Keeps the draws of a search apart from those of the starts.
_SEARCH_STREAM, _NOISE_STREAM, _POOL_STREAM = 0, 1, 2
# Directions up to this many numbers are kept for the next run of the same seed.
_SMALL = 2**14


def stream(seed: int, iteration: int) -> np.random.Generator:
    """Return the generator of a search iteration: keyed by seed and iteration, nothing else."""
    return np.random.default_rng(np.random.SeedSequence((seed, iteration, _SEARCH_STREAM)))


def noise_stream(seed: int, block: int) -> np.random.Generator:
    """Return the generator of a block of noise starts."""
    return np.random.default_rng(np.random.SeedSequence((seed, block, _NOISE_STREAM)))


@lru_cache(maxsize=4)
def pool_order(seed: int, n: int) -> IntArray:
    """Return the rows of a pool in an order of chance, the same for all clean rows; read-only."""
    key = np.random.SeedSequence((seed, 0, _POOL_STREAM))
    order = np.random.default_rng(key).permutation(n)
    order.flags.writeable = False
    return order


def orthonormal_directions(seed: int, key: int, begin: int, n: int, d: int) -> FloatArray:
    """Return n unit directions, of shape (n, d), out of an endless sequence of bases; read-only.

    The sequence of a `key` is one orthonormal basis after the other; `begin` directions of it have
    been used. Orthogonal directions never repeat what another one has asked: the normal that they
    give needs about half the queries of Gaussian ones. They depend on the arguments only.
    """
    return (_few if n * d <= _SMALL else _many)(seed, key, begin, n, d)


def _draw(seed: int, key: int, begin: int, n: int, d: int) -> FloatArray:
    first, last = begin // d, (begin + n - 1) // d
    bases = [_basis(seed, key + k, d) for k in range(first, last + 1)]
    inside = slice(begin - first * d, begin - first * d + n)
    directions = np.concatenate(bases)[inside].copy()
    directions.flags.writeable = False
    return directions


@lru_cache(maxsize=4)
def _basis(seed: int, iteration: int, d: int) -> FloatArray:
    square = stream(seed, iteration).normal(size=(d, d))
    return np.linalg.qr(square)[0].T


# All rows, workers and candidates of a search share the directions of a seed.
_few = lru_cache(maxsize=512)(_draw)
_many = lru_cache(maxsize=4)(_draw)

"""All randomness of an attack: keyed by the seed and a counter, and by nothing else.

No row number, no block size and no outcome feeds a stream, so what a row draws does not depend on
which other rows are attacked, nor on which worker does it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.fft import idct

from specreg_sklearn._typing import FloatArray, IntArray

# Keeps the draws of a search apart from those of the starts.
_SEARCH_STREAM, _NOISE_STREAM, _POOL_STREAM, _BASIS_STREAM = 0, 1, 2, 3
# Directions up to this many numbers are kept for the next run of the same seed.
_SMALL = 2**15
# Columns up to which a whole basis is drawn at once.
_MOST_SQUARE = 1024


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


def orthonormal_directions(seed: int, iteration: int, n: int, d: int) -> FloatArray:
    """Return n unit directions, of shape (n, d), in blocks of orthogonal ones; read-only.

    Orthogonal directions never repeat what another one has asked: the normal that they give needs
    about half the queries of Gaussian ones. They depend on the arguments only.
    """
    return (_few if n * d <= _SMALL else _many)(seed, iteration, n, d)


def _draw(seed: int, iteration: int, n: int, d: int) -> FloatArray:
    blocks = stream(seed, iteration).normal(size=(-(-n // d), d, min(n, d)))
    bases, _ = np.linalg.qr(blocks)
    return _read_only(bases.transpose(0, 2, 1).reshape(-1, d)[:n].copy())


# All rows, workers and candidates of a search share the directions of a seed.
_few = lru_cache(maxsize=256)(_draw)
_many = lru_cache(maxsize=4)(_draw)


def basis_directions(seed: int, key: int, begin: int, n: int, d: int) -> FloatArray:
    """Return n unit directions, of shape (n, d), out of an endless sequence of bases; read-only.

    The sequence of a `key` is one orthonormal basis after the other, of which the first `begin`
    directions are skipped: whoever goes on where it stopped asks in orthogonal directions even if
    it asks about a part of a basis at a time.
    """
    return (_few_parts if n * d <= _SMALL else _many_parts)(seed, key, begin, n, d)


def _parts(seed: int, key: int, begin: int, n: int, d: int) -> FloatArray:
    found = []
    for number in range(begin // d, -(-(begin + n) // d)):
        first, last = max(begin - number * d, 0), min(begin + n - number * d, d)
        if d <= _MOST_SQUARE:
            found.append(_basis(seed, key, number, d)[first:last])
        else:
            found.append(_fast_basis(seed, key, number, first, last, d))
    return _read_only(np.concatenate(found))


@lru_cache(maxsize=4)
def _basis(seed: int, key: int, number: int, d: int) -> FloatArray:
    square = _basis_stream(seed, key, number).normal(size=(d, d))
    return np.linalg.qr(square)[0].T


def _fast_basis(seed: int, key: int, number: int, first: int, last: int, d: int) -> FloatArray:
    """Return some directions of a basis that is too large to be drawn entry by entry.

    Cosine transforms and signs by chance in turn take unit vectors to directions that look like
    those of a random basis.
    """
    signs = _basis_stream(seed, key, number).choice([-1.0, 1.0], size=(2, d))
    units = np.zeros((last - first, d))
    units[np.arange(last - first), np.arange(first, last)] = 1.0
    for sign in signs:
        units = idct(units, norm="ortho") * sign
    return np.asarray(idct(units, norm="ortho"))


def _basis_stream(seed: int, key: int, number: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence((seed, key, number, _BASIS_STREAM)))


def _read_only(directions: FloatArray) -> FloatArray:
    directions.flags.writeable = False
    return directions


_few_parts = lru_cache(maxsize=256)(_parts)
_many_parts = lru_cache(maxsize=4)(_parts)

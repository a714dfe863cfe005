"""Toy problems in the plane, for pictures and quick experiments."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state

from specreg_sklearn._typing import FloatArray, IntArray, RandomState


def make_noisy_xor(
    n_samples: int = 80, *, std: float = 0.2, random_state: RandomState = None
) -> tuple[FloatArray, IntArray]:
    """Draw four clouds at the corners of a square; opposite corners share a class.

    Parameters
    ----------
    n_samples : int, default=80
        Number of rows. The clouds differ by at most one row.
    std : float, default=0.2
        Standard deviation of each cloud, in each coordinate; 0 gives the corners themselves.
    random_state : int, RandomState, Generator or None, default=None
        Where the draws come from; an int gives the same rows at every call. None draws new ones,
        and leaves numpy's global generator alone.

    Returns
    -------
    X : ndarray of shape (n_samples, 2), float64
        Gaussian rows around (1, 1), (1, -1), (-1, 1) and (-1, -1).
    y : ndarray of shape (n_samples,), int64
        1 where the coordinates of the row's corner have different signs, else 0.

    Raises
    ------
    ValueError
        If `n_samples` is not a positive whole number or `std` is negative or not finite.

    Notes
    -----
    The label belongs to the corner, not to the row: a row that falls into a neighbouring quadrant
    (with `std` 0.2, about one in 10^6) keeps the label of its cloud.

    Examples
    --------
    >>> from specreg_sklearn.datasets import make_noisy_xor
    >>> X, y = make_noisy_xor(8, std=0.0, random_state=0)
    >>> bool(((X[:, 0] * X[:, 1] < 0) == y).all())
    True
    """
    n_samples = _check_count(n_samples)
    number = isinstance(std, Real) and not isinstance(std, bool)
    if not number or not 0 <= std < np.inf:
        raise ValueError(f"std={std!r} is not accepted; give a finite number that is 0 or more.")
    rng = _generator(random_state)
    corner = rng.permutation(n_samples) % 4
    sides = np.stack([corner // 2, corner % 2], axis=1)
    X = 1.0 - 2.0 * sides + std * rng.normal(size=(n_samples, 2))
    return X, (sides[:, 0] != sides[:, 1]).astype(np.int64)


def make_sin_boundary(
    n_samples: int = 1600, *, random_state: RandomState = None
) -> tuple[FloatArray, IntArray]:
    """Draw rows of a square that a sine wave divides into two classes.

    Parameters
    ----------
    n_samples : int, default=1600
        Number of rows.
    random_state : int, RandomState, Generator or None, default=None
        Where the draws come from; an int gives the same rows at every call. None draws new ones,
        and leaves numpy's global generator alone.

    Returns
    -------
    X : ndarray of shape (n_samples, 2), float64
        Uniform on [-1, 1] x [-1, 1].
    y : ndarray of shape (n_samples,), int64
        1 above the wave, where ``X[:, 1] > 0.6 * sin(7 * X[:, 0] - 1)``, else 0.

    Raises
    ------
    ValueError
        If `n_samples` is not a positive whole number.

    Examples
    --------
    >>> import numpy as np
    >>> from specreg_sklearn.datasets import make_sin_boundary
    >>> X, y = make_sin_boundary(100, random_state=0)
    >>> bool((y == (X[:, 1] > 0.6 * np.sin(7 * X[:, 0] - 1))).all())
    True
    """
    X = _generator(random_state).uniform(-1.0, 1.0, size=(_check_count(n_samples), 2))
    return X, (X[:, 1] > 0.6 * np.sin(7 * X[:, 0] - 1)).astype(np.int64)


def _check_count(n_samples: object) -> int:
    if not isinstance(n_samples, Integral) or isinstance(n_samples, bool) or int(n_samples) < 1:
        raise ValueError(f"n_samples={n_samples!r} is not accepted; give a positive whole number.")
    return int(n_samples)


def _generator(random_state: RandomState) -> np.random.Generator | np.random.RandomState:
    if random_state is None or isinstance(random_state, np.random.Generator):
        return np.random.default_rng(random_state)
    return check_random_state(random_state)

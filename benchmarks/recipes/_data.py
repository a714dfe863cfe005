"""The data sets that recipes are compared on: six tables and two sets of images.

Each seed draws another split, and other training rows from it. Tables come in z-scores of the
training rows, cut at ten, images in pixels of 0 to 1: the units that presets are made for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks.loaders import (
    load_adult,
    load_german_credit,
    load_mnist,
    load_nsl_kdd,
    load_phishing_websites,
    load_spambase,
    load_url_phishing,
)

TEST_SHARE = 0.3
MOST_TEST_ROWS = 2000
FARTHEST = 10.0


@dataclass(frozen=True, eq=False)
class Split:
    """Rows to train on and to judge by, and how long a network trains on them.

    Parameters
    ----------
    X, X_test : ndarray of shape (n, d), float32
        Rows.
    y, y_test : ndarray of shape (n,), int
        Labels 0, 1, ...
    settings : dict
        Of the encoder: widths, epochs, learning rate.
    lo, hi : float
        The box that attacks stay in.
    """

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    settings: dict[str, Any]
    lo: float
    hi: float

    @property
    def is_image(self) -> bool:
        """Whether the rows are pixels, and not columns of a table."""
        return self.lo == 0


Rows = tuple[np.ndarray, np.ndarray]

TABLE = {"hidden_layer_sizes": (100,), "max_iter": 60, "learning_rate_init": 2e-3}
IMAGES = {"hidden_layer_sizes": (128, 64), "max_iter": 18, "learning_rate_init": 1e-3}
SMALL_IMAGES = {**IMAGES, "max_iter": 60}


def _words(load: Callable[..., Any]) -> Rows:
    """Return a table with a column of 0 and 1 for every word."""
    import pandas

    X, y = load(return_X_y=True)
    return pandas.get_dummies(X).to_numpy(dtype=np.float64), np.asarray(y)


def _numbers(load: Callable[..., Any]) -> Rows:
    X, y = load(return_X_y=True, drop_duplicates=True)
    return np.asarray(X), np.asarray(y)


def _mnist() -> Rows:
    X, y = load_mnist(return_X_y=True)
    return X.reshape(len(X), -1) / (255.0 if X.max() > 1 else 1.0), np.asarray(y)


def _digits() -> Rows:
    X, y = load_digits(return_X_y=True)
    return X / 16, y


# Rows, training rows of each seed, and the settings of the network.
SETS: dict[str, tuple[Callable[[], Rows], int, dict[str, Any]]] = {
    "spambase": (lambda: _numbers(load_spambase), 2000, TABLE),
    "url_phishing": (lambda: _numbers(load_url_phishing), 2000, TABLE),
    "phishing_websites": (lambda: _numbers(load_phishing_websites), 2000, TABLE),
    "adult": (lambda: _words(load_adult), 2000, TABLE),
    "german_credit": (lambda: _words(load_german_credit), 2000, TABLE),
    "nsl_kdd": (lambda: _words(load_nsl_kdd), 2000, TABLE),
    "digits": (_digits, 2000, SMALL_IMAGES),
    "mnist": (_mnist, 4000, IMAGES),
}
IMAGE_SETS = ("digits", "mnist")
QUICK_SETS = ("spambase", "url_phishing", "digits")


def split_of(name: str, seed: int) -> Split:
    """Return the rows of a data set as one seed draws them."""
    load, n_train, settings = SETS[name]
    X, y = load()
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=TEST_SHARE, random_state=seed, stratify=y
    )
    if len(X) > n_train:
        X, _, y, _ = train_test_split(X, y, train_size=n_train, random_state=seed, stratify=y)
    X_test, y_test = X_test[:MOST_TEST_ROWS], y_test[:MOST_TEST_ROWS]
    lo, hi = 0.0, 1.0
    if name not in IMAGE_SETS:
        lo, hi = -FARTHEST, FARTHEST
        scaler = StandardScaler().fit(X)
        X, X_test = (np.clip(scaler.transform(rows), lo, hi) for rows in (X, X_test))
    X, X_test = X.astype(np.float32), X_test.astype(np.float32)
    settings = {**settings, "batch_size": 200, "n_iter_no_change": settings["max_iter"]}
    settings["random_state"] = seed
    return Split(X, y.astype(int), X_test, y_test.astype(int), settings, lo, hi)


def inner_split(split: Split) -> Split:
    """Return the training rows, a fifth of them held out to judge by."""
    X, X_test, y, y_test = train_test_split(
        split.X,
        split.y,
        test_size=0.2,
        random_state=split.settings["random_state"],
        stratify=split.y,
    )
    return replace(split, X=X, y=y, X_test=X_test, y_test=y_test)

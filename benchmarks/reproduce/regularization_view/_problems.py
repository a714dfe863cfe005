"""Data sets and sizes of the experiment on adversarial training as a regulariser."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks.loaders import load_mnist, load_spambase
from specreg_sklearn.attacks import FeatureSpace


@dataclass(frozen=True)
class Problem:
    """A data set, a network for it, and the sizes at which it is trained and attacked.

    Lengths are in pixel values for images, and in standard deviations of the training rows for
    tables, which are scaled before anything else.

    Parameters
    ----------
    name : str
        Name in tables.
    hidden : tuple of int
        Widths of the hidden layers.
    strengths : tuple of float
        Linf radii of the training attack.
    eval_linf, eval_l2 : float
        Radii of all evaluations, whatever the model was trained with.
    stretch_radius : float
        Length of the moves that the layer stretch is measured with.
    boundary : float
        A row counts as near the boundary up to this logit margin.
    box : tuple of float or None
        The range that rows stay in.
    max_iter, batch_size : int
        Epochs, rows of a batch.
    seeds : tuple of int
        One split and one network each.
    n_attacked : int
        Test rows for the black-box attack, the certificates and the stretch.
    max_queries : int
        Budget of the black-box attack, for each row.
    n_train, n_test : int or None
        Rows of the split; None is half of all rows for each.
    gently : bool
        Whether the radius of the training attack grows over the first half of the epochs. The
        largest strength is then trained the other way as well.
    """

    name: str
    hidden: tuple[int, ...]
    strengths: tuple[float, ...]
    eval_linf: float
    eval_l2: float
    stretch_radius: float
    boundary: float = 1.0
    box: tuple[float, float] | None = None
    max_iter: int = 60
    batch_size: int = 64
    seeds: tuple[int, ...] = (0, 1, 2, 3)
    n_attacked: int = 200
    max_queries: int = 1000
    n_train: int | None = None
    n_test: int | None = None
    gently: bool = False

    def rows(self, seed: int) -> Rows:
        """Return the split of a seed."""
        X, y = _LOADERS[self.name]()
        n_train = self.n_train or len(X) // 2
        n_test = self.n_test or len(X) - n_train
        X_train, X_test, y_train, y_test = train_test_split(
            X, y, train_size=n_train, test_size=n_test, stratify=y, random_state=seed
        )
        if self.box is None:
            scaler = StandardScaler().fit(X_train)
            X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
        return Rows(X_train, y_train, X_test, y_test)

    def space(self, X: np.ndarray) -> FeatureSpace:
        """Return where the black-box attack may go: the same rows as the gradients."""
        return FeatureSpace.from_data(X, bounds=self.box, scale=None)


@dataclass(frozen=True)
class Rows:
    """Training and test rows, float64, in the units of the networks."""

    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def _digits() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def _mnist() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_mnist(return_X_y=True)
    return X.astype(np.float64), y


_LOADERS = {
    "digits": _digits,
    "mnist": _mnist,
    "breast cancer": lambda: load_breast_cancer(return_X_y=True),
    # Repeated rows would sit on both sides of the split.
    "spambase": lambda: load_spambase(return_X_y=True, drop_duplicates=True),
}

_DIGITS = Problem(
    "digits",
    hidden=(128, 64),
    strengths=(0.0, 0.05, 0.1, 0.2, 0.3),
    eval_linf=0.1,
    eval_l2=0.25,
    stretch_radius=0.5,
    box=(0.0, 1.0),
)
_MNIST = Problem(
    "mnist",
    hidden=(256, 64),
    strengths=(0.0, 0.05, 0.1, 0.2),
    eval_linf=0.1,
    eval_l2=0.5,
    stretch_radius=1.0,
    box=(0.0, 1.0),
    max_iter=30,
    max_queries=2000,
    n_train=10_000,
    n_test=2_000,
    gently=True,
)
_CANCER = Problem(
    "breast cancer",
    hidden=(64, 32),
    strengths=(0.0, 0.1, 0.2, 0.4, 0.8),
    eval_linf=0.2,
    eval_l2=0.5,
    stretch_radius=0.5,
)
_SPAMBASE = Problem(
    "spambase",
    hidden=(64, 32),
    strengths=(0.0, 0.05, 0.1, 0.2),
    eval_linf=0.1,
    eval_l2=0.25,
    stretch_radius=0.5,
)


def problems(small: bool) -> list[Problem]:
    """Return what is run: in minutes with `small`, in about an hour without."""
    if not small:
        return [_DIGITS, _MNIST, replace(_CANCER, seeds=(0, 1, 2, 3, 4, 5)), _SPAMBASE]
    return [
        replace(_DIGITS, n_attacked=100),
        replace(
            _MNIST,
            hidden=(128, 32),
            strengths=(0.0, 0.05, 0.1),
            max_iter=12,
            n_train=3_000,
            n_test=1_000,
            n_attacked=50,
        ),
        replace(_CANCER, n_attacked=100),
    ]

"""The models that attacks are compared on, and the rows that are attacked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.common import floor, layers_of
from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import FeatureSpace

N_ROWS = 50


@dataclass(eq=False)
class Problem:
    """A fitted model, the rows to attack, and what every attack is given.

    Parameters
    ----------
    name : str
        How tables call it.
    model : classifier
        Fitted; its labels are 0, 1, ...
    X : ndarray of shape (n, d), float64
        Rows to attack, all classified correctly.
    y : ndarray of shape (n,), int
        Their labels.
    pool : ndarray of shape (n_pool, d), float64
        Rows that attacks may start from: the whole test part.
    lo, hi : float
        The box, the same for every feature.
    """

    name: str
    model: Any
    X: np.ndarray
    y: np.ndarray
    pool: np.ndarray
    lo: float
    hi: float

    @cached_property
    def space(self) -> FeatureSpace:
        """The box in the units of X, for our attacks."""
        return FeatureSpace.from_data(self.pool, bounds=(self.lo, self.hi), scale=None)

    @cached_property
    def pool_labels(self) -> np.ndarray:
        """What the model predicts for the pool."""
        return self.model.predict(self.pool)

    @cached_property
    def nearest(self) -> np.ndarray:
        """The nearest row of the pool with another prediction: where the other libraries start."""
        apart = np.linalg.norm(self.X[:, None, :] - self.pool, axis=2)
        apart[self.y[:, None] == self.pool_labels] = np.inf
        return self.pool[apart.argmin(axis=1)]

    @cached_property
    def floor(self) -> np.ndarray | None:
        """Distances that a white-box attack finds, None for models without gradients."""
        layers = layers_of(self.model)
        if layers is None:
            return None
        return floor(layers, self.model, self.X, self.y, self.pool, self.lo, self.hi)

    def fooled(self, Z: np.ndarray) -> np.ndarray:
        """Return where the model gets float64 rows wrong."""
        return self.model.predict(np.asarray(Z, dtype=np.float64)) != self.y


def load(data: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float, float]:
    """Return train and test rows, train and test labels, and the box."""
    if data == "digits":
        X, y = load_digits(return_X_y=True)
        X, lo, hi = X / 16, 0.0, 1.0
    else:
        X, y = load_breast_cancer(return_X_y=True)
        lo, hi = -4.0, 14.0
    Xa, Xb, ya, yb = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    if data != "digits":
        scaler = StandardScaler().fit(Xa)
        Xa, Xb = scaler.transform(Xa), scaler.transform(Xb)
    return Xa, Xb, ya, yb, lo, hi


def problem(name: str, data: str, model: Any, n_rows: int = N_ROWS) -> Problem:
    """Fit a model on the training part and choose the first rows that it classifies correctly."""
    Xa, Xb, ya, yb, lo, hi = load(data)
    model.fit(Xa, ya)
    right = np.flatnonzero(model.predict(Xb) == yb)[:n_rows]
    return Problem(name, model, Xb[right], yb[right], Xb, lo, hi)


def mlp() -> MLPClassifier:
    """Return the network of the two main problems."""
    return MLPClassifier((64,), random_state=0, max_iter=400)


def main_problems() -> list[Problem]:
    """Return the two networks that the promised figures are about."""
    return [
        problem("digits, MLPClassifier(64)", "digits", mlp()),
        problem("breast_cancer, MLPClassifier(64)", "breast_cancer", mlp()),
    ]


def other_problems() -> list[Problem]:
    """Return the same table under other kinds of models."""
    models = {
        "RandomForest(100)": RandomForestClassifier(100, random_state=0),
        "HistGradientBoosting": HistGradientBoostingClassifier(random_state=0),
        "KNN(5)": KNeighborsClassifier(5),
        "scaler + LogisticRegression": make_pipeline(StandardScaler(), LogisticRegression()),
        "SpectrallyRegularizedEncoder": SpectrallyRegularizedEncoder(random_state=0, device="cpu"),
    }
    return [
        problem(f"breast_cancer, {name}", "breast_cancer", model) for name, model in models.items()
    ]

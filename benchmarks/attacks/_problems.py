"""The models that attacks are compared on, and the rows that are attacked."""

from __future__ import annotations

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

from benchmarks.common import Problem
from specreg_sklearn import SpectrallyRegularizedEncoder

N_ROWS = 50


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


def problem(data: str, kind: str, model: Any, n_rows: int = N_ROWS) -> Problem:
    """Fit a model on the training part and choose the first rows that it classifies correctly."""
    Xa, Xb, ya, yb, lo, hi = load(data)
    model.fit(Xa, ya)
    return Problem.of_right_rows(data, kind, model, Xb, yb, lo, hi, n_rows)


def mlp() -> MLPClassifier:
    """Return the network of the two main problems."""
    return MLPClassifier((64,), random_state=0, max_iter=400)


def main_problems() -> list[Problem]:
    """Return the two networks that the promised figures are about."""
    return [
        problem("digits", "MLPClassifier(64)", mlp()),
        problem("breast_cancer", "MLPClassifier(64)", mlp()),
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
    return [problem("breast_cancer", kind, model) for kind, model in models.items()]

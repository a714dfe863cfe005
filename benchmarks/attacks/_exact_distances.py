"""How far attacks are from exact distances, on models small enough to know them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import make_moons
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier

from benchmarks.attacks._problems import load
from specreg_sklearn.attacks import BlackBoxAttack, FeatureSpace


def linear(data: str, attack: BlackBoxAttack, n_rows: int = 50) -> np.ndarray:
    """Return L2 distance / exact distance to the nearest hyperplane, without a box."""
    Xa, Xb, ya, yb, _, _ = load(data)
    model = LogisticRegression(max_iter=500).fit(Xa, ya)
    W, b = model.coef_, model.intercept_
    if len(W) == 1:
        W, b = np.vstack([0 * W, W]), np.append(0.0, b)
    rows = np.flatnonzero(model.predict(Xb) == yb)[:n_rows]
    X, y = Xb[rows], yb[rows]
    scores = X @ W.T + b
    gap = scores[np.arange(len(X)), y][:, None] - scores
    width = np.linalg.norm(W[y][:, None, :] - W, axis=2)
    exact = np.divide(gap, width, out=np.full_like(gap, np.inf), where=width > 0).min(axis=1)
    space = FeatureSpace.from_data(Xb, bounds=None, scale=None)
    return attack.run(model, X, y, space=space, pool=Xb).distances / exact


def single_tree(attack: BlackBoxAttack) -> np.ndarray:
    """Return distance / exact distance to the nearest leaf of another class."""
    Xa, Xb, ya, yb, lo, hi = load("breast_cancer")
    model = DecisionTreeClassifier(random_state=0).fit(Xa, ya)
    rows = np.flatnonzero(model.predict(Xb) == yb)
    X, y = Xb[rows], yb[rows]
    low, high, label = _leaf_boxes(model.tree_, X.shape[1], lo, hi)
    beyond = np.clip(X[:, None, :], low, high) - X[:, None, :]
    exact = np.linalg.norm(beyond, ord=attack.norm, axis=2)
    exact[y[:, None] == label] = np.inf
    space = FeatureSpace.from_data(Xb, bounds=(lo, hi), scale=None)
    found = attack.run(model, X, y, space=space, pool=Xb)
    return found.distances / exact.min(axis=1)


def plane(attack: BlackBoxAttack, n_rows: int = 50) -> dict[str, np.ndarray]:
    """Return by model where no point is adversarial at 0.99 of the distance or less, in 2-D.

    The disc, or the square in Linf, is searched on 360 rays of 120 points each.
    """
    X, y = make_moons(600, noise=0.2, random_state=0)
    models: tuple[Any, ...] = (
        KNeighborsClassifier(5),
        RandomForestClassifier(20, random_state=0),
        MLPClassifier((16,), max_iter=1000, random_state=0),
    )
    angle = np.arange(360) * (2 * np.pi / 360)
    rays = np.column_stack([np.cos(angle), np.sin(angle)])
    rays /= np.linalg.norm(rays, ord=attack.norm, axis=1, keepdims=True)
    disc = (np.linspace(0, 0.99, 121)[1:, None, None] * rays).reshape(-1, 2)
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    near = {}
    for model in models:
        model.fit(X[:300], y[:300])
        rows = 300 + np.flatnonzero(model.predict(X[300:]) == y[300:])[:n_rows]
        found = attack.run(model, X[rows], y[rows], space=space, pool=X).distances
        near[type(model).__name__] = np.array(
            [
                bool((model.predict(x + distance * disc) == label).all())
                for x, label, distance in zip(X[rows], y[rows], found, strict=True)
            ]
        )
    return near


def _leaf_boxes(
    tree: Any, n_features: int, lo: float, hi: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return lower and upper corners of the leaves, and their classes."""
    lows, highs, labels = [], [], []
    ahead = [(0, np.full(n_features, lo), np.full(n_features, hi))]
    while ahead:
        node, low, high = ahead.pop()
        if tree.children_left[node] < 0:
            lows.append(low)
            highs.append(high)
            labels.append(int(tree.value[node].argmax()))
            continue
        column, threshold = tree.feature[node], tree.threshold[node]
        below, above = high.copy(), low.copy()
        below[column] = min(below[column], threshold)
        above[column] = max(above[column], threshold)
        ahead.append((tree.children_left[node], low, below))
        ahead.append((tree.children_right[node], above, high))
    return np.array(lows), np.array(highs), np.array(labels)

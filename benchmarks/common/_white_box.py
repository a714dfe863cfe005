"""How near the nearest adversarial row is, found with the weights and gradients of the model.

What no black-box attack can be expected to beat. It is itself an upper bound of the true distance:
the best of many descents, each from a row of another class.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline

from benchmarks.common._boundary import foot_in_box, to_boundary
from specreg_sklearn import SpectrallyRegularizedEncoder

Layers = list[tuple[np.ndarray, np.ndarray]]

STARTS_PER_CLASS = 15
# After so many steps, only the nearest so many descents of each row go on.
PRUNE = {10: 24, 30: 8}
MOST_STEPS = 300
HALVINGS = 34


def layers_of(model: Any) -> Layers | None:
    """Return weights (n_in, n_out) and biases of a ReLU network, or None for other models."""
    if isinstance(model, MLPClassifier):
        layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    elif isinstance(model, SpectrallyRegularizedEncoder):
        weights = [w.detach().double().numpy() for w in model.module_.parameters()]
        layers = [(w.T, b) for w, b in zip(weights[::2], weights[1::2], strict=True)]
    elif isinstance(model, Pipeline) and isinstance(model[-1], LogisticRegression):
        scaler, linear = model
        W = linear.coef_.T / scaler.scale_[:, None]
        layers = [(W, linear.intercept_ - scaler.mean_ @ W)]
    else:
        return None
    W, b = layers[-1]
    if W.shape[1] == 1:  # one score for two classes: the other one scores zero
        layers[-1] = np.hstack([0 * W, W]), np.append(0.0, b)
    return layers


def floor(
    layers: Layers,
    model: Any,
    X: np.ndarray,
    y: np.ndarray,
    pool: np.ndarray,
    lo: float,
    hi: float,
) -> np.ndarray:
    """Return the smallest L2 distance found for each row, shape (n,)."""
    points, owner = _starts(model, X, y, pool)
    points = _bisected(layers, X[owner], points, y[owner])
    step = np.full(len(points), 0.5)
    normal = _normal(layers, points, y[owner])
    for number in range(MOST_STEPS):
        if number in PRUNE:
            stay = _nearest(np.linalg.norm(points - X[owner], axis=1), owner, PRUNE[number])
            points, owner, step, normal = points[stay], owner[stay], step[stay], normal[stay]
        going = np.flatnonzero(step > 1e-8)
        if not len(going):
            break
        x, z, label = X[owner[going]], points[going], y[owner[going]]
        # Where the boundary would be nearest if it were flat, and a part of the way there.
        goal = foot_in_box(x, z, normal[going], lo, hi)
        towards = z + step[going, None] * (goal - z)
        # Just beyond, to cross the boundary. The box may bend this line: less, the shorter it is.
        far = np.clip(x + (1 + 0.2 * step[going, None]) * (towards - x), lo, hi)
        new = _bisected(layers, x, far, label)
        nearer = _fooled(layers, far, label) & (
            np.linalg.norm(new - x, axis=1) < np.linalg.norm(z - x, axis=1) * (1 - 1e-12)
        )
        points[going[nearer]] = new[nearer]
        # Across an edge of the boundary the way down is between the normals of both sides.
        there = _normal(layers, new, label)
        mixed = normal[going] + there
        mixed /= np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-12)
        normal[going] = np.where(nearer[:, None], there, mixed)
        step[going] = np.where(nearer, np.minimum(1.3 * step[going], 1.0), 0.7 * step[going])
    found = np.full(len(X), np.inf)
    np.minimum.at(found, owner, np.linalg.norm(points - X[owner], axis=1))
    return found


def _starts(
    model: Any, X: np.ndarray, y: np.ndarray, pool: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest rows of every other class, and the row that each belongs to."""
    predicted = model.predict(pool)
    classes = np.unique(predicted)
    per_class = max(STARTS_PER_CLASS, 40 // max(len(classes) - 1, 1))
    points, owner = [], []
    for i, (x, label) in enumerate(zip(X, y, strict=True)):
        for other in classes[classes != label]:
            members = pool[predicted == other]
            near = np.argsort(((members - x) ** 2).sum(axis=1))[:per_class]
            points.append(members[near])
            owner.append(np.full(len(near), i))
    return np.concatenate(points), np.concatenate(owner)


def _nearest(distance: np.ndarray, owner: np.ndarray, keep: int) -> np.ndarray:
    """Return the positions of the `keep` smallest distances of every owner."""
    order = np.lexsort((distance, owner))
    rank = np.arange(len(order)) - np.searchsorted(owner[order], owner[order])
    return order[rank < keep]


def _forward(layers: Layers, Z: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return scores, and which hidden units are on in each layer."""
    on = []
    for W, b in layers[:-1]:
        Z = Z @ W + b
        on.append(Z > 0)
        Z = np.maximum(Z, 0)
    W, b = layers[-1]
    return Z @ W + b, on


def _fooled(layers: Layers, Z: np.ndarray, label: np.ndarray) -> np.ndarray:
    return _forward(layers, Z)[0].argmax(axis=1) != label


def _normal(layers: Layers, Z: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the unit gradient of (best other score - score of the label)."""
    scores, on = _forward(layers, Z)
    rows = np.arange(len(Z))
    scores[rows, label] = -np.inf
    W = layers[-1][0]
    gradient = (W[:, scores.argmax(axis=1)] - W[:, label]).T
    for (W, _), active in zip(layers[-2::-1], on[::-1], strict=True):
        gradient = (gradient * active) @ W.T
    return gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-12)


def _bisected(layers: Layers, x: np.ndarray, far: np.ndarray, label: np.ndarray) -> np.ndarray:
    return to_boundary(lambda Z: _fooled(layers, Z, label), x, far, halvings=HALVINGS)

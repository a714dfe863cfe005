"""Exact distances of tiny ReLU networks: every pattern of signs is a polyhedron."""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.optimize import linprog, lsq_linear, nnls
from sklearn.neural_network import MLPClassifier


def random_network(rng, n_columns, widths, n_classes, dtype=np.float64):
    """Return a network whose weights were never trained, and rows."""
    X = rng.normal(size=(60, n_columns)).astype(dtype)
    model = MLPClassifier(widths, max_iter=1, random_state=0)
    model.fit(X, np.arange(60) % n_classes)
    model.coefs_ = [
        (1.5 * rng.normal(size=part.shape) / len(part) ** 0.5).astype(dtype)
        for part in model.coefs_
    ]
    model.intercepts_ = [
        (0.4 * rng.normal(size=part.shape)).astype(dtype) for part in model.intercepts_
    ]
    return model, X


def exact_distance(model, row, norm, box=None):
    """Return the distance from a row to the nearest one that another class wins or ties.

    The box, if there is one, holds the ends of the moves; infinite where there is none.
    """
    walls, ends = _walls(box, len(row))
    layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    scores = row
    for depth, (weight, bias) in enumerate(layers):
        scores = scores @ weight + bias
        scores = np.maximum(scores, 0) if depth < len(layers) - 1 else scores
    if len(scores) == 1:
        scores = np.append(0.0, scores)
    own = int(scores.argmax())
    widths = [len(bias) for bias in model.intercepts_[:-1]]
    best = np.inf
    for signs in product((0.0, 1.0), repeat=sum(widths)):
        pattern = np.split(np.array(signs), np.cumsum(widths)[:-1])
        slope, value, rows, limits = np.eye(len(row)), row, [], []
        for (weight, bias), active in zip(layers, [*pattern, None], strict=True):
            slope, value = weight.T @ slope, value @ weight + bias
            if active is not None:
                side = 2 * active - 1  # side * pre-activation >= 0
                rows.append(side[:, None] * slope)
                limits.append(-side * value)
                slope, value = active[:, None] * slope, active * value
        if len(value) == 1:
            slope, value = np.vstack([0 * slope, slope]), np.append(0.0, value)
        for rival in range(len(value)):
            if rival != own:
                needed = np.vstack([*rows, slope[rival] - slope[own], walls])
                least = np.concatenate([*limits, [value[own] - value[rival]], ends])
                best = min(best, _shortest(needed, least, norm))
    return best


def _walls(box, n_moves):
    """Return G and h of the half-spaces G m >= h whose intersection is the box."""
    if box is None:
        return np.empty((0, n_moves)), np.empty(0)
    every = np.eye(n_moves)
    G, h = np.vstack([every, -every]), np.concatenate([box[0], -box[1]])
    return G[np.isfinite(h)], h[np.isfinite(h)]


def _shortest(G, h, norm):
    """Return the length of the shortest m with G m >= h."""
    n, d = G.shape
    if norm == 2:
        # Lawson and Hanson's least distance programming.
        E = np.vstack([G.T, h])
        target = np.append(np.zeros(d), 1.0)
        try:
            u, _ = nnls(E, target)
        except (RuntimeError, np.linalg.LinAlgError):  # that of scipy before 1.15
            u = lsq_linear(E, target, bounds=(0, np.inf), method="bvls", tol=1e-14).x
        r = E @ u - target
        if np.linalg.norm(r) < 1e-9:
            return np.inf
        return float(np.linalg.norm(r[:d] / r[d]))
    size = 1 if norm == np.inf else d
    cover = np.ones((d, 1)) if norm == np.inf else np.eye(d)
    bounded = np.block([[-G, np.zeros((n, size))], [np.eye(d), -cover], [-np.eye(d), -cover]])
    limit = np.concatenate([-h, np.zeros(2 * d)])
    cost = np.concatenate([np.zeros(d), np.ones(size)])
    found = linprog(cost, bounded, limit, bounds=[(None, None)] * d + [(0, None)] * size)
    return float(found.fun) if found.status == 0 else np.inf

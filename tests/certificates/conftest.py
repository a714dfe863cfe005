"""Truth for certificates that shares no code with them: enumerated distances, gradient attacks."""

from __future__ import annotations

import copy
import itertools
import warnings

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear
from sklearn.neural_network import MLPClassifier

from specreg_sklearn import SpectrallyRegularizedEncoder


def relu_layers(model):
    """Return the float64 weights (n_out, n_in) and biases of a ReLU network, a logit per class."""
    if isinstance(model, SpectrallyRegularizedEncoder):
        values = [p.detach().double().numpy() for p in model.module_.parameters()]
        layers = list(zip(values[::2], values[1::2], strict=True))
    else:
        layers = [(W.T, b) for W, b in zip(model.coefs_, model.intercepts_, strict=True)]
    W, b = layers[-1]
    if len(W) == 1:  # the first class scores zero
        layers[-1] = np.vstack([0 * W, W]), np.append(0.0, b)
    return layers


def logits(layers, X):
    """Return the logits of rows, of shape (n, n_classes)."""
    for W, b in layers[:-1]:
        X = np.maximum(X @ W.T + b, 0.0)
    W, b = layers[-1]
    return X @ W.T + b


def exact_distances(layers, X):
    """Return the L2 distance of every row to the decision boundary.

    Every choice of active units is a polyhedron on which the logits are affine. Where class j is at
    least as good as the label is a smaller polyhedron; the nearest point of all of them is it.
    """
    *hidden, (last, offset) = layers
    label = logits(layers, X).argmax(axis=1)
    nearest = np.full(len(X), np.inf)
    choices = [list(itertools.product((0.0, 1.0), repeat=len(b))) for _, b in hidden]
    for pattern in itertools.product(*choices):
        slope, height = np.eye(X.shape[1]), np.zeros(X.shape[1])
        sides, limits = [], []
        for (W, b), active in zip(hidden, map(np.array, pattern), strict=True):
            slope, height = W @ slope, W @ height + b
            sides.append((2 * active - 1)[:, None] * slope)  # active units are >= 0
            limits.append((1 - 2 * active) * height)
            slope, height = active[:, None] * slope, active * height
        G, h = np.vstack(sides), np.concatenate(limits)
        if not np.isfinite(_projection(G, h, X[0])):
            continue  # no row has this pattern
        slope, height = last @ slope, last @ height + offset
        for i, y in enumerate(label):
            for j in np.flatnonzero(np.arange(len(last)) != y):
                G_j = np.vstack([G, slope[j] - slope[y]])
                h_j = np.append(h, height[y] - height[j])
                nearest[i] = min(nearest[i], _projection(G_j, h_j, X[i]))
    return nearest


def _projection(G, h, x):
    """Return the distance from x to the polyhedron ``G z >= h``, inf if it is empty.

    Least distance programming by non-negative least squares: Lawson and Hanson, "Solving Least
    Squares Problems", 1974, chapter 23.
    """
    size = np.linalg.norm(G, axis=1)
    flat = size < 1e-14
    if (h[flat] > 1e-12).any():
        return np.inf
    G, h = G[~flat] / size[~flat, None], h[~flat] / size[~flat] - G[~flat] @ x / size[~flat]
    target = np.append(np.zeros(len(x)), 1.0)
    share = lsq_linear(np.vstack([G.T, h]), target, (0, np.inf), method="bvls", tol=1e-14).x
    rest = target - np.vstack([G.T, h]) @ share
    if rest[-1] < 1e-9:
        return np.inf
    return float(np.linalg.norm(rest[:-1] / rest[-1]))


def random_network(seed, n_inputs, hidden, n_classes):
    """Return an MLPClassifier with weights that were drawn and not trained."""
    rng = np.random.default_rng(seed)
    X = 3 * rng.normal(size=(60, n_inputs))
    model = MLPClassifier(hidden, max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, np.arange(60) % n_classes)
    model.coefs_ = [rng.normal(size=w.shape) for w in model.coefs_]
    model.intercepts_ = [rng.normal(size=b.shape) for b in model.intercepts_]
    # So that the boundary passes between the rows.
    model.intercepts_[-1] -= np.median(logits(relu_layers(model), X), axis=0)[-model.n_outputs_ :]
    return model


def fallen_inside(model, X, radius, *, norm=2, n_restarts=3, n_steps=20):
    """Return the rows that some step of a gradient attack within `radius` gives another label.

    `model` is an encoder or an MLPClassifier; the label counts in float64 and by `predict`.
    """
    if isinstance(model, SpectrallyRegularizedEncoder):
        function = copy.deepcopy(model.module_).double().eval()
    else:
        layers = [(torch.as_tensor(W), torch.as_tensor(b)) for W, b in relu_layers(model)]

        def function(Z):
            for W, b in layers[:-1]:
                Z = torch.relu(Z @ W.T + b)
            return Z @ layers[-1][0].T + layers[-1][1]

    clean, size = torch.as_tensor(X), torch.as_tensor(radius)[:, None]
    own = model.predict(X)
    label = function(clean).argmax(dim=1)
    rng = np.random.default_rng(0)
    fell = np.zeros(len(X), dtype=bool)
    for restart in range(n_restarts):
        away = torch.as_tensor(rng.normal(size=X.shape)) * bool(restart)
        for number in range(n_steps):
            away = _inside(away, size, norm)
            point = (clean + away).requires_grad_(True)
            values = function(point)
            fell |= (values.argmax(dim=1) != label).numpy()
            fell |= model.predict(point.detach().numpy()) != own
            rest = values.scatter(1, label[:, None], -torch.inf)
            gap = rest.max(dim=1).values - values.gather(1, label[:, None])[:, 0]
            (slope,) = torch.autograd.grad(gap.sum(), point)
            step = slope.sign() if norm == np.inf else slope / slope.norm(dim=1, keepdim=True)
            away = away + 2 * 0.75**number * size * step.nan_to_num()
    return fell


def _inside(away, size, norm):
    if norm == np.inf:
        return torch.minimum(torch.maximum(away, -size), size)
    return away * (size / away.norm(dim=1, keepdim=True).clamp_min(1e-300)).clamp_max(1.0)


class Truth:
    """The functions above, for tests."""

    relu_layers = staticmethod(relu_layers)
    logits = staticmethod(logits)
    exact_distances = staticmethod(exact_distances)
    random_network = staticmethod(random_network)
    fallen_inside = staticmethod(fallen_inside)


@pytest.fixture(scope="session")
def truth():
    return Truth

"""Small ReLU networks on the plane, whose distances are known: certified <= exact <= attack."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from sklearn.datasets import make_moons
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn.attacks import CGBA, FeatureSpace
from specreg_sklearn.metrics import adversarial_distances, certified_radius
from tests.grids import diagonal


def boundary_segments(layers):
    """Return the decision boundary of a ReLU network on the plane, piece by piece.

    Every choice of active units is a polygon on which the score is affine; its zero line, clipped
    to the polygon, is a segment. Returned as (foot, direction, low, high): the points
    ``foot + t * direction`` for t in [low, high].
    """
    *hidden, (last, offset) = layers
    choices = [itertools.product((0.0, 1.0), repeat=len(bias)) for _, bias in hidden]
    for pattern in itertools.product(*choices):
        slope, height = np.eye(2), np.zeros(2)
        sides, limits = [], []
        for (weight, bias), active in zip(hidden, pattern, strict=True):
            slope, height = weight @ slope, weight @ height + bias
            sign = 1 - 2 * np.array(active)  # active units are >= 0: minus them is <= 0
            sides.append(sign[:, None] * slope)
            limits.append(-sign * height)
            slope, height = np.array(active)[:, None] * slope, np.array(active) * height
        normal, level = (last @ slope)[0], float((last @ height + offset)[0])
        size = np.linalg.norm(normal)
        if size < 1e-12:
            continue
        foot, direction = -level * normal / size**2, np.array([-normal[1], normal[0]]) / size
        A, b = np.vstack(sides), np.concatenate(limits)
        along, room = A @ direction, b - A @ foot
        if (room[np.abs(along) < 1e-14] < 0).any():
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = room / along
        low = ends[along < -1e-14].max(initial=-np.inf)
        high = ends[along > 1e-14].min(initial=np.inf)
        if low <= high:
            yield foot, direction, low, high


def exact_distances(layers, X):
    nearest = np.full(len(X), np.inf)
    for foot, direction, low, high in boundary_segments(layers):
        t = np.clip((X - foot) @ direction, low, high)
        away = np.linalg.norm(X - foot - t[:, None] * direction, axis=1)
        nearest = np.minimum(nearest, away)
    return nearest


@pytest.mark.parametrize(("hidden", "seed"), diagonal([(6,), (4, 4), (3, 3, 3)], range(3)))
def test_certified_below_exact_below_attack(hidden, seed):
    X, y = make_moons(200, noise=0.2, random_state=seed)
    X = X * [1, 5]
    model = make_pipeline(
        StandardScaler(),
        MLPClassifier(hidden, alpha=0.5, max_iter=400, solver="lbfgs", random_state=seed),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    scaler, network = model
    layers = [
        (weight.T, bias) for weight, bias in zip(network.coefs_, network.intercepts_, strict=True)
    ]
    first, bias = layers[0]
    layers[0] = first / scaler.scale_, bias - first @ (scaler.mean_ / scaler.scale_)

    exact = exact_distances(layers, X)
    certified = certified_radius(model, X, scale=None)
    assert (certified <= exact * (1 + 1e-9)).all()
    assert (certified > 0).all()
    # A bound that is no use would pass, too.
    assert np.median(certified / exact) > 0.1
    rows = slice(0, 30)
    space = FeatureSpace.from_data(X, bounds=(-30, 30), scale=None)
    options = {"space": space, "attack": CGBA(max_queries=200), "certify": False}
    found = adversarial_distances(model, X[rows], model.predict(X[rows]), **options)
    assert (exact[rows] <= found * (1 + 1e-9)).all()
    # The enumeration is the truth: the attack comes close to it.
    assert np.median(found / exact[rows]) < 1.1

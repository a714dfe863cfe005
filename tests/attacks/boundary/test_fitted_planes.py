"""Planes fitted to all answers: where they lie, and how much nearer they lead."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from specreg_sklearn.attacks import CGBA, FeatureSpace
from specreg_sklearn.attacks.boundary import _fitted_planes as module


@pytest.fixture(scope="module")
def network():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    model = MLPClassifier((32,), max_iter=60, random_state=0).fit(X[:600], y[:600])
    rows = 600 + np.flatnonzero(model.predict(X[600:]) == y[600:])[:40]
    return model, X[:1000], y, rows


def test_the_plane_between_points_of_two_sides():
    rng = np.random.default_rng(0)
    normal = rng.normal(size=12)
    normal /= np.linalg.norm(normal)
    points = np.column_stack([rng.normal(size=(400, 12)), np.ones(400)]).astype(np.float32)
    sides = np.sign(points[:, :12] @ normal - 0.3).astype(np.float32)
    weights = rng.uniform(0.5, 1, size=400).astype(np.float32)
    plane = np.append(rng.normal(size=12), 0).astype(np.float32)
    for _ in range(4):
        plane = module._separating(points * weights[:, None], sides, weights, plane)
    length = np.linalg.norm(plane[:12])
    assert plane[:12] @ normal > 0.99 * length
    assert plane[12] / length == pytest.approx(-0.3, abs=0.05)


def test_planes_lead_nearer_where_boundaries_are_flat_in_parts(network, monkeypatch):
    model, X, y, rows = network
    space = FeatureSpace.from_data(X, bounds=(0, 1), scale=None)

    def found(budget):
        attack = CGBA(max_queries=budget)
        return attack.run(model, X[rows], y[rows], space=space, pool=X).distances

    best, planes = found(5000), found(1000)
    monkeypatch.setattr(module, "_LEAST_ANGLE", np.inf)
    steps = found(1000)
    assert np.median(planes / best - 1) < 0.85 * np.median(steps / best - 1)


def test_no_planes_where_cells_are_rounded_or_repaired(network, monkeypatch):
    model, X, y, rows = network
    asked, remember = [], module.FittedPlanes.remember

    def spy(*arguments):
        asked.append(1)
        remember(*arguments)

    monkeypatch.setattr(module.FittedPlanes, "remember", spy)
    whole = np.rint(16 * X).astype(int)
    labels = model.predict(whole[rows])
    CGBA().run(model, whole[rows][:3], labels[:3], pool=whole)
    space = FeatureSpace.from_data(X, repair=lambda moved, clean: np.maximum(moved, clean))
    CGBA().run(model, X[rows][:3], y[rows][:3], space=space, pool=X)
    CGBA(max_queries=500).run(model, X[rows][:3], y[rows][:3], pool=X)
    assert not asked
    CGBA().run(model, X[rows][:3], y[rows][:3], pool=X)
    assert asked


def test_rows_do_not_depend_on_each_other(network):
    model, X, y, rows = network
    space = FeatureSpace.from_data(X, scale="std")
    together = CGBA().run(model, X[rows[:6]], y[rows[:6]], space=space, pool=X)
    for k in (0, 5):
        alone = CGBA().run(model, X[rows[[k]]], y[rows[[k]]], space=space, pool=X)
        np.testing.assert_allclose(alone.distances, together.distances[[k]], rtol=1e-6)

"""CGBA against distances that are known: closed forms, leaf boxes, dense rays, small lattices."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris, load_wine, make_moons
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import scale
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.attacks import CGBA, FeatureSpace, HopSkipJump
from specreg_sklearn.attacks.boundary import semicircle_step
from specreg_sklearn.attacks.questions import Oracle, SearchTask
from specreg_sklearn.metrics import adversarial_distances
from specreg_sklearn.tables import LabelCoder


def leaf_boxes(tree, d):
    """Return the lower and upper ends, and the class, of every leaf."""
    boxes, todo = [], [(0, np.full(d, -np.inf), np.full(d, np.inf))]
    while todo:
        node, low, high = todo.pop()
        if tree.children_left[node] < 0:
            boxes.append((low, high, int(tree.value[node][0].argmax())))
            continue
        column, threshold = tree.feature[node], tree.threshold[node]
        left, right = high.copy(), low.copy()
        left[column] = min(left[column], threshold)
        right[column] = max(right[column], threshold)
        todo.append((tree.children_left[node], low, left))
        todo.append((tree.children_right[node], right, high))
    return [np.array(part) for part in zip(*boxes, strict=True)]


def exact_tree_distances(model, X, y):
    """Return the distance of each row to the nearest leaf box of another class."""
    low, high, label = leaf_boxes(model.tree_, X.shape[1])
    out = np.empty(len(X))
    for i, (x, own) in enumerate(zip(X, y, strict=True)):
        gap = np.linalg.norm(np.clip(x, low, high) - x, axis=1)
        out[i] = gap[label != own].min()
    return out


# The last tree has small boxes far from any row of data; a few rows stay with the second nearest.
@pytest.mark.parametrize(
    ("load", "depth", "share"),
    [
        (load_iris, None, 0.95),
        (load_wine, None, 0.95),
        (load_breast_cancer, 4, 0.95),
        (load_breast_cancer, None, 0.93),
    ],
)
def test_single_trees(load, depth, share):
    X, y = load(return_X_y=True)
    X = scale(X)
    model = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(X, y)
    rows = np.flatnonzero(model.predict(X) == y)[:: max(1, len(X) // 100)]
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    result = CGBA().run(model, X[rows], y[rows], space=space, pool=X)
    ratio = result.distances / exact_tree_distances(model, X[rows], y[rows])
    assert result.success.all()
    # Thresholds are compared in float32, so a row may stop a hair before the box.
    assert ratio.min() >= 1 - 1e-5
    assert np.mean(ratio <= 1.01) >= share


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e6])
def test_binary_linear_models_to_a_tenth_of_a_percent(cancer, unit):
    X, y, model = cancer
    rows = np.flatnonzero(model.predict(X) == y)[:50]

    class InOtherUnits:
        def predict(self, Z):
            return model.predict(Z / unit)

    space = FeatureSpace.from_data(X * unit, bounds=None, scale=unit)
    found = CGBA().run(InOtherUnits(), X[rows] * unit, y[rows], space=space, pool=X * unit)
    exact = np.abs(model.decision_function(X[rows])) / np.linalg.norm(model.coef_)
    ratio = found.distances / exact
    assert ratio.min() >= 1 - 1e-9
    assert ratio.max() <= 1.001


def test_ten_linear_classes(digits):
    X, y, model = digits
    rows = np.flatnonzero(model.predict(X) == y)[:40]
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    found = CGBA(max_queries=5000).run(model, X[rows], y[rows], space=space, pool=X).distances
    scores = X[rows] @ model.coef_.T + model.intercept_
    exact = np.full(scores.shape, np.inf)
    for i, own in enumerate(y[rows]):
        for j in range(10):
            if j != own:
                slope = np.linalg.norm(model.coef_[own] - model.coef_[j])
                exact[i, j] = (scores[i, own] - scores[i, j]) / slope
    ratio = found / exact.min(axis=1)
    assert ratio.min() >= 1 - 1e-9
    assert np.median(ratio) <= 1.001
    # A row may stay with the second nearest class.
    assert np.mean(ratio <= 1.001) >= 0.8


# Votes of neighbours leave slivers of another class, which few questions find.
@pytest.mark.parametrize(
    ("model", "missed"),
    [
        (KNeighborsClassifier(algorithm="brute"), 0.03),
        (MLPClassifier((16,), max_iter=1000, random_state=0), 0.01),
        (DecisionTreeClassifier(random_state=0), 0.01),
    ],
    ids=["KNeighborsClassifier", "MLPClassifier", "DecisionTreeClassifier"],
)
def test_nothing_nearer_on_dense_rays_in_the_plane(model, missed):
    X, y = make_moons(400, noise=0.2, random_state=0)
    model.fit(X[:200], y[:200])
    rows = 200 + np.flatnonzero(model.predict(X[200:]) == y[200:])[:50]
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    found = CGBA().run(model, X[rows], y[rows], space=space, pool=X).distances
    angle = np.arange(360) * (2 * np.pi / 360)
    rays = np.column_stack([np.cos(angle), np.sin(angle)])
    disc = (np.linspace(0, 0.99, 100)[1:, None, None] * rays).reshape(-1, 2)
    nearer = [
        (model.predict(x + distance * disc) != label).any()
        for x, label, distance in zip(X[rows], y[rows], found, strict=True)
    ]
    assert np.mean(nearer) <= missed


def test_whole_numbers_against_every_point_of_the_lattice():
    """Three whole columns: all points of the lattice can be asked."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 12, size=(200, 3))
    y = (X @ [1.0, 0.6, -0.8] + rng.normal(size=200) > 4).astype(int)
    model = LogisticRegression().fit(X, y)
    lattice = np.stack(np.meshgrid(*[np.arange(12)] * 3), axis=-1).reshape(-1, 3)
    label = model.predict(lattice)
    rows = np.flatnonzero(model.predict(X) == y)[:60]
    space = FeatureSpace.from_data(X, bounds=(0, 11), scale=None)
    result = CGBA().run(model, X[rows], y[rows], space=space, pool=X)
    assert result.X_adv.dtype == X.dtype
    exact = [
        np.linalg.norm(lattice[label != own] - x, axis=1).min()
        for x, own in zip(X[rows], y[rows], strict=True)
    ]
    ratio = result.distances / exact
    assert ratio.min() >= 1 - 1e-12
    assert np.median(ratio) <= 1.1


def test_more_queries_come_nearer(digits):
    X, y, model = digits
    model = MLPClassifier((32,), max_iter=200, random_state=0).fit(X, y)
    rows = np.flatnonzero(model.predict(X) == y)[:30]
    space = FeatureSpace.from_data(X, bounds=(0, 1), scale=None)
    means = [
        CGBA(max_queries=q).run(model, X[rows], y[rows], space=space, pool=X).distances.mean()
        for q in (100, 300, 1000)
    ]
    assert (np.diff(means) < 0).all()


@pytest.mark.parametrize("max_queries", [500, 1000])
def test_many_features_take_fewer_queries_than_hop_skip_jump_does(digits, max_queries):
    X, y, _ = digits
    large = np.kron(X.reshape(-1, 8, 8), np.ones((3, 3))).reshape(len(X), -1)
    model = MLPClassifier((32,), max_iter=40, random_state=0).fit(large, y)
    rows = np.flatnonzero(model.predict(large) == y)[:15]
    space = FeatureSpace.from_data(large, bounds=(0, 1), scale=None)
    ours, theirs = (
        kind(max_queries=max_queries)
        .run(model, large[rows], y[rows], space=space, pool=large)
        .distances
        for kind in (CGBA, HopSkipJump)
    )
    assert np.median(ours / theirs) < 0.97


def test_the_arc_is_thales(cancer):
    """On a half space, one exact step ends at the foot of the perpendicular."""

    class Line:
        def predict(self, Z):
            return (Z[:, 0] > 1.0).astype(int)

    rows = FeatureSpace.from_data(np.zeros((1, 2)), bounds=None, scale=None).bind(np.zeros((1, 2)))
    labels = np.array([0])
    oracle = Oracle(Line().predict, rows, labels, LabelCoder(np.array([0, 1])))
    task = SearchTask(
        oracle, (np.zeros(2), np.ones(2)), np.zeros((0, 2)), labels[:0], labels[:0], 0.0, 0
    )
    point = np.array([[1.0, 2.0]]) * (1 + 1e-9)
    v = point / np.linalg.norm(point)
    sideways = np.array([[1.0, 0.0]]) - v[:, :1] * v
    sideways /= np.linalg.norm(sideways)
    angle, radius = np.array([0.6]), np.linalg.norm(point, axis=1)
    for _ in range(6):
        reached, distance, angle = semicircle_step(
            task, point, v, sideways, np.array([0]), radius, angle, 10
        )
    assert reached[0, 0] > 1.0
    assert distance == pytest.approx(np.linalg.norm(reached), rel=1e-15)
    assert oracle.best_distance <= distance
    assert np.linalg.norm(reached) == pytest.approx(1.0, abs=1e-3)


def test_targets_are_reached(digits):
    X, y, model = digits
    rows = np.flatnonzero(model.predict(X) == y)[:20]
    wanted = (y[rows] + 1) % 10
    space = FeatureSpace.from_data(X, bounds=(0, 1), scale=None)
    result = CGBA(targeted=True).run(model, X[rows], wanted, space=space, pool=X)
    assert (model.predict(result.X_adv) == wanted).all()
    free = CGBA().run(model, X[rows], y[rows], space=space, pool=X)
    assert (result.distances >= free.distances * 0.99).mean() >= 0.9
    same = CGBA(targeted=True).run(model, X[rows], y[rows], space=space, pool=X)
    assert (same.status == "already_right").all()
    assert (same.distances == 0).all()


def test_the_default_of_the_scores(cancer):
    X, y, model = cancer
    rows = np.flatnonzero(model.predict(X) == y)[:10]
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    found = adversarial_distances(model, X[rows], y[rows], space=space, certify=False)
    expected = CGBA().run(model, X[rows], y[rows], space=space, pool=X[rows]).distances
    np.testing.assert_array_equal(found, expected)


def test_walks_that_gain_on_thresholds_go_back_to_boxes():
    # Rows that only walked on had moved all thirty columns at the end.
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)
    model = RandomForestClassifier(15, max_depth=5, random_state=0).fit(X[:400], y[:400])
    rows = 400 + np.flatnonzero(model.predict(X[400:]) == y[400:])[:60]
    space = FeatureSpace.from_data(X, scale=None)
    found = CGBA(max_queries=1000).run(model, X[rows], y[rows], space=space, pool=X[400:])
    n_moved = np.count_nonzero(found.X_adv != X[rows], axis=1)
    assert n_moved.max() < 20

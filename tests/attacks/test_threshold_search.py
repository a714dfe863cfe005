"""Distances of tree models, against exact ones: leaves enumerated, stumps solved, moves tried."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.attacks import CGBA, FeatureSpace, ThresholdSearch, resolve_attack
from tests.grids import diagonal


def heavy_tailed(n, d, seed=0):
    """Rows with heavy tails, of two classes."""
    rng = np.random.default_rng(seed)
    X = np.exp(1.5 * rng.normal(size=(n, d))) * rng.choice([-1, 1], size=(n, d))
    y = (np.sign(X[:, :3]).sum(axis=1) + 0.3 * np.log(np.abs(X[:, 3])) > 0).astype(int)
    return X / X.std(axis=0), y


def right_rows(model, X, y, n):
    return np.flatnonzero(model.predict(X) == y)[:n]


def leaf_boxes(tree):
    """Return (low, high, label) of every leaf; x goes left where x <= threshold."""
    t, d = tree.tree_, tree.n_features_in_
    found, todo = [], [(0, np.full(d, -np.inf), np.full(d, np.inf))]
    while todo:
        node, low, high = todo.pop()
        if t.children_left[node] < 0:
            found.append((low, high, tree.classes_[t.value[node, 0].argmax()]))
            continue
        j, value = t.feature[node], t.threshold[node]
        left, right = high.copy(), low.copy()
        left[j], right[j] = min(high[j], value), max(low[j], value)
        todo += [(t.children_left[node], low, left), (t.children_right[node], right, high)]
    return found


@pytest.mark.parametrize(("norm", "name"), diagonal([2, 1, 0], ["threshold_search", "auto"]))
def test_the_nearest_leaf_of_a_tree(norm, name):
    attack = resolve_attack(name, norm=norm, max_queries=2000)
    X, y = heavy_tailed(600, 8)
    tree = DecisionTreeClassifier(max_leaf_nodes=12, random_state=0).fit(X, y)
    rows = right_rows(tree, X, y, 20)
    exact = np.full(len(rows), np.inf)
    for low, high, label in leaf_boxes(tree):
        gap = np.clip(X[rows], low, high) - X[rows]
        length = np.linalg.norm(gap, ord=norm, axis=1)
        exact = np.where(label != y[rows], np.minimum(exact, length), exact)
    space = FeatureSpace.from_data(X, scale=None)
    found = attack.run(tree, X[rows], y[rows], space=space, pool=X)
    assert found.success.all()
    assert (found.distances >= exact * (1 - 1e-9)).all()
    assert np.mean(found.distances <= 1.01 * exact) >= 0.95


class Stumps:
    """The sum of one step function a column; the clean row is the origin, at a score of -1."""

    def __init__(self, steps, heights):
        self.steps, self.heights = steps, heights

    def predict(self, X):
        beyond = X[:, :, None] >= self.steps
        return (-1 + (beyond * self.heights).sum(axis=(1, 2)) > 1e-9).astype(int)


@pytest.mark.parametrize("norm", [2, 1])
def test_sums_of_stumps(norm):
    """The cheapest set of steps that lifts the score above 0: all choices are tried."""
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(4):
        steps = np.sort(np.exp(rng.normal(size=(6, 2))) * 0.3, axis=1)
        heights = rng.uniform(0.1, 0.5, size=(6, 2))
        levels = np.stack(np.meshgrid(*[range(3)] * 6, indexing="ij"), axis=-1).reshape(-1, 6)
        cost = np.concatenate([np.zeros((6, 1)), steps], axis=1)
        gain = np.concatenate([np.zeros((6, 1)), np.cumsum(heights, axis=1)], axis=1)
        column = np.arange(6)
        enough = gain[column, levels].sum(axis=1) > 1 + 1e-9
        exact = np.linalg.norm(cost[column, levels], ord=norm, axis=1)[enough].min()
        X = np.zeros((1, 6))
        pool = np.concatenate([X, rng.uniform(2, 6, size=(30, 6))])
        space = FeatureSpace.from_data(pool, bounds=(-6, 6), scale=None)
        found = ThresholdSearch(norm=norm).run(
            Stumps(steps, heights), X, [0], space=space, pool=pool
        )
        ratios.append(found.distances[0] / exact)
    assert min(ratios) >= 1 - 1e-9
    assert np.mean(np.array(ratios) <= 1.01) >= 0.75 and max(ratios) <= 1.25


def test_a_small_forest_against_all_moves_of_three_columns():
    """The thresholds of a forest are known: no move of up to three columns is much nearer."""
    X, y = heavy_tailed(500, 5, seed=1)
    forest = RandomForestClassifier(n_estimators=5, max_depth=3, random_state=0).fit(X, y)
    rows = right_rows(forest, X, y, 12)
    cuts = [np.zeros(0) for _ in range(5)]
    for tree in forest.estimators_:
        inner = tree.tree_.feature >= 0
        for j, value in zip(tree.tree_.feature[inner], tree.tree_.threshold[inner], strict=True):
            cuts[j] = np.append(cuts[j], value)
    space = FeatureSpace.from_data(X, scale=None)
    found = CGBA().run(forest, X[rows], y[rows], space=space, pool=X)
    best = np.full(len(rows), np.inf)
    for i, r in enumerate(rows):
        for chosen in combinations(range(5), 3):
            values = [
                np.unique(np.append(X[r, j], [*(cuts[j] - 1e-9), *(cuts[j] + 1e-9)]))
                for j in chosen
            ]
            values = [
                np.clip(v, X[:, j].min(), X[:, j].max())
                for v, j in zip(values, chosen, strict=True)
            ]
            moves = np.stack(np.meshgrid(*values), axis=-1).reshape(-1, 3)
            Z = np.repeat(X[[r]], len(moves), axis=0)
            Z[:, chosen] = moves
            wrong = forest.predict(Z) != y[r]
            if wrong.any():
                best[i] = min(best[i], np.linalg.norm(Z[wrong] - X[r], axis=1).min())
    ratio = found.distances / best
    assert np.mean(ratio <= 1.01) >= 0.8 and ratio.max() <= 1.3


class Recorder:
    """Notes what a model is asked."""

    def __init__(self, model):
        self.model, self.asked = model, []

    def predict(self, X):
        self.asked.append(np.array(X))
        return self.model.predict(X)


@pytest.fixture(scope="module")
def boosted():
    X, y = heavy_tailed(600, 10, seed=2)
    model = GradientBoostingClassifier(n_estimators=15, random_state=0).fit(X, y)
    return X, y, model, right_rows(model, X, y, 12)


@pytest.mark.parametrize("kind", [ThresholdSearch, CGBA])
def test_more_budget_never_leads_to_a_farther_row(boosted, kind):
    X, y, model, rows = boosted
    space, before = FeatureSpace.from_data(X, scale=None), np.full(len(rows), np.inf)
    for budget in (100, 300, 1000):
        found = kind(max_queries=budget).run(model, X[rows], y[rows], space=space, pool=X)
        assert (found.distances <= before * (1 + 1e-9)).all()
        assert (found.n_queries <= budget).all()
        before = found.distances


@pytest.mark.parametrize(("kind", "norm"), [(ThresholdSearch, 1), (ThresholdSearch, 0), (CGBA, 2)])
def test_a_row_does_not_depend_on_its_neighbours(boosted, kind, norm):
    X, y, model, rows = boosted
    space = FeatureSpace.from_data(X, scale=None)
    attack = kind(norm=norm, max_queries=500)
    together = attack.run(model, X[rows], y[rows], space=space, pool=X)
    for i in (0, 5, 11):
        alone = attack.run(model, X[rows[[i]]], y[rows[[i]]], space=space, pool=X)
        np.testing.assert_array_equal(alone.X_adv[0], together.X_adv[i])


def test_few_calls_serve_all_rows(boosted, no_check_of_repeats):
    X, y, model, rows = boosted
    asked = Recorder(model)
    ThresholdSearch().run(asked, X[rows], y[rows], pool=X)
    assert len(asked.asked) <= 200


def test_the_order_of_the_columns_does_not_matter(boosted):
    X, y, model, rows = boosted
    order = np.random.default_rng(0).permutation(X.shape[1])
    back = np.argsort(order)

    class Shuffled:
        def predict(self, Z):
            return model.predict(Z[:, back])

    def near(model, X):
        space = FeatureSpace.from_data(X, scale=None)
        return ThresholdSearch().run(model, X[rows], y[rows], space=space, pool=X).distances

    plain, shuffled = near(model, X), near(Shuffled(), X[:, order])
    # Other draws, the same search: most rows end at the same place.
    assert np.mean(np.abs(plain / shuffled - 1) <= 0.01) >= 0.6


def test_immutable_and_whole_columns_are_respected(boosted):
    X, y, _, _ = boosted
    X = np.round(5 * X).astype(int)
    model = RandomForestClassifier(n_estimators=10, max_depth=4, random_state=0).fit(X, y)
    rows = right_rows(model, X, y, 12)
    space = FeatureSpace.from_data(X, mutable=[0, 1, 2, 5, 6, 7])
    for norm in (2, 1, 0):
        found = ThresholdSearch(norm=norm).run(model, X[rows], y[rows], space=space, pool=X)
        moved = found.X_adv - X[rows]
        assert (moved[:, [3, 4, 8, 9]] == 0).all()
        assert found.X_adv.dtype == X.dtype
        good = found.success
        assert good.any()
        assert (model.predict(found.X_adv[good]) != y[rows[good]]).all()


def test_norms():
    assert type(resolve_attack("auto", norm=1)) is ThresholdSearch
    assert type(resolve_attack("auto", norm=0)) is ThresholdSearch
    assert type(resolve_attack("auto", norm=2)) is CGBA
    with pytest.raises(ValueError, match="For norm=inf use RayS"):
        resolve_attack("threshold_search", norm=np.inf)
    with pytest.raises(ValueError, match="For norm=1 use ThresholdSearch"):
        CGBA(norm=1)._check_parameters()


@pytest.mark.parametrize("bounds", [None, "data"])
def test_a_slope_is_followed_along_its_steepest_columns(bounds):
    """In L1 the nearest row of a linear model fills its columns up, the steepest one first."""
    X, y = load_breast_cancer(return_X_y=True)
    X = X / X.std(axis=0)
    model = LogisticRegression(max_iter=5000).fit(X, y)
    rows = np.flatnonzero(model.predict(X) == y)[::20]
    space = FeatureSpace.from_data(X, bounds=bounds, scale=None)
    found = ThresholdSearch(norm=1).run(model, X[rows], y[rows], space=space, pool=X).distances
    slope, margin = model.coef_[0], model.decision_function(X[rows])
    away = -np.sign(margin)[:, None] * np.sign(slope)
    room = np.where(away > 0, X.max(axis=0) - X[rows], X[rows] - X.min(axis=0))
    order = np.argsort(-np.abs(slope))
    steep = np.abs(slope)[order]
    room = room[:, order] if bounds else np.full(room.shape, np.inf)
    gone = np.cumsum(np.hstack([np.zeros((len(rows), 1)), room * steep]), axis=1)[:, :-1]
    exact = np.clip((np.abs(margin)[:, None] - gone) / steep, 0, room).sum(axis=1)
    assert (found >= exact * (1 - 1e-9)).all()
    assert np.median(found / exact) < 1.01

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.attacks import CGBA, FeatureSpace, ScoreSearch, resolve_attack


def nearest_leaf(tree, x, y, lo, hi, order):
    """Return the distance to the nearest leaf of another label, from the tree's own arrays."""
    inner, best = tree.tree_, np.inf
    stack = [(0, lo.copy(), hi.copy())]
    while stack:
        node, low, high = stack.pop()
        if inner.children_left[node] < 0:
            if tree.classes_[inner.value[node, 0].argmax()] != y and (low <= high).all():
                gap = np.maximum(np.maximum(low - x, x - high), 0)
                best = min(best, np.linalg.norm(gap, order))
            continue
        j, threshold = inner.feature[node], inner.threshold[node]
        left, right = high.copy(), low.copy()
        left[j] = min(high[j], threshold)
        right[j] = max(low[j], np.nextafter(threshold, np.inf))
        stack += [(inner.children_left[node], low, left), (inner.children_right[node], right, high)]
    return best


@pytest.mark.parametrize("order", [1, 2, np.inf])
def test_exact_on_a_tree(cancer_rows, order):
    X, y = cancer_rows
    tree = DecisionTreeClassifier(max_depth=6, random_state=0).fit(X, y)
    rows = np.flatnonzero(tree.predict(X) == y)[::30]
    space = FeatureSpace.from_data(X, scale=None)
    attack = ScoreSearch(norm=order, max_queries=600)
    found = attack.run(tree, X[rows], y[rows], pool=X, space=space)
    lo, hi = X.min(axis=0), X.max(axis=0)
    exact = [nearest_leaf(tree, X[i], y[i], lo, hi, order) for i in rows]
    ratio = found.distances / exact
    assert ratio.min() > 1 - 1e-6
    assert np.median(ratio) < 1.001


@pytest.mark.parametrize("order", [1, 2, np.inf])
def test_near_the_exact_distance_on_a_linear_model(cancer_rows, order):
    X, y = cancer_rows
    model = LogisticRegression(C=0.1).fit(X, y)
    rows = np.flatnonzero(model.predict(X) == y)[::60]
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    attack = ScoreSearch(norm=order, max_queries=500)
    found = attack.run(model, X[rows], y[rows], pool=X, space=space)
    dual = {1: np.inf, 2: 2, np.inf: 1}[order]
    exact = np.abs(model.decision_function(X[rows])) / np.linalg.norm(model.coef_[0], dual)
    ratio = found.distances / exact
    assert ratio.min() > 1 - 1e-9
    assert ratio.max() < 1.02


def test_close_to_labels_on_boosted_trees_with_few_queries(cancer_rows):
    X, y = cancer_rows
    model = GradientBoostingClassifier(n_estimators=30, random_state=0).fit(X[::2], y[::2])
    rows = np.flatnonzero(model.predict(X) == y)[::25]
    run = {"pool": X, "space": FeatureSpace.from_data(X, scale=None)}
    scores = ScoreSearch(max_queries=400).run(model, X[rows], y[rows], **run)
    labels = CGBA(max_queries=400).run(model, X[rows], y[rows], **run)
    assert np.median(scores.distances / labels.distances) < 1.05


@pytest.mark.parametrize("model", [RandomForestClassifier(9, random_state=0), GaussianNB()])
@pytest.mark.parametrize("order", [1, 2, np.inf])
def test_longer_searches_begin_like_shorter_ones(monkeypatch, model, order):
    from specreg_sklearn.attacks.questions import Margins

    X, y = load_iris(return_X_y=True)
    model.fit(X, y)
    rows = np.flatnonzero(model.predict(X) == y)[::20]
    asked, ask = [], Margins.ask

    def recorded(self, Z, owner, rival=None):
        asked.extend((int(i), z.tobytes()) for z, i in zip(Z, owner, strict=True))
        return ask(self, Z, owner, rival)

    monkeypatch.setattr(Margins, "ask", recorded)
    runs, distances = [], []
    for budget in (120, 250):
        asked.clear()
        found = ScoreSearch(norm=order, max_queries=budget).run(model, X[rows], y[rows], pool=X)
        runs.append([[z for k, z in asked if k == i] for i in range(len(rows))])
        distances.append(found.distances)
    for short, long in zip(*runs, strict=True):
        assert short == long[: len(short)]
    assert (distances[1] <= distances[0]).all()


def test_budget_counts_scores_and_labels(cancer_rows, no_check_of_repeats):
    X, y = cancer_rows
    model = RandomForestClassifier(5, random_state=0).fit(X, y)
    counts = []

    class Counting:
        classes_ = model.classes_

        def predict(self, X):
            counts.append(len(X))
            return model.predict(X)

        def predict_proba(self, X):
            counts.append(len(X))
            return model.predict_proba(X)

    found = ScoreSearch(max_queries=150).run(Counting(), X[:1], y[:1], pool=X)
    free = 1 + len(X)
    # Verification fills blocks up with clean rows, which cost nothing.
    assert found.n_queries.max() <= 150
    assert sum(counts) - free >= found.n_queries.sum()
    assert sum(counts) - free - found.n_queries.sum() <= 4 * 64


def test_whole_numbers_and_fixed_columns():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 10, size=(300, 6)).astype(float)
    y = (X[:, 0] + X[:, 1] > 9).astype(int)
    model = GradientBoostingClassifier(n_estimators=20, random_state=0).fit(X, y)
    space = FeatureSpace.from_data(X, mutable=[0, 2, 3], types={0: "integer", 2: "integer"})
    rows = np.flatnonzero(model.predict(X) == y)[:20]
    found = ScoreSearch(max_queries=200).run(model, X[rows], y[rows], space=space, pool=X)
    moved = found.X_adv - X[rows]
    assert (moved[:, [1, 4, 5]] == 0).all()
    assert (found.X_adv[:, [0, 2]] % 1 == 0).all()
    assert found.success.mean() > 0.5


def test_predict_has_the_last_word(cancer_rows):
    """Scores and predict of an SVC disagree near the boundary: predict does not call scores."""
    X, y = cancer_rows

    class Shifted(SVC):
        def decision_function(self, X):
            return super().decision_function(X) + 0.3

    model = Shifted(gamma=0.02, random_state=0).fit(X, y)
    rows = np.flatnonzero(model.predict(X) == y)[::40]
    found = ScoreSearch(max_queries=300).run(model, X[rows], y[rows], pool=X)
    assert found.success.all()
    assert (model.predict(found.X_adv) != y[rows]).all()


def test_draws_of_votes():
    X, y = load_breast_cancer(return_X_y=True)
    model = RandomForestClassifier(4, random_state=0).fit(X, y)
    rows = np.flatnonzero(model.predict(X) == y)[::40]
    found = ScoreSearch(max_queries=300).run(model, X[rows], y[rows], pool=X)
    assert found.success.all()
    assert (model.predict(found.X_adv) != y[rows]).all()


def test_rows_without_a_start_are_searched_from_where_they_are():
    """No row of data fools the model once the first column is held; a move of the second does."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2)) * [1, 0.01]

    class Model:
        classes_ = np.array([0, 1])

        def decision_function(self, X):
            return np.where(np.abs(X[:, 0]) > 9, 1.0, 5 * X[:, 1] - 1)

        def predict(self, X):
            return (self.decision_function(X) > 0).astype(int)

    space = FeatureSpace.from_data(X, bounds=(-1, 1), scale=None, mutable=[1])
    y = np.zeros(5, dtype=int)
    found = ScoreSearch(max_queries=200, starts=X[:5]).run(Model(), X[:5], y, space=space)
    np.testing.assert_allclose(found.distances, 0.2 - X[:5, 1], rtol=1e-3)


def test_eps_stops_early(cancer_rows):
    X, y = cancer_rows
    model = RandomForestClassifier(10, random_state=0).fit(X, y)
    rows = np.flatnonzero(model.predict(X) == y)[::40]
    found = ScoreSearch().run(model, X[rows], y[rows], pool=X, eps=3.0)
    assert (found.status == "stopped_at_eps").any()
    assert found.n_queries[found.status == "stopped_at_eps"].max() < 1000


def test_models_without_scores_are_refused(cancer_rows):
    X, y = cancer_rows

    class Labels:
        def __init__(self, model):
            self.predict = model.predict

    model = Labels(Perceptron().fit(X, y))
    with pytest.raises(TypeError, match="neither decision_function nor predict_proba"):
        ScoreSearch().run(model, X[:5], y[:5])
    with pytest.raises(ValueError, match="scores='proba' is not one of"):
        resolve_attack("scores", scores="proba")


def test_registered():
    assert isinstance(resolve_attack("scores", norm=1), ScoreSearch)

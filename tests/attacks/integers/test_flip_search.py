"""Fewest flips and cheapest unit steps, against enumeration, sorting and a MILP."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import lil_matrix
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from specreg_sklearn.attacks import CGBA, BlackBoxAttack, FeatureSpace, RayS
from specreg_sklearn.attacks.integers import FlipSearch, IntegerCubeSearch, improve
from specreg_sklearn.attacks.questions import NO_LIMIT, Oracle, SearchTask, StartPool
from specreg_sklearn.tables import LabelCoder
from tests.grids import diagonal

MODELS = {
    "logistic": LogisticRegression(max_iter=1000),
    "forest": RandomForestClassifier(15, max_depth=6, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=30, random_state=0),
}


class Flips(BlackBoxAttack):
    """The search alone, in any norm that it knows."""

    _norms = (0, 1, 2)

    def _search(self, task):
        FlipSearch(task).search(task.active())


class Model:
    """A model given by its labels; it notes what is asked."""

    def __init__(self, labels):
        self.labels, self.asked = labels, []

    def predict(self, X):
        self.asked.append(np.array(X))
        return self.labels(X)


def flags(n_columns, seed=0):
    """Return a table of zeros and ones, and labels that depend on pairs as well."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(900, 8))
    level = hidden @ rng.normal(size=(8, n_columns)) + rng.normal(size=(900, n_columns))
    X = (level > np.quantile(level, rng.uniform(0.3, 0.9, n_columns))).astype(int)
    score = X @ rng.normal(size=n_columns) + 2 * X[:, 0] * X[:, 1] - 2 * X[:, 2] * X[:, 3]
    return X, (score > np.median(score)).astype(int)


def correct_rows(model, X, y, n):
    return np.flatnonzero(model.predict(X) == y)[:n]


def fewest_flips(model, x, y, most):
    """Return the least number of flips that fools the model, by trying all up to `most`."""
    for k in range(1, most + 1):
        chosen = np.array(list(combinations(range(len(x)), k)))
        tried = np.repeat(x[None], len(chosen), axis=0)
        np.put_along_axis(tried, chosen, 1 - np.take_along_axis(tried, chosen, 1), 1)
        if (model.predict(tried) != y).any():
            return k
    return most + 1


def task_for(model, X, y, rows, *, norm=2, limit=NO_LIMIT, scale=None):
    """Return the task of some rows of a table that is its own pool."""
    space = FeatureSpace.from_data(X, scale=scale)
    clean, pool = space.bind(X[rows]), StartPool(space.bind(X), model.predict(X))
    oracle = Oracle(model.predict, clean, y[rows], LabelCoder(np.array([0, 1])), norm=norm)
    oracle.limit = limit
    starts, owner, group = pool.nearest(clean.x, clean.missing, y[rows], 9, False)
    fooled = oracle.decide(starts, owner)
    task = (oracle, pool.reach, starts[fooled], owner[fooled], group[fooled], 0.0)
    return SearchTask(*task, seed=0, pool=pool)


@pytest.mark.parametrize("name", MODELS)
def test_the_fewest_flips_of_small_tables_are_found(name):
    X, y = flags(24)
    model = MODELS[name].fit(X[:600], y[:600])
    rows = 600 + correct_rows(model, X[600:], y[600:], 30)
    space = FeatureSpace.from_data(X, scale=None)
    found = CGBA().run(model, X[rows], y[rows], pool=X[:600], space=space)
    n_flips = (found.X_adv != X[rows]).sum(axis=1)
    fewest = np.array([fewest_flips(model, X[i], y[i], 3) for i in rows])
    known = fewest <= 3
    assert known.sum() > 20
    np.testing.assert_array_equal(n_flips[known], fewest[known])


def test_a_linear_model_loses_its_heaviest_flags():
    X, y = flags(120, seed=3)
    model = MODELS["logistic"].fit(X, y)
    rows = correct_rows(model, X, y, 40)
    score = model.decision_function(X[rows])
    gain = -np.sign(score)[:, None] * model.coef_ * (1 - 2 * X[rows])
    total = np.cumsum(-np.sort(-gain, axis=1), axis=1)
    fewest = (total >= np.abs(score)[:, None]).argmax(axis=1) + 1
    space = FeatureSpace.from_data(X, scale=None)
    found = CGBA().run(model, X[rows], y[rows], space=space, pool=X)
    n_flips = (found.X_adv != X[rows]).sum(axis=1)
    assert (n_flips >= fewest).all()
    assert (n_flips == fewest).mean() >= 0.92


def leaves(tree, value):
    """Return the flags that each leaf asks for, {column: 0 or 1}, and its value."""
    found, stack = [], [(0, {})]
    while stack:
        node, asked = stack.pop()
        if tree.children_left[node] < 0:
            found.append((asked, value[node]))
            continue
        for side, child in enumerate((tree.children_left, tree.children_right)):
            stack.append((child[node], {**asked, int(tree.feature[node]): side}))
    return found


def fewest_by_milp(forest, x, y):
    """Return the least number of flips for a forest of probabilities, by a MILP."""
    trees = [e.tree_ for e in forest.estimators_]
    score = [t.value[:, 0, 1] / t.value[:, 0].sum(axis=1) - 0.5 for t in trees]
    all_leaves = [leaves(t, s) for t, s in zip(trees, score, strict=True)]
    d, n_leaves = len(x), sum(map(len, all_leaves))
    # A tree ends in one leaf: all leaves that want another flag than the row's share one bound,
    # the flip, and all that want the row's share another. One bound for each leaf is far looser.
    sides = {(k, j, side) for k, t in enumerate(all_leaves) for a, _ in t for j, side in a.items()}
    place = {key: len(trees) + i for i, key in enumerate(sorted(sides))}
    A = lil_matrix((len(trees) + len(place) + 1, d + n_leaves))
    low, high = np.full(A.shape[0], -np.inf), np.zeros(A.shape[0])
    for (_, j, side), row in place.items():
        A[row, j], high[row] = (1, 1) if side == x[j] else (-1, 0)
    column, sign = d, 1 if y else -1
    for k, tree in enumerate(all_leaves):
        low[k] = high[k] = 1
        for wanted, value in tree:
            A[k, column], A[-1, column] = 1, sign * value
            for j, side in wanted.items():
                A[place[k, j, side], column] = 1
            column += 1
    high[-1] = -1e-6
    cost = np.concatenate([np.ones(d), np.zeros(n_leaves)])
    answer = milp(
        cost,
        constraints=LinearConstraint(A.tocsr(), low, high),
        integrality=cost,
        bounds=Bounds(0, 1),
    )
    assert answer.success
    return round(answer.fun)


@pytest.mark.slow
def test_the_fewest_flips_of_a_forest_are_those_of_a_milp():
    X, y = flags(150, seed=5)
    forest = RandomForestClassifier(10, max_depth=5, random_state=0).fit(X, y)
    rows = correct_rows(forest, X, y, 30)
    fewest = np.array([fewest_by_milp(forest, X[i], y[i]) for i in rows])
    space = FeatureSpace.from_data(X, scale=None)
    for budget, share in ((1000, 0.92), (3000, 0.96)):
        found = CGBA(max_queries=budget).run(forest, X[rows], y[rows], space=space, pool=X)
        n_flips = (found.X_adv != X[rows]).sum(axis=1)
        assert (n_flips >= fewest).all()
        assert (n_flips == fewest).mean() >= share


@pytest.mark.parametrize(("norm", "scale"), diagonal([0, 1, 2, np.inf], [None, "std"]))
def test_whole_numbers_take_the_cheapest_steps(norm, scale):
    rng = np.random.default_rng(1)
    width = np.array([2, 3, 5, 7, 9])
    X = rng.integers(0, width, (400, 5))
    score = X @ np.array([1.0, -0.8, 0.5, -0.4, 0.2]) + (X[:, 0] > 0) * (X[:, 2] > 2)
    y = (score > np.median(score)).astype(int)
    model = RandomForestClassifier(15, random_state=0).fit(X, y)
    rows = correct_rows(model, X, y, 10)
    space = FeatureSpace.from_data(X, scale=scale)
    every = np.array(list(product(*map(range, width))))
    label = model.predict(every)
    exact = [
        np.linalg.norm((every[label != y[i]] - X[i]) / space.scale, ord=norm, axis=1).min()
        for i in rows
    ]
    attack = RayS() if norm == np.inf else Flips(norm=norm)
    found = attack.run(model, X[rows], y[rows], space=space)
    np.testing.assert_allclose(found.distances, exact)


@pytest.mark.parametrize("search", [FlipSearch, IntegerCubeSearch])
def test_no_row_is_asked_twice_and_none_beyond_its_budget(search):
    X, y = flags(60)
    model = MODELS["forest"].fit(X, y)
    rows = correct_rows(model, X, y, 1)
    noting = Model(model.predict)
    norm = np.inf if search is IntegerCubeSearch else 2
    task = task_for(noting, X, y, rows, norm=norm, limit=700, scale="std")
    noting.asked.clear()
    before = int(task.oracle.n_queries[0])
    search(task).search(np.arange(1))
    asked = np.concatenate(noting.asked)
    assert len(asked) == task.oracle.n_queries[0] - before <= 700
    # The starts were asked about before the search, and may come up once more.
    assert len(np.unique(asked, axis=0)) == len(asked)
    assert (asked != X[rows]).any(axis=1).all()


@pytest.mark.parametrize("search", [FlipSearch, IntegerCubeSearch])
def test_a_shorter_budget_asks_the_first_questions_of_a_longer_one(search):
    X, y = flags(60)
    model = MODELS["logistic"].fit(X, y)
    rows = correct_rows(model, X, y, 4)
    norm, asked, nearest = np.inf if search is IntegerCubeSearch else 1, [], []
    for limit in (30, 400):
        noting = Model(model.predict)
        task = task_for(noting, X, y, rows, norm=norm, limit=limit, scale="std")
        noting.asked.clear()
        search(task).search(np.arange(1))
        asked.append(np.concatenate(noting.asked))
        nearest.append(task.oracle.best_distance[0])
    short, long = asked
    assert len(short) < len(long)
    np.testing.assert_array_equal(short, long[: len(short)])
    assert nearest[1] <= nearest[0]


def test_a_row_does_not_depend_on_its_neighbours():
    X, y = flags(50)
    model = MODELS["boosting"].fit(X, y)
    rows = correct_rows(model, X, y, 12)
    together = task_for(model, X, y, rows, limit=300)
    FlipSearch(together).search(np.arange(12))
    for k in (0, 5, 11):
        alone = task_for(model, X, y, rows[[k]], limit=300)
        FlipSearch(alone).search(np.arange(1))
        np.testing.assert_array_equal(alone.oracle.best[0], together.oracle.best[k])
        assert alone.oracle.n_queries[0] == together.oracle.n_queries[k]


def test_a_search_goes_on_where_it_stopped():
    X, y = flags(60)
    model = MODELS["logistic"].fit(X, y)
    rows = correct_rows(model, X, y, 8)
    task = task_for(model, X, y, rows)
    search, distances = FlipSearch(task), []
    for until in (150, 400, 800):
        search.search(np.arange(8), until)
        distances.append(task.oracle.best_distance.copy())
        # A round and the strips after it are not cut in the middle.
        assert (task.oracle.n_queries <= until + 100).all()
    assert (distances[1] <= distances[0]).all()
    assert (distances[2] <= distances[1]).all()


@pytest.mark.parametrize("attack", [CGBA(max_queries=None), RayS(max_queries=None)])
def test_one_flip_ends_a_search_at_once(attack):
    X, _ = flags(30)
    noting = Model(lambda X: X[:, 4])
    space = FeatureSpace.from_data(X, scale=None)
    found = attack.run(noting, X[:5], X[:5, 4], pool=X, space=space)
    np.testing.assert_array_equal((found.X_adv != X[:5]).sum(axis=1) >= 1, True)
    np.testing.assert_array_equal(found.distances, 1.0)
    assert found.n_queries.max() < 200


def test_without_a_budget_a_search_ends():
    X, y = flags(40)
    model = MODELS["forest"].fit(X, y)
    rows = correct_rows(model, X, y, 3)
    task = task_for(model, X, y, rows, scale="std")
    FlipSearch(task).search(np.arange(3))
    assert task.oracle.n_queries.max() < 10_000


def test_whole_numbers_of_a_mixed_table_are_improved():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 2, (300, 6)), rng.normal(size=(300, 2))])
    space = FeatureSpace.from_data(X, scale=None, types=["integer"] * 6 + ["real"] * 2)
    model = Model(lambda X: ((X[:, :6].sum(axis=1) >= 3) | (X[:, 0] > 0)).astype(int))
    clean = space.bind(np.zeros((1, 8)))
    oracle = Oracle(model.predict, clean, np.array([0]), LabelCoder(np.array([0, 1])), norm=1)
    start = np.array([[0.0, 1, 1, 1, 0, 0, 0.25, 0]])
    assert oracle.decide(start, np.array([0])).all()
    reach = np.full(8, -1.0), np.full(8, 2.0)
    task = SearchTask(oracle, reach, start, np.array([0]), np.array([1]), 0.0, seed=0)
    assert not FlipSearch.applies(task)
    improve(task, np.array([0]), 200)
    np.testing.assert_array_equal(oracle.best[0], [1, 0, 0, 0, 0, 0, 0, 0])

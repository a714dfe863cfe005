"""Columns that may only grow or only shrink, from row to row."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn import FeatureSpace
from specreg_sklearn.attacks import CGBA, resolve_attack
from specreg_sklearn.metrics import adversarial_band

UP, DOWN = [0, 3], [1]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(400, 5))
    return X, (X @ [2.0, 1.0, -1.0, 0.5, 1.5] + 0.3 * rng.normal(size=400) > 0).astype(int)


def both_ways(X, **options):
    one_way = {"increase_only": UP, "decrease_only": DOWN}
    return [FeatureSpace.from_data(X, scale=None, **options, **way) for way in ({}, one_way)]


def check_ways(X, moved):
    steps = np.asarray(moved, dtype=float) - np.asarray(X, dtype=float)
    assert (steps[:, UP] >= 0).all() and (steps[:, DOWN] <= 0).all()
    return steps


@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_the_nearest_row_of_a_linear_model(table, norm):
    """Only columns whose sign is allowed count, so the exact distance is that of a smaller model.

    Distances are the margin over the dual norm of the weights that can be used.
    """
    X, y = table
    model = LogisticRegression().fit(X, y)
    rows = np.flatnonzero(model.predict(X) == y)[:30]
    margin, w = model.decision_function(X[rows]), model.coef_[0]
    usable = np.tile(w, (len(rows), 1))
    towards = -np.sign(margin)[:, None] * usable
    usable[:, UP] *= towards[:, UP] > 0
    usable[:, DOWN] *= towards[:, DOWN] < 0
    dual = {1: np.inf, 2: 2, np.inf: 1}[norm]
    exact = np.abs(margin) / np.linalg.norm(usable, ord=dual, axis=1)
    space = both_ways(X, bounds=None)[1]
    attack = resolve_attack("auto", norm=norm, max_queries=1000)
    found = attack.run(model, X[rows], y[rows], space=space, pool=X)
    check_ways(X[rows], found.X_adv)
    assert found.success.all() and (found.distances >= exact * (1 - 1e-9)).all()
    assert np.median(found.distances / exact) < 1.02


@pytest.fixture(scope="module")
def cells():
    """Eight columns of breast cancer, boosted trees, and a space inside another."""
    X, y = load_breast_cancer(return_X_y=True)
    X = X[:, :8]
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(X, y)
    wide = FeatureSpace.from_data(X)
    narrow = FeatureSpace.from_data(X, increase_only=[0, 1, 2], decrease_only=[3, 4])
    return X, model, wide, narrow


@pytest.mark.slow
@pytest.mark.parametrize("norm", [2, np.inf])
def test_ways_only_make_proved_distances_larger(cells, norm):
    X, model, wide, narrow = cells
    some = X[:200]
    bands = [
        adversarial_band(
            model, some, model.predict(some), space=space, norm=norm, max_samples="all"
        )
        for space in (wide, narrow)
    ]
    assert all(band.closed.all() for band in bands)
    assert (bands[1].lower >= bands[0].lower * (1 - 1e-9)).all()
    assert (bands[1].upper >= bands[0].upper * (1 - 1e-9)).all()
    assert (bands[1].upper > bands[0].upper * 1.01).mean() > 0.5


def test_an_attack_that_starts_from_rows_of_the_smaller_space_is_never_farther(cells):
    """A short search finds some rows in the smaller space only, which has fewer ways to look."""
    X, model, wide, narrow = cells
    some = X[:200]
    labels = model.predict(some)
    inside = CGBA(max_queries=100).run(model, some, labels, space=narrow, pool=X)
    kept = np.flatnonzero(inside.success)
    some, labels, near = some[kept], labels[kept], inside.distances[kept]
    afresh = CGBA(max_queries=100).run(model, some, labels, space=wide, pool=X)
    assert (afresh.distances > near * 1.01).any()
    attack = CGBA(max_queries=100, starts=inside.X_adv[kept])
    found = attack.run(model, some, labels, space=wide, pool=X)
    assert len(kept) > 100 and (found.distances <= near * (1 + 1e-9)).all()


@pytest.mark.filterwarnings("ignore:.*no adversarial row to start from")
@pytest.mark.parametrize("name", ["hop_skip_jump", "tangent", "square", "scores", "strongest"])
def test_every_attack_keeps_to_the_ways(table, name):
    X, y = table
    model = LogisticRegression().fit(X, y)
    space = both_ways(X)[1]
    attack = resolve_attack(name, max_queries=150)
    found = attack.run(model, X[:25], y[:25], space=space, pool=X, eps=1.5)
    assert found.success.sum() > 5
    check_ways(X[:25][found.success], found.X_adv[found.success])


def test_the_nearest_leaf_that_can_be_reached(table):
    """Every leaf is a box; what a row can reach is one too."""
    X, y = table
    tree = DecisionTreeClassifier(max_leaf_nodes=12, random_state=0).fit(X, y)
    rows = np.flatnonzero(tree.predict(X) == y)[:60]
    space = both_ways(X)[1]
    bound = space.bind(X[rows])
    exact = np.full(len(rows), np.inf)
    todo = [(0, np.full(5, -np.inf), np.full(5, np.inf))]
    while todo:
        node, low, high = todo.pop()
        t = tree.tree_
        if t.children_left[node] >= 0:
            j, cut = t.feature[node], t.threshold[node]
            left, right = high.copy(), low.copy()
            left[j], right[j] = min(high[j], cut), max(low[j], cut)
            todo += [(t.children_left[node], low, left), (t.children_right[node], right, high)]
            continue
        lo, hi = np.maximum(bound.lo, low), np.minimum(bound.hi, high)
        gap = np.linalg.norm(np.clip(X[rows], lo, hi) - X[rows], axis=1)
        fits = (lo <= hi).all(axis=1) & (t.value[node, 0].argmax() != y[rows])
        exact = np.where(fits, np.minimum(exact, gap), exact)
    attack = resolve_attack("auto", max_queries=600)
    found = attack.run(tree, X[rows], y[rows], space=space, pool=X)
    check_ways(X[rows], found.X_adv)
    assert (found.distances >= exact * (1 - 1e-9)).all()
    assert np.mean(found.distances <= 1.01 * exact) >= 0.95


@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
def test_frames_whole_numbers_flags_and_missing_cells(library):
    data = {
        "age": [20, 30, 40],
        "account": [2**60 + 1, 2**60 + 8, 2**60 + 3],
        "paid": [True, False, True],
        "debt": [1.5, None, 4.0],
        "town": ["a", "b", "c"],
    }
    frame = library.DataFrame(data)
    space = FeatureSpace.from_data(
        frame,
        mutable=["age", "account", "paid", "debt"],
        bounds=None,
        scale=None,
        increase_only=["age", "account", "paid"],
        decrease_only=["debt"],
    )
    assert "increase_only=3, decrease_only=1" in repr(space)
    space = pickle.loads(pickle.dumps(space))
    Z = space.to_coordinates(frame)
    lower, higher = space.materialise(Z - 2.0, frame), space.materialise(Z + 2.0, frame)
    assert all(list(lower[name]) == data[name] for name in ("age", "account", "paid"))
    assert [c if c == c else None for c in lower["debt"]] == [-0.5, None, 2.0]
    for name in ("age", "account"):
        assert list(higher[name]) == [cell + 2 for cell in data[name]]
    assert list(higher["paid"]) == [True, True, True]
    assert [c if c == c else None for c in higher["debt"]] == data["debt"]
    assert lower["age"].dtype == frame["age"].dtype and lower["paid"].dtype == frame["paid"].dtype


def test_rows_outside_the_bounds_stay_on_their_side():
    """The box of such a row reaches to its own value, and the way decides whether it may leave."""
    space = FeatureSpace.from_data([[0.0], [1.0]], scale=None, increase_only=[0])
    rows = space.bind([[5.0], [0.25], [-3.0]])
    np.testing.assert_array_equal(rows.lo[:, 0], [5.0, 0.25, -3.0])
    np.testing.assert_array_equal(rows.hi[:, 0], [5.0, 1.0, 1.0])
    np.testing.assert_array_equal(rows.take(np.array([2, 1])).lo[:, 0], [-3.0, 0.25])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"increase_only": ["wage"]}, "increase_only names the unknown column 'wage'"),
        ({"increase_only": "age"}, r"increase_only=\['age'\]"),
        ({"decrease_only": ["town"]}, "decrease_only names column 'town', which is not mutable"),
        ({"increase_only": ["paid"]}, "column 'paid', which is not mutable.*False if named"),
        ({"mutable": ["age"], "increase_only": ["debt"]}, "'debt', which is not mutable"),
        (
            {"increase_only": ["age"], "decrease_only": ["age"]},
            "'age' is in increase_only and in decrease_only.*leave it out of mutable",
        ),
        (
            {"mutable": ["town"], "repair": lambda moved, clean: clean, "increase_only": ["town"]},
            "'town', which does not hold numbers",
        ),
    ],
)
def test_bad_ways_name_the_column(options, message):
    frame = pd.DataFrame(
        {"age": [1, 2], "paid": [True, False], "debt": [0.5, 1.5], "town": ["a", "b"]}
    )
    with pytest.raises(ValueError, match=message):
        FeatureSpace.from_data(frame, **options)


@pytest.mark.parametrize("dear", [4.0, 10.0])
@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_prices_by_way_of_a_linear_model_are_near_the_closed_form(norm, dear):
    """Of a flat boundary each column goes the way that helps, at the price of that way."""
    rng = np.random.default_rng(0)
    d = 12
    X, weight = rng.normal(size=(300, d)), rng.normal(size=d)
    model = LogisticRegression(C=10).fit(X, X @ weight + rng.normal(size=300) > 0)
    dear_up = rng.random(d) < 0.5
    cost = {j: (dear, 1.0) if dear_up[j] else (1.0, dear) for j in range(d)}
    space = FeatureSpace.from_data(X, scale=None, bounds=None, cost=cost)
    some, slope = X[:25], model.coef_[0]
    score = model.decision_function(some)
    ups = -np.sign(score)[:, None] * slope > 0
    gain = np.abs(slope) / np.where(ups == dear_up, dear, 1.0)
    dual = {1: gain.max(axis=1), 2: np.linalg.norm(gain, axis=1), np.inf: gain.sum(axis=1)}
    exact = np.abs(score) / dual[norm]
    found = resolve_attack("auto", norm=norm, max_queries=1000).run(
        model, some, model.predict(some), space=space, pool=X
    )
    assert (found.distances >= exact * (1 - 1e-9)).all()
    assert np.median(found.distances / exact) < 1.02

"""What holds for every search: brackets, budgets, repetition, order of norms, random rows."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.certificates.trees import TreeEnsemble, nearest_rows
from specreg_sklearn.certificates.trees.readers import read_trees
from specreg_sklearn.space import FeatureSpace
from tests.certificates.trees.models import KINDS, outside_models, small_models, toy_rows

NORMS = (0, 1, 2, np.inf)


@pytest.fixture(scope="module")
def forest(cancer_rows):
    X, y = cancer_rows
    model = RandomForestClassifier(30, max_depth=5, random_state=0).fit(X[:400], y[:400])
    return TreeEnsemble.from_estimator(model), FeatureSpace.from_data(X, scale=None)


@pytest.fixture(scope="module")
def boosting(cancer_rows):
    X, y = cancer_rows
    model = GradientBoostingClassifier(n_estimators=40, random_state=0).fit(X[:400], y[:400])
    return TreeEnsemble.from_estimator(model), FeatureSpace.from_data(X, scale=None)


@pytest.mark.parametrize("norm", NORMS)
def test_boosting_closes_and_predict_confirms(boosting, cancer_rows, norm):
    ensemble, space = boosting
    rows = space.bind(cancer_rows[0][400:408])
    found = nearest_rows(ensemble, rows, norm=norm)
    assert found.closed.all()
    moved = rows.build(found.witness, np.arange(8))
    predict = ensemble.estimator.predict
    assert (predict(moved) != predict(cancer_rows[0][400:408])).all()
    np.testing.assert_array_equal(rows.distance_to(rows.table.__class__(moved), norm), found.upper)


@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_random_rows_inside_the_lower_bound_keep_their_label(forest, cancer_rows, norm):
    ensemble, space = forest
    X = cancer_rows[0][400:404]
    found = nearest_rows(ensemble, space.bind(X), norm=norm, max_nodes=200)
    rng = np.random.default_rng(0)
    labels = ensemble.estimator.predict(X)
    for x, label, lower in zip(X, labels, found.lower, strict=True):
        step = rng.standard_normal((2000, X.shape[1])) * (rng.random((2000, X.shape[1])) < 0.3)
        size = np.linalg.norm(step, norm, axis=1, keepdims=True)
        step = step / np.where(size > 0, size, 1) * lower * (1 - 1e-9)
        assert lower > 0
        assert (ensemble.estimator.predict(x + step) == label).all()


@pytest.mark.parametrize("norm", NORMS)
def test_more_nodes_only_narrow_the_bracket(forest, cancer_rows, norm):
    ensemble, space = forest
    rows = space.bind(cancer_rows[0][410:413])
    brackets = [nearest_rows(ensemble, rows, norm=norm, max_nodes=n) for n in (0, 100, 400)]
    for fewer, more in pairwise(brackets):
        assert (more.lower >= fewer.lower).all()
        assert (more.upper <= fewer.upper).all()
        assert (fewer.lower <= more.upper).all()
    assert (brackets[0].lower > 0).all()
    assert np.isfinite(brackets[0].upper).all()


def test_two_runs_and_two_processes_give_the_same_bits(forest, cancer_rows):
    ensemble, space = forest
    rows = space.bind(cancer_rows[0][400:404])
    runs = [nearest_rows(ensemble, rows, max_nodes=150, n_jobs=n) for n in (None, None, 2)]
    for other in runs[1:]:
        for mine, theirs in zip(runs[0], other, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    alone = nearest_rows(ensemble, rows.take(np.array([2])), max_nodes=150)
    assert alone.lower[0] == runs[0].lower[2]
    assert alone.upper[0] == runs[0].upper[2]


def test_norms_boxes_columns_and_units_are_in_order(boosting, cancer_rows):
    ensemble, space = boosting
    X = cancer_rows[0][400:405]
    by_norm = {norm: nearest_rows(ensemble, space.bind(X), norm=norm).upper for norm in NORMS}
    assert (by_norm[np.inf] <= by_norm[2] * (1 + 1e-12)).all()
    assert (by_norm[2] <= by_norm[1] * (1 + 1e-12)).all()
    free = FeatureSpace.from_data(cancer_rows[0], scale=None, bounds=None).bind(X)
    few = FeatureSpace.from_data(cancer_rows[0], scale=None, mutable=list(range(20))).bind(X)
    units = FeatureSpace.from_data(cancer_rows[0], scale=4.0).bind(X)
    assert (nearest_rows(ensemble, free).upper <= by_norm[2]).all()
    assert (nearest_rows(ensemble, few).upper >= by_norm[2]).all()
    np.testing.assert_allclose(nearest_rows(ensemble, units).upper, by_norm[2] / 4, rtol=1e-12)


def test_known_rows_prune_and_false_ones_are_ignored(boosting, cancer_rows):
    ensemble, space = boosting
    X = cancer_rows[0]
    rows = space.bind(X[400:404])
    plain = nearest_rows(ensemble, rows)
    known = plain.witness.copy()
    known[0] = X[400]  # has the row's own label
    known[1] = np.nan
    helped = nearest_rows(ensemble, rows, known=known)
    np.testing.assert_allclose(helped.upper, plain.upper, rtol=1e-12)
    assert helped.closed.all()
    only = nearest_rows(ensemble, rows, known=plain.witness, max_nodes=0)
    np.testing.assert_array_equal(only.upper, plain.upper)
    with pytest.raises(ValueError, match="known has shape"):
        nearest_rows(ensemble, rows, known=known[:2])


@pytest.mark.parametrize("kind", KINDS)
def test_scores_on_thresholds_and_one_ulp_beyond(kind):
    X, y = toy_rows(5, n_classes=3)
    model = small_models()[kind].fit(X, y)
    _scores_agree(model, TreeEnsemble.from_estimator(model))


@pytest.mark.parametrize("nan_mode", ["Min", "Max"])
@pytest.mark.parametrize("policy", ["SymmetricTree", "Lossguide"])
def test_gaps_and_thresholds_of_catboost(nan_mode, policy):
    catboost = pytest.importorskip("catboost")
    X, y = toy_rows(5, n_rows=200)
    X[::7, 0] = X[::5, 1] = np.nan
    quiet = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}
    model = catboost.CatBoostClassifier(
        iterations=8, depth=3, nan_mode=nan_mode, grow_policy=policy, **quiet
    ).fit(X, np.where(y, "yes", "no"))
    model.set_probability_threshold(0.8)
    trees = read_trees(model)
    raw = model.predict(X, prediction_type="RawFormulaVal")
    np.testing.assert_allclose(trees.evaluate(X)[:, 0], raw, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(model.classes_[trees.predicted(raw[:, None])], model.predict(X))
    assert 0 < np.mean(model.predict(X) == "yes") < np.mean(raw > 0)


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "catboost"])
def test_scores_of_other_libraries_on_thresholds(name):
    pytest.importorskip(name)
    X, y = toy_rows(5)
    X[:, 1] = np.where(X[:, 1] < -0.5, 0.0, X[:, 1])  # a threshold beside zero
    model = outside_models()[name].fit(X, y)
    _scores_agree(model, TreeEnsemble.from_estimator(model))


def _scores_agree(model, ensemble):
    boxes, rng = ensemble.boxes, np.random.default_rng(1)
    rows = np.zeros((1000, 3))
    for j in range(3):
        cuts = boxes.thresholds[boxes.cell_start[j] - j : boxes.cell_start[j + 1] - j - 1]
        ends = np.concatenate([cuts, np.nextafter(cuts, np.inf), np.nextafter(cuts, -np.inf)])
        rows[:, j] = rng.choice(np.append(ends, 0.0), 1000)
    own = ensemble.trees.scores(rows)
    own = np.asarray(own, dtype=np.float64).reshape(1000, -1)
    tolerance = 1e-5 if ensemble.trees.unit > 1e-10 else 1e-12
    np.testing.assert_allclose(ensemble.scores(rows), own, rtol=0, atol=tolerance)


def test_ties_of_pure_trees_go_to_the_first_class():
    X, y = load_iris(return_X_y=True)
    X, y = X[50:], y[50:]
    model = RandomForestClassifier(4, random_state=1).fit(X, y)
    ensemble = TreeEnsemble.from_estimator(model)
    votes = ensemble.scores(X)
    assert (ensemble.duel(0, 1).tolerance, ensemble.duel(1, 0).tolerance) == (0.0, 0.0)
    # A tie is a win of the first class only.
    assert ensemble.duel(1, 0).target == -0.5
    assert ensemble.duel(0, 1).target == 0.5
    space = FeatureSpace.from_data(X, scale=None, bounds=None)
    found = nearest_rows(ensemble, space.bind(X), norm=np.inf)
    assert found.closed.all()
    witnesses = ensemble.scores(space.bind(X).build(found.witness, np.arange(100)))
    tied = witnesses[:, 0] == witnesses[:, 1]
    assert tied[y == 2].any()
    assert not tied[ensemble.estimator.predict(X) == 1].any()
    assert votes.sum() == 400


def test_without_another_label_within_the_bounds_the_distance_is_infinite():
    X, y = toy_rows(0)
    model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y)
    with pytest.warns(UserWarning, match="bounds of column"):
        space = FeatureSpace.from_data(X, bounds=(X[0] - 1e-9, X[0] + 1e-9), scale=None)
    found = nearest_rows(TreeEnsemble.from_estimator(model), space.bind(X[:1]))
    assert (found.lower[0], found.upper[0], found.closed[0]) == (np.inf, np.inf, True)
    assert np.isnan(found.witness).all()
    constant = GradientBoostingClassifier(
        n_estimators=2, max_depth=1, learning_rate=1e-9, random_state=0
    )
    constant.fit(X, y)
    free = FeatureSpace.from_data(X, bounds=None, scale=None)
    found = nearest_rows(TreeEnsemble.from_estimator(constant), free.bind(X[:2]))
    assert np.isinf(found.lower).all()


def test_missing_cells_stay_missing_and_take_their_way():
    X, y = toy_rows(6, n_rows=200)
    rng = np.random.default_rng(0)
    X[rng.random(X.shape) < 0.2] = np.nan
    for model in (
        HistGradientBoostingClassifier(max_iter=10, max_leaf_nodes=6, random_state=0),
        RandomForestClassifier(10, max_depth=4, random_state=0),
    ):
        model.fit(X, y)
        ensemble = TreeEnsemble.from_estimator(model)
        rows = FeatureSpace.from_data(X, scale=None).bind(X[:40])
        np.testing.assert_allclose(
            ensemble.scores(X).ravel(), np.ravel(ensemble.trees.scores(X)), atol=1e-12
        )
        found = nearest_rows(ensemble, rows, norm=1)
        assert found.closed.all()
        some = np.flatnonzero(np.isfinite(found.upper))
        moved = rows.build(found.witness[some], some)
        assert (np.isnan(moved) == np.isnan(X[:40][some])).all()
        assert (model.predict(moved) != model.predict(X[:40][some])).all()


def test_categories_of_hist_gradient_boosting_are_constants():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    X[:, 2] = rng.integers(6, size=300)
    X[:, 1] = rng.integers(3, size=300)
    y = (X[:, 0] + np.isin(X[:, 2], [1, 4]) - (X[:, 1] == 2) > 0.3).astype(int)
    X[::17, 2] = np.nan
    model = HistGradientBoostingClassifier(
        max_iter=20, max_leaf_nodes=6, categorical_features=[2, 1], random_state=0
    ).fit(X, y)
    unseen = X[:30].copy()
    unseen[:, 2] = 9.0
    ensemble = TreeEnsemble.from_estimator(model)
    assert len(ensemble.boxes.set_leaf) > 0
    for given in (X, unseen):
        np.testing.assert_allclose(
            ensemble.scores(given)[:, 0], model.decision_function(given), rtol=0, atol=1e-13
        )
        rows = FeatureSpace.from_data(X, mutable=[0, 3], scale=None).bind(given[:30])
        found = nearest_rows(ensemble, rows)
        assert found.closed.all()
        for i in np.flatnonzero(np.isfinite(found.upper)).tolist():
            line = np.repeat(given[i : i + 1], 400, axis=0)
            line[:, 0] += np.linspace(-1, 1, 400) * found.upper[i] * (1 - 1e-9)
            low, high = rows.low[0], rows.high[0]
            line[:, 0] = np.clip(line[:, 0], low, high)
            assert (model.predict(line) == model.predict(given[i : i + 1])).all()
    frozen = FeatureSpace.from_data(X, scale=None)
    with pytest.raises(TypeError, match="is a category for HistGradientBoostingClassifier"):
        nearest_rows(ensemble, frozen.bind(X[:2]))


def test_extra_trees_give_a_bracket_where_they_do_not_close(cancer_rows):
    X, y = cancer_rows
    model = ExtraTreesClassifier(60, random_state=0).fit(X[:400], y[:400])
    space = FeatureSpace.from_data(X, scale=None)
    found = nearest_rows(
        TreeEnsemble.from_estimator(model), space.bind(X[400:402]), norm=2, max_nodes=100
    )
    assert (found.lower > 0.2 * found.upper).all()
    assert (found.lower <= found.upper).all()
    assert np.isfinite(found.upper).all()


@pytest.mark.parametrize("norm", NORMS)
def test_the_answer_for_one_distance_agrees_with_the_distance(boosting, cancer_rows, norm):
    ensemble, space = boosting
    rows = space.bind(cancer_rows[0][400:405])
    exact = nearest_rows(ensemble, rows, norm=norm)
    assert exact.closed.all()
    for factor in (0.5, 0.999, 1.0, 1.5):
        limit = exact.upper * factor
        found = nearest_rows(ensemble, rows, norm=norm, within=limit)
        near = found.upper <= limit
        np.testing.assert_array_equal(near, exact.upper <= limit)
        assert (found.lower[~near] > limit[~near]).all()
        assert (found.lower <= exact.upper).all()
        assert (found.upper >= exact.upper * (1 - 1e-12)).all()
    known = nearest_rows(ensemble, rows, norm=norm, known=exact.witness, within=exact.upper)
    assert (known.n_nodes == 0).all()
    np.testing.assert_array_equal(known.upper, exact.upper)


def test_distances_of_interest_that_are_none(boosting, cancer_rows):
    ensemble, space = boosting
    rows = space.bind(cancer_rows[0][400:402])
    assert (nearest_rows(ensemble, rows, within=0.0).lower > 0).all()
    for within in (-1.0, np.nan, [0.1, 0.2, 0.3]):
        with pytest.raises(ValueError, match="accepted are a number that is at least 0"):
            nearest_rows(ensemble, rows, within=within)

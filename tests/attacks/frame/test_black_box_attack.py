"""The frame around every attack: starts, statuses, early stop, verification, counts, bad input."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.attacks import CGBA, BlackBoxAttack, FeatureSpace


class NoSearch(BlackBoxAttack):
    """Only what the base class does: starts, bisection, verification."""

    def _search(self, task):
        task.report(len(task.x))


class RandomSteps(BlackBoxAttack):
    """A small lockstep search with shared draws."""

    def _search(self, task):
        for t in range(5):
            rows = task.active()
            step = task.rng(t).normal(size=task.x.shape[1])
            size = task.oracle.best_distance[rows, None] / 10
            task.oracle.decide(task.oracle.best[rows] + size * step, rows)


class CountingModel:
    """Counts how many changes of each row were sent; the last column says which row it is."""

    def __init__(self, model, clean):
        self.model, self.clean = model, clean
        self.count = np.zeros(len(clean), dtype=int)

    def predict(self, X):
        owner = X[:, -1].astype(int)
        changed = (X != self.clean[owner]).any(axis=1)
        np.add.at(self.count, owner[changed], 1)
        return self.model.predict(X[:, :-1])


class WobblyModel:
    """A threshold at 1 that small batches see a little farther out than large ones."""

    def __init__(self, shift, large):
        self.shift, self.large = shift, large

    def predict(self, X):
        threshold = 1 + self.shift if len(X) >= self.large else 1
        return (X[:, 0] > threshold).astype(int)


LINE = np.array([[0.0], [0.5], [2.0], [3.0]])
LINE_LABELS = np.array([0, 0, 1, 1])


class Threshold:
    def predict(self, X):
        return (np.asarray(X)[:, 0] > 1).astype(int)


def test_every_status_field_on_a_line():
    y = np.array([0, 0, 0, 1])
    result = NoSearch().run(Threshold(), LINE, y, space=FeatureSpace.from_data(LINE, scale=None))
    assert result.status.tolist() == ["found", "found", "already_wrong", "found"]
    assert result.success.tolist() == [True] * 4
    np.testing.assert_allclose(result.distances, [1, 0.5, 0, 2], atol=1e-3)
    assert result.distances[2] == 0
    assert result.X_adv[2] == LINE[2]
    # Never on the clean side of the true boundary.
    assert (result.distances[[0, 1, 3]] >= [1, 0.5, 2]).all()
    assert "found=3, already_wrong=1" in repr(result)


def test_reported_rows_fool_the_model_and_distances_are_theirs(iris):
    X, y, model = iris
    space = FeatureSpace.from_data(X)
    result = RandomSteps().run(model, X, y, space=space)
    assert (model.predict(result.X_adv) != y).all()
    wrong = model.predict(X) != y
    assert 0 < wrong.sum() == (result.status == "already_wrong").sum()
    expected = np.linalg.norm((result.X_adv - X) / X.std(axis=0), axis=1)
    np.testing.assert_allclose(result.distances, expected, rtol=1e-12)
    assert (result.X_adv >= X.min(axis=0)).all() and (result.X_adv <= X.max(axis=0)).all()


def test_search_only_improves(iris):
    X, y, model = iris
    base = NoSearch().run(model, X, y)
    searched = RandomSteps().run(model, X, y)
    assert (searched.distances <= base.distances).all()
    assert (searched.distances < base.distances * 0.99).any()


def test_early_stop_agrees_with_the_full_search(iris):
    X, y, model = iris
    eps = 0.6
    full = RandomSteps().run(model, X, y)
    stopped = RandomSteps().run(model, X, y, eps=eps)
    assert ((full.distances <= eps) == (stopped.distances <= eps)).all()
    inside = stopped.status == "stopped_at_eps"
    assert inside.sum() > 20
    assert (stopped.distances[inside] <= eps).all()
    assert stopped.n_queries.sum() < full.n_queries.sum()
    assert (model.predict(stopped.X_adv) != y).all()


@pytest.mark.usefixtures("no_check_of_repeats")
def test_query_counts_are_exact(iris):
    X, y, _ = iris
    tree = DecisionTreeClassifier(random_state=0, max_depth=3).fit(X, y)
    tagged = np.column_stack([X, np.arange(len(X))])
    model = CountingModel(tree, tagged)
    space = FeatureSpace.from_data(tagged, mutable=[0, 1, 2, 3])
    result = RandomSteps(batch_rows=100).run(model, tagged, y, space=space)
    # Predictions of clean rows are free.
    np.testing.assert_array_equal(result.n_queries, model.count)
    assert (result.n_queries[tree.predict(X) != y] == 0).all()


@pytest.mark.usefixtures("no_check_of_repeats")
@pytest.mark.parametrize("max_queries", [19, 20, 33, 50, 1000])
@pytest.mark.parametrize("eps", [None, 0.5])
def test_no_row_exceeds_its_budget(iris, max_queries, eps):
    X, y, _ = iris
    tree = DecisionTreeClassifier(random_state=0, max_depth=3).fit(X, y)
    tagged = np.column_stack([X, np.arange(len(X))])
    space = FeatureSpace.from_data(tagged, mutable=[0, 1, 2, 3])
    for attack in (RandomSteps(max_queries=max_queries), CGBA(max_queries=max_queries)):
        model = CountingModel(tree, tagged)
        result = attack.run(model, tagged, y, space=space, eps=eps)
        np.testing.assert_array_equal(result.n_queries, model.count)
        assert result.n_queries.max() <= max_queries
        assert result.success.all()


def test_batch_rows_bounds_the_searching_calls(iris):
    X, y, model = iris
    sizes = []

    class Watching:
        def predict(self, Z):
            sizes.append(len(Z))
            return model.predict(Z)

    small = RandomSteps(batch_rows=50).run(Watching(), X[:40], y[:40], pool=X)
    assert max(sizes[2:]) <= 64
    large = RandomSteps().run(model, X[:40], y[:40], pool=X)
    np.testing.assert_array_equal(small.X_adv, large.X_adv)


def test_starts_come_from_data_on_every_row_of_breast_cancer(cancer):
    X, y, model = cancer
    result = NoSearch().run(model, X, y)
    assert result.success.all()
    assert not (result.status == "start_failed").any()


def test_noise_serves_where_the_pool_has_one_class(iris):
    X, y, model = iris
    setosa = X[y == 0]
    space = FeatureSpace.from_data(X)
    result = NoSearch().run(model, setosa[:5], np.zeros(5, int), space=space, pool=setosa)
    assert (result.status == "found").all()
    assert (model.predict(result.X_adv) != 0).all()


def test_constant_model_fails_loudly(iris):
    X, y, _ = iris
    model = DummyClassifier(strategy="constant", constant=1).fit(X, y)
    with pytest.warns(UserWarning, match="for 50 of 50 rows.*predicts one class only"):
        result = NoSearch().run(model, X, y)
    assert (result.status[y == 1] == "start_failed").all()
    assert np.isinf(result.distances[y == 1]).all()
    assert not result.success[y == 1].any()
    assert (result.distances[y != 1] == 0).all()
    np.testing.assert_array_equal(result.X_adv, X)


def test_partial_failure_is_counted_and_the_rest_goes_on():
    """Column 1 decides for some rows and is immutable: those rows cannot be fooled."""
    X = np.array([[0.0, 0], [0.5, 0], [2, 0], [0.2, 5], [0.4, 5]])
    y = np.array([0, 0, 1, 0, 0])

    class Locked:
        def predict(self, X):
            return ((X[:, 0] > 1) & (X[:, 1] == 0)).astype(int)

    space = FeatureSpace.from_data(X, mutable=[0])
    with pytest.warns(UserWarning, match=r"for 2 of 5 rows\. They are undecided") as seen:
        result = NoSearch().run(Locked(), X, y, space=space)
    assert len(seen) == 1
    assert "one class" not in str(seen[0].message)
    assert result.status.tolist() == ["found"] * 3 + ["start_failed"] * 2
    np.testing.assert_array_equal(result.X_adv[:, 1], X[:, 1])


def test_points_that_flip_in_a_large_array_are_pushed_out():
    X = np.concatenate([np.linspace(0, 0.9, 100)[:, None], [[2.0]]])
    y = np.array([0] * 100 + [1])
    space = FeatureSpace.from_data(X, scale=None)
    # Batches of more than 64 rows (the whole array) need 2e-4 more than the bisection sees.
    model = WobblyModel(shift=2e-4, large=65)
    attack = NoSearch(batch_rows=32)
    result = attack.run(model, X, y, space=space)
    assert (result.status == "found").all()
    assert (model.predict(result.X_adv) != y).all()
    blocks = [model.predict(part) for part in np.array_split(result.X_adv, 4)]
    assert (np.concatenate(blocks) != y).all()
    assert result.distances[0] == pytest.approx(1, rel=3e-3)


def test_points_that_flip_in_blocks_are_pushed_out():
    X = np.concatenate([np.linspace(0, 0.9, 100)[:, None], [[2.0]]])
    y = np.array([0] * 100 + [1])

    class BlocksSeeMore:
        def predict(self, X):
            return (X[:, 0] > (1.0002 if len(X) == 64 else 1)).astype(int)

    model = BlocksSeeMore()
    result = NoSearch().run(model, X, y, space=FeatureSpace.from_data(X, scale=None))
    assert (result.status == "found").all()
    assert (model.predict(result.X_adv) != y).all()
    assert (model.predict(result.X_adv[:64]) != y[:64]).all()


def test_far_flips_are_met_between_the_boundary_and_the_start():
    X = np.concatenate([np.linspace(0, 0.9, 100)[:, None], [[2.0]]])
    y = np.array([0] * 100 + [1])
    space = FeatureSpace.from_data(X, scale=None)
    model = WobblyModel(shift=0.5, large=65)
    result = NoSearch(batch_rows=32).run(model, X[:100], y[:100], space=space, pool=X)
    assert (result.status == "found").all()
    assert (model.predict(result.X_adv) == 1).all()
    true = 1.5 - X[:100, 0]
    assert (result.distances > true).all() and (result.distances < 1.06 * true).all()
    assert (result.n_queries <= 1000).all()


def test_answers_that_are_never_repeated_are_unverified():
    class OnlySmallBatches:
        def predict(self, X):
            return ((np.asarray(X)[:, 0] > 1) & (len(X) < 65)).astype(int)

    X = np.linspace(0, 0.9, 100)[:, None]
    space = FeatureSpace.from_data(X, bounds=(0, 3), scale=None)
    result = NoSearch(batch_rows=32).run(
        OnlySmallBatches(), X, np.zeros(100, int), space=space, pool=[[0.0], [2.5]]
    )
    assert (result.status == "unverified").all()
    assert not result.success.any()
    assert np.isinf(result.distances).all()
    np.testing.assert_array_equal(result.X_adv, X)


def test_a_row_stopped_at_eps_by_a_point_that_does_not_hold_is_searched_on():
    """The early point flips in the whole array; nothing within eps may be claimed."""
    X = np.concatenate([np.linspace(0, 0.9, 100)[:, None], [[2.0]]])
    y = np.array([0] * 100 + [1])
    space = FeatureSpace.from_data(X, scale=None)
    model = WobblyModel(shift=0.05, large=65)
    result = NoSearch(batch_rows=32).run(model, X[:100], y[:100], eps=1.02, space=space, pool=X)
    assert (model.predict(result.X_adv) == 1).all()
    true = 1.05 - X[:100, 0]
    assert (result.distances >= true).all()
    assert (result.distances[result.status == "stopped_at_eps"] <= 1.02).all()
    assert ((result.status == "found") == (result.distances > 1.02)).all()


def test_a_row_that_was_stopped_in_vain_gets_its_search():
    """Column 0 flips in the whole array; column 1, which only the search tries, holds."""

    class TwoWays:
        def predict(self, X):
            shaky = (X[:, 0] > 1) & (len(X) < 65)
            return ((X[:, 0] > 1.9) | shaky | (X[:, 1] > 0.8)).astype(int)

    class SecondColumn(BlackBoxAttack):
        def _search(self, task):
            rows = task.active()
            task.oracle.decide(task.x[rows] + [0, 0.9], rows)

    X, pool = np.zeros((100, 2)), np.array([[2.0, 0.0], [0.0, 0.0]])
    X[:, 1] = np.linspace(0, 0.1, 100)
    space = FeatureSpace.from_data(X, bounds=(0, 2), scale=None)
    result = SecondColumn(batch_rows=32).run(
        TwoWays(), X, np.zeros(100, int), eps=1.02, space=space, pool=pool
    )
    assert (result.distances <= 0.91).all()
    assert (TwoWays().predict(result.X_adv) == 1).all()


def test_clean_rows_are_never_adversarial_even_if_a_model_flips_on_them():
    """Small steps of a whole number round back to the clean row."""

    class Forgetful:
        calls = 0

        def predict(self, X):
            self.calls += 1
            return (X[:, 0] > 4).astype(int) if self.calls == 1 else 1 - (X[:, 0] > 4).astype(int)

    X = np.arange(10)[:, None]
    y = (X[:, 0] > 4).astype(int)
    result = NoSearch().run(Forgetful(), X, y, space=FeatureSpace.from_data(X, scale=None))
    assert (result.distances[result.success] >= 1).all()
    assert result.success.any()


def test_linf_distances(iris):
    X, y, model = iris
    result = RandomSteps(norm=np.inf).run(model, X, y)
    steps = np.abs(result.X_adv - X) / X.std(axis=0)
    np.testing.assert_allclose(result.distances, steps.max(axis=1), rtol=1e-12)
    assert (model.predict(result.X_adv) != y).all()


def test_seeds(iris):
    X, y, model = iris

    def rows(seed):
        return RandomSteps(random_state=seed).run(model, X[:20], y[:20], pool=X).X_adv

    np.testing.assert_array_equal(rows(1), rows(1))
    assert (rows(1) != rows(2)).any()
    np.testing.assert_array_equal(rows(np.random.RandomState(3)), rows(np.random.RandomState(3)))
    np.testing.assert_array_equal(rows(np.random.default_rng(3)), rows(np.random.default_rng(3)))


def test_global_generator_stays(iris):
    X, y, model = iris
    for seed in (0, None):
        RandomSteps(random_state=seed).run(model, X[:20], y[:20], pool=X)


def test_silent_by_default_and_a_bar_on_request(iris, capsys):
    X, y, model = iris
    RandomSteps().run(model, X[:10], y[:10], pool=X)
    assert capsys.readouterr() == ("", "")
    RandomSteps().run(model, X[:10], y[:10], pool=X, verbose=1)
    assert "RandomSteps" in capsys.readouterr().err


def test_parameters_clone_and_pickle():
    attack = RandomSteps(norm=np.inf, n_starts=3, random_state=7)
    assert clone(attack).get_params() == attack.get_params()
    assert pickle.loads(pickle.dumps(attack)).get_params() == attack.get_params()
    assert attack.set_params(n_starts=5).n_starts == 5


class Memory(ClassifierMixin, BaseEstimator):
    """Not fitted until fit is called."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        raise NotFittedError("This Memory is not fitted yet.")


@pytest.mark.parametrize(
    ("estimator", "error", "message"),
    [
        (object(), TypeError, "estimator=object has no method predict"),
        (StandardScaler(), TypeError, "estimator=StandardScaler has no method predict"),
        (LogisticRegression, TypeError, "estimator=LogisticRegression is a class"),
        (LinearRegression(), TypeError, "estimator=LinearRegression is a regressor"),
        (LogisticRegression(), NotFittedError, "not fitted yet"),
        (Memory(), NotFittedError, "not fitted yet"),
    ],
)
def test_bad_estimators(iris, estimator, error, message):
    X, y, _ = iris
    with pytest.raises(error, match=message):
        NoSearch().run(estimator, X, y)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"X": np.zeros(150)}, ValueError, "Expected 2D array for X, got 1D"),
        ({"y": np.zeros(3)}, ValueError, "X has 150 rows, y has 3 labels"),
        ({"y": np.zeros((150, 2))}, ValueError, r"y must hold one class label per row"),
        ({"y": np.linspace(0, 1, 150)}, ValueError, "Unknown label type: continuous"),
        ({"y": np.array(["a"] * 150)}, ValueError, r"different kinds: \['number', 'text'\]"),
        ({"eps": -0.1}, ValueError, r"eps=-0\.1 is not a distance"),
        ({"eps": float("nan")}, ValueError, "eps=nan is not a distance"),
        ({"eps": "big"}, ValueError, "eps='big' is not a number"),
        ({"eps": True}, ValueError, "eps=True is not a number"),
        ({"space": "data"}, TypeError, "space=str is not a FeatureSpace"),
        ({"pool": np.zeros((5, 3))}, ValueError, "pool has 3 columns.*built for 4"),
    ],
)
def test_bad_arguments(iris, change, error, message):
    X, y, model = iris
    arguments = {"X": X, "y": y, **change}
    if "pool" in change:
        arguments["space"] = FeatureSpace.from_data(X)
    with pytest.raises(error, match=message):
        NoSearch().run(model, **arguments)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"norm": 1}, r"norm=1 is not supported by NoSearch; accepted: 2 or np\.inf"),
        ({"norm": "inf"}, "norm='inf' is not supported"),
        ({"n_starts": 0}, "n_starts=0 is not accepted"),
        ({"n_starts": 2.5}, r"n_starts=2\.5 is not accepted"),
        ({"batch_rows": -1}, "batch_rows=-1"),
        ({"random_state": -1}, "random_state=-1"),
        ({"random_state": "x"}, "random_state='x'"),
    ],
)
def test_bad_parameters(iris, parameters, message):
    X, y, model = iris
    with pytest.raises(ValueError, match=message):
        NoSearch(**parameters).run(model, X, y)


def test_nothing_to_move(iris):
    X, y, model = iris
    with pytest.raises(ValueError, match="no column to move"):
        NoSearch().run(model, X, y, space=FeatureSpace.from_data(X, mutable=[]))


def test_frame_columns_must_be_in_the_order_of_the_fit(iris):
    X, y, _ = iris
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, y)
    with pytest.raises(ValueError, match=r"another order than the estimator was fitted on.*'d'"):
        NoSearch().run(model, frame[["d", "b", "c", "a"]], y)
    with pytest.raises(ValueError, match=r"fitted on: missing \['c'\]"):
        NoSearch().run(model, frame[["a", "b", "d"]], y)


def test_wrong_number_of_predictions(iris):
    X, y, _ = iris

    class Short:
        def predict(self, X):
            return np.zeros(3, dtype=int)

    class Wide:
        def predict(self, X):
            return np.zeros((len(X), 2))

    with pytest.raises(ValueError, match="returned 3 labels for 150 rows"):
        NoSearch().run(Short(), X, y)
    with pytest.raises(ValueError, match="one class label per row"):
        NoSearch().run(Wide(), X, y)


def test_the_base_class_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        BlackBoxAttack()

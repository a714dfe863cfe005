from __future__ import annotations

import pickle
import warnings

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning, UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import (
    GridSearchCV,
    LearningCurveDisplay,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn.attacks import CGBA, FeatureSpace
from specreg_sklearn.metrics import (
    adversarial_distances,
    certified_radius,
    make_robust_scorer,
    robust_accuracy,
    robust_accuracy_score,
    robustness_score,
)

QUICK = CGBA(max_queries=100)
GRID = {"C": [0.01, 0.1, 10.0]}


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X, y, LogisticRegression(max_iter=1000).fit(X, y)


@pytest.fixture
def scorer():
    return make_robust_scorer(eps=0.3, attack=QUICK, max_samples=15)


def test_equals_the_function(iris, scorer):
    X, y, model = iris
    expected = robust_accuracy_score(model, X, y, eps=0.3, attack=QUICK, max_samples=15)
    assert scorer(model, X, y) == expected
    assert 0 < expected < 1


def test_ready_made_scorer(iris):
    X, y, model = iris
    X, y = X[::10], y[::10]
    assert robust_accuracy(model, X, y) == robust_accuracy_score(model, X, y, eps=0.5)
    assert "0.5" in robust_accuracy.__doc__
    assert repr(robust_accuracy) == (
        "make_robust_scorer('robust_accuracy', eps=0.5, norm=2, max_samples=100)"
    )


def test_a_hundred_rows_of_each_fold_unless_all_are_wanted(iris):
    """What a scorer measures on is said in its repr, and "all" and None mean every row."""
    X, y, model = iris
    rows = []

    class Counting:
        def predict(self, Z):
            rows.append(len(Z))
            return model.predict(Z)

    for given, measured in (({}, 100), ({"max_samples": "all"}, 150), ({"max_samples": None}, 150)):
        rows.clear()
        scorer = make_robust_scorer(eps=0.1, attack=QUICK, certify=False, **given)
        score = scorer(Counting(), X, y)
        assert rows[0] == measured
        assert score * measured == pytest.approx(round(score * measured))
    assert "max_samples='all'" in repr(make_robust_scorer(max_samples="all"))
    assert "max_samples=None" in repr(make_robust_scorer(max_samples=None))


def test_median_distance(iris):
    X, y, model = iris
    scorer = make_robust_scorer("median_adversarial_distance", attack=QUICK, max_samples=15)
    distances = adversarial_distances(model, X, y, attack=QUICK, max_samples=15)
    assert scorer(model, X, y) == np.median(distances)
    assert "eps" not in repr(scorer)


class Unread(DummyClassifier):
    """A constant model that no proof knows: it predicts in its own way."""

    def predict(self, X):
        return super().predict(X)


@pytest.mark.parametrize(
    ("metric", "truth"), [("robust_accuracy", 2 / 3), ("median_adversarial_distance", np.inf)]
)
def test_a_constant_model_gets_what_is_true_of_it(iris, metric, truth):
    """It is right on 50 of 75 rows, and nothing moves these: the median distance is infinite."""
    X, y, _ = iris
    X, y = X[25:100], y[25:100]
    model = Unread(strategy="constant", constant=1).fit(X, y)
    scorer = make_robust_scorer(metric, attack=QUICK)
    counts = "withstanding at every eps" if metric == "robust_accuracy" else "distance inf"
    with (
        pytest.warns(UserWarning, match=f"{metric}.*: 50 of 50 .* They count as {counts}, so"),
        pytest.warns(UserWarning, match="for 50 of 50 rows.*one class only"),
    ):
        assert scorer(model, X, y) == truth


def test_pickle_and_clone(iris, scorer):
    X, y, model = iris
    for copy in (pickle.loads(pickle.dumps(scorer)), clone(scorer, safe=False)):
        assert copy is not scorer
        assert repr(copy) == repr(scorer)
        assert copy(model, X, y) == scorer(model, X, y)
    assert pickle.loads(pickle.dumps(robust_accuracy)).__doc__ == robust_accuracy.__doc__


def test_repr_shows_what_is_not_default():
    X = np.eye(3)
    scorer = make_robust_scorer(
        eps=1,
        norm=np.inf,
        space=FeatureSpace.from_data(X),
        max_samples=5,
        random_state=3,
        n_jobs=2,
    )
    assert repr(scorer) == (
        "make_robust_scorer('robust_accuracy', eps=1, norm=inf, "
        "space='FeatureSpace(...)', max_samples=5, random_state=3, n_jobs=2)"
    )
    assert "scale=None" in repr(make_robust_scorer(scale=None))
    assert "scale=array" in repr(make_robust_scorer(scale=np.ones(3)))


def test_one_seed_for_all_candidates(iris):
    """A generator is read once, when the scorer is made."""
    X, y, model = iris
    scorer = make_robust_scorer(
        eps=0.3, max_samples=20, attack=QUICK, random_state=np.random.default_rng(0)
    )
    assert isinstance(scorer.random_state, int)
    assert scorer(model, X, y) == scorer(model, X, y)


def test_grid_search_alone_and_in_threads(iris, scorer):
    X, y, _ = iris
    results = []
    for backend, n_jobs in (("sequential", 1), ("threading", 2)):
        with joblib.parallel_config(backend=backend):
            search = GridSearchCV(
                LogisticRegression(max_iter=500), GRID, scoring=scorer, cv=2, n_jobs=n_jobs
            ).fit(X, y)
        results.append(search.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(results[0], results[1])
    assert len(np.unique(results[0])) > 1
    assert search.best_score_ == results[0].max()


def test_grid_search_in_processes(iris, scorer):
    X, y, _ = iris
    model = LogisticRegression(max_iter=500)
    alone = cross_val_score(model, X, y, scoring=scorer, cv=2)
    apart = cross_val_score(model, X, y, scoring=scorer, cv=2, n_jobs=2)
    np.testing.assert_array_equal(alone, apart)


def test_beside_other_scorers_with_sample_weight(iris, scorer):
    X, y, _ = iris
    search = GridSearchCV(
        LogisticRegression(max_iter=500),
        GRID,
        scoring={"accuracy": "accuracy", "robust": scorer},
        refit="robust",
        cv=2,
    ).fit(X, y, sample_weight=np.ones(len(y)))
    results = search.cv_results_
    assert (results["mean_test_robust"] <= results["mean_test_accuracy"]).all()


def test_alone_with_sample_weight(iris, scorer):
    X, y, _ = iris
    search = GridSearchCV(LogisticRegression(max_iter=500), GRID, scoring=scorer, cv=2)
    search.fit(X, y, sample_weight=np.ones(len(y)))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_with_metadata_routing(iris, scorer, routing):
    X, y, _ = iris
    weights = np.ones(len(y))
    # scikit-learn 1.6 names the request of the model.
    with pytest.raises(UnsetMetadataPassedError, match=r"set_(score|fit)_request"):
        cross_validate(
            LogisticRegression().set_fit_request(sample_weight=False),
            X,
            y,
            scoring=scorer,
            params={"sample_weight": weights},
        )
    assert scorer.set_score_request(sample_weight=False) is scorer
    model = LogisticRegression(max_iter=500).set_fit_request(sample_weight=True)
    search = GridSearchCV(model, GRID, scoring=scorer, cv=2).fit(X, y, sample_weight=weights)
    assert np.isfinite(search.best_score_)
    scores = cross_validate(
        model,
        X,
        y,
        scoring={"robust": scorer, "again": scorer},
        cv=2,
        params={"sample_weight": weights},
    )
    np.testing.assert_array_equal(scores["test_robust"], scores["test_again"])


def test_routed_weights_count(iris, routing):
    """Weight on the rows of one class makes its robust recall of the score."""
    X, y, _ = iris
    weights = (y == 1).astype(float)
    options = {"eps": 0.3, "attack": QUICK, "max_samples": "all", "certify": False}
    scorer = make_robust_scorer(**options).set_score_request(sample_weight="w")
    recall = make_robust_scorer("robust_recall", pos_label=1, **options)
    recall.set_score_request(sample_weight=False)
    model = LogisticRegression(max_iter=500).set_fit_request(sample_weight=False)
    scores = cross_validate(
        model, X, y, scoring={"w": scorer, "r": recall}, cv=2, params={"w": weights}
    )
    np.testing.assert_allclose(scores["test_w"], scores["test_r"])
    assert scores["test_w"].max() < 1


def test_weights_without_routing(iris, scorer):
    X, y, model = iris
    weights = 1.0 + y
    given = {"attack": QUICK, "max_samples": 15}
    expected = robust_accuracy_score(model, X, y, eps=0.3, sample_weight=weights, **given)
    assert scorer(model, X, y, sample_weight=weights) == expected
    assert expected != scorer(model, X, y)
    with pytest.raises(RuntimeError, match="enable_metadata_routing=True"):
        scorer.set_score_request(sample_weight=True)
    own = make_robust_scorer(lambda truth, given: np.mean(truth == given), eps=0.3)
    assert scorer._accept_sample_weight() and not own._accept_sample_weight()


def test_weighted_medians(iris):
    X, y, model = iris
    weights = np.where(np.arange(150) % 3 == 0, 2.0, 1.0)
    for metric in ("median_adversarial_distance", "median_certified_radius"):
        scorer = make_robust_scorer(metric, max_samples="all")
        twice = np.repeat(np.arange(150), weights.astype(int))
        radii = certified_radius(model, X) * (model.predict(X) == y)
        if metric == "median_certified_radius":
            assert scorer(model, X, y, sample_weight=weights) == np.median(radii[twice])
        else:
            distances = adversarial_distances(model, X, y)
            assert scorer(model, X, y, sample_weight=weights) == np.median(distances[twice])


def test_names_tell_scorers_apart():
    scorers = [
        robust_accuracy,
        make_robust_scorer(eps=1),
        make_robust_scorer(norm=np.inf),
        make_robust_scorer("robust_recall"),
        make_robust_scorer("median_certified_radius"),
        make_robust_scorer(attack="strongest"),
        make_robust_scorer(attack=QUICK),
        make_robust_scorer(f1_score),
        make_robust_scorer(name="mine"),
    ]
    names = [scorer.__name__ for scorer in scorers]
    assert names[0] == "robust_accuracy_l2_eps0.5" and names[-1] == "mine"
    assert len(set(names)) == len(names)
    assert type(robust_accuracy).__name__ == "RobustScorer"


def test_displays_of_scikit_learn_name_their_axis(iris, scorer):
    X, y, _ = iris
    display = LearningCurveDisplay.from_estimator(
        LogisticRegression(max_iter=500), X, y, scoring=scorer, cv=2, train_sizes=[0.5, 1.0]
    )
    assert display.ax_.get_ylabel() == "Robust accuracy l2 eps0.3 cgba"
    plt.close(display.figure_)


def test_in_a_callback_that_monitors_scores(scorer):
    """As scikit-learn's ScoringMonitor does it: scorers in a dict, called for each step."""
    callback = pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9 has callbacks")
    X, y = load_iris(return_X_y=True)
    monitor = callback.ScoringMonitor(scoring=scorer)
    model = LogisticRegression(max_iter=3).set_callbacks(monitor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    logged = [line["score"] for line in monitor.get_logs().data]
    assert len(logged) >= 3  # each iteration, and the whole fit
    assert logged[-1] == scorer(model, X, y)


def test_an_objective_of_another_search(iris):
    """What Optuna and the like do: call, pickle for a worker, compare numbers."""
    X, y, _ = iris
    scorer = pickle.loads(pickle.dumps(make_robust_scorer("robust_f1", eps=0.2, max_samples=30)))
    values = {}
    for C in GRID["C"]:
        model = LogisticRegression(C=C, max_iter=500).fit(X, y)
        values[C] = scorer(model, X, y)
        assert isinstance(values[C], float)
        assert values[C] == robustness_score(model, X, y, eps=0.2, metric="f1", max_samples=30)
    assert len(set(values.values())) > 1


def test_label_metrics_equal_the_function(iris):
    X, y, model = iris
    given = {"eps": 0.3, "attack": QUICK, "max_samples": 30}
    for metric in ("balanced_accuracy", "recall", "precision", "f1"):
        expected = robustness_score(model, X, y, metric=metric, **given)
        assert make_robust_scorer(f"robust_{metric}", **given)(model, X, y) == expected


def test_frames_in_a_search(iris, scorer):
    X, y, _ = iris
    frame = pd.DataFrame(X, columns=list("abcd"))
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = make_pipeline(StandardScaler(), LogisticRegression())
    with warnings.catch_warnings():
        # Such as "X does not have valid feature names".
        warnings.simplefilter("error", UserWarning)
        scores = cross_val_score(model, frame, names, scoring=scorer, cv=2, error_score="raise")
    assert ((scores >= 0) & (scores <= 1)).all()


def test_global_generator_stays(iris, scorer):
    X, y, model = iris
    before = np.random.get_state()[1].copy()
    scorer(model, X, y)
    np.testing.assert_array_equal(before, np.random.get_state()[1])


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"metric": "accuracy"}, ValueError, r"metric='accuracy' is not one of \['robust_acc"),
        ({"pos_label": 1}, ValueError, "pos_label=1 is given, but metric='accuracy' is about all"),
        ({"name": ""}, ValueError, "name='' is not accepted"),
        ({"eps": -0.1}, ValueError, r"eps=-0\.1 is not a distance"),
        ({"eps": float("nan")}, ValueError, "eps=nan"),
        ({"eps": [0.1, 0.2]}, ValueError, r"eps=\[0\.1, 0\.2\] is not a number"),
        ({"norm": 3}, ValueError, "norm=3"),
        ({"norm": np.inf, "attack": "art/BoundaryAttack"}, ValueError, "BoundaryAttack"),
        ({"norm": np.inf, "attack": QUICK}, ValueError, "Pass the same norm"),
        ({"attack": "HopSkipJump"}, ValueError, "prefix 'art/'"),
        ({"attack": "art/DeepFool"}, ValueError, "needs gradients"),
        ({"attack": None}, TypeError, "attack=None"),
        ({"space": {}}, TypeError, "space=dict"),
        ({"space": FeatureSpace.from_data(np.eye(2)), "scale": None}, ValueError, "own units"),
        ({"max_samples": -1}, ValueError, "max_samples=-1"),
        (
            {"max_samples": 0},
            ValueError,
            "max_samples=0 is not accepted.*'all' to measure every row",
        ),
        ({"max_samples": "every"}, ValueError, "max_samples='every' is not accepted"),
        ({"max_samples": True}, ValueError, "max_samples=True is not accepted"),
        ({"random_state": "x"}, ValueError, "random_state='x'"),
    ],
)
def test_settings_are_checked_when_the_scorer_is_made(settings, error, message):
    with pytest.raises(error, match=message):
        make_robust_scorer(**settings)


def test_a_bad_scale_is_reported_by_the_call(iris):
    X, y, model = iris
    with pytest.raises(ValueError, match="scale='spread'"):
        make_robust_scorer(scale="spread")(model, X, y)


class OneColumn(ClassifierMixin, BaseEstimator):
    """Reads one column only; both columns of the data below tell the classes apart."""

    def __init__(self, column=0):
        self.column = column

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return (X[:, self.column] > 0).astype(int)


@pytest.mark.parametrize("metric", ["robust_accuracy", "median_adversarial_distance"])
@pytest.mark.filterwarnings("ignore:.*scores are non-finite:UserWarning")
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_a_search_prefers_the_model_that_an_immutable_column_decides(metric):
    """Column 1 cannot move, so that nothing fools a model that reads it alone; all is undecided."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = (2 * y - 1)[:, None] * rng.uniform(0.5, 1.5, size=(60, 2))
    space = FeatureSpace.from_data(X, mutable=[0], scale=None)
    scorer = make_robust_scorer(metric, eps=1.0, space=space, attack=QUICK)
    with pytest.warns(UserWarning, match=r"\d+ of \d+ correctly classified rows are undecided"):
        search = GridSearchCV(OneColumn(), {"column": [0, 1]}, scoring=scorer, cv=2).fit(X, y)
    assert search.best_params_ == {"column": 1}
    fragile, robust = search.cv_results_["mean_test_score"]
    assert fragile < robust == (1.0 if metric == "robust_accuracy" else np.inf)
    # A median that does not meet an undecided row is as before.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = scorer(OneColumn(0).fit(X, y), X, y)
    if metric == "median_adversarial_distance":
        assert found == pytest.approx(np.median(np.abs(X[:, 0])), rel=0.05)
        assert found >= np.median(np.abs(X[:, 0]))


def test_the_pool_goes_with_the_scorer(iris):
    """Rows of one class only: the starts come from elsewhere, as of a run with the same pool."""
    X, y, model = iris
    rows = np.flatnonzero((y == 1) & (model.predict(X) == 1))[:15]
    scorer = make_robust_scorer(eps=0.4, attack=QUICK, pool=X)
    result = QUICK.run(model, X[rows], y[rows], space=FeatureSpace.from_data(X), pool=X)
    assert scorer(model, X[rows], y[rows]) == np.mean(result.distances > 0.4)
    assert repr(scorer).endswith(", pool='ndarray(...)')")
    copy = pickle.loads(pickle.dumps(scorer))
    assert copy(model, X[rows], y[rows]) == scorer(model, X[rows], y[rows])
    for metric in ("certified_accuracy", "median_certified_radius"):
        with pytest.raises(ValueError, match=f"pool is given, but the metric '{metric}' proves"):
            make_robust_scorer(metric, pool=X)

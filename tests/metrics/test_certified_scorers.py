"""Certified accuracy as a number and as a scorer."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import CGBA, FeatureSpace
from specreg_sklearn.metrics import (
    certified_accuracy_score,
    certified_radius,
    make_robust_scorer,
    robust_accuracy_score,
)
from specreg_sklearn.tables import subsample


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return X, y, make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)


def margins(model, X):
    """Return the exact distances of a scaled binary linear model, in standard deviations."""
    return np.abs(model.decision_function(X)) / np.linalg.norm(model[1].coef_)


def test_the_score_is_the_share_of_wide_correct_margins(cancer):
    X, y, model = cancer
    right, away = model.predict(X) == y, margins(model, X)
    every = {"max_samples": "all"}
    grid = [0.0, 0.2, 0.5, 1.0, 2.0]
    found = certified_accuracy_score(model, X, y, eps=grid, **every)
    wanted = [np.mean(right & (away > eps)) for eps in grid]
    np.testing.assert_array_equal(found, wanted)
    assert certified_accuracy_score(model, X, y, eps=0.5, **every) == found[2]
    assert type(certified_accuracy_score(model, X, y, eps=0.5, **every)) is float
    assert certified_accuracy_score(model, X, y, eps=0, **every) == model.score(X, y)
    in_linf = certified_accuracy_score(model, X, y, eps=0.2, norm=np.inf, **every)
    away = np.abs(model.decision_function(X)) / np.abs(model[1].coef_).sum()
    assert in_linf == np.mean(right & (away > 0.2))
    assert certified_accuracy_score(model, X, y, eps=0.5, max_samples=None) == found[2]
    some, labels = subsample(X, y, 100, 0)
    few = certified_accuracy_score(model, X, y, eps=0.5)
    assert few == np.mean((model.predict(some) == labels) & (margins(model, some) > 0.5))


def test_wrong_rows_are_not_certified(cancer):
    X, y, model = cancer
    names = np.array(["bad", "good"])
    relabelled = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, names[y])
    before = certified_accuracy_score(relabelled, X, names[y], eps=0.3)
    assert before == certified_accuracy_score(model, X, y, eps=0.3)
    twisted = names[y].copy()
    twisted[:50] = names[1 - y[:50]]
    assert certified_accuracy_score(relabelled, X, twisted, eps=0.3) < before


def test_truth_lies_between_certificate_and_attack(cancer):
    X, y, _ = cancer
    model = make_pipeline(
        StandardScaler(),
        SpectrallyRegularizedEncoder(hidden_layer_sizes=(16,), max_iter=20, random_state=0),
    ).fit(X, y)
    options = {"eps": [0.0, 0.1, 0.3, 0.8], "max_samples": 60}
    low = certified_accuracy_score(model, X, y, **options)
    high = robust_accuracy_score(model, X, y, attack=CGBA(max_queries=200), **options)
    assert low[0] == high[0]
    assert (low <= high).all() and (np.diff(low) <= 0).all()
    assert low[1] > 0.5


def test_space_and_units(cancer):
    X, y, model = cancer
    space = FeatureSpace.from_data(X, mutable=[0, 1, 2], scale=None)
    radius = certified_radius(model, X, space=space)
    found = certified_accuracy_score(model, X, y, eps=1.0, space=space, max_samples="all")
    assert found == np.mean((model.predict(X) == y) & (radius > 1.0))
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(30)])
    named = clone(model).fit(frame, y)
    assert certified_accuracy_score(named, frame, y, eps=0.5) == certified_accuracy_score(
        model, X, y, eps=0.5
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eps": -0.1}, r"eps=-0\.1 is not a distance"),
        ({"eps": [0.1, np.nan]}, "eps=nan"),
        ({"eps": [0.5, 0.1]}, "not increasing"),
        ({"eps": []}, r"eps=\[\] is not accepted"),
        ({"eps": 0.1, "norm": 5}, "norm=5 is not supported by certified_accuracy_score"),
        ({"eps": 0.1, "scale": "spread"}, "scale='spread'"),
        ({"eps": 0.1, "max_samples": 0}, "max_samples=0"),
    ],
)
def test_bad_settings(cancer, options, message):
    X, y, model = cancer
    with pytest.raises(ValueError, match=message):
        certified_accuracy_score(model, X, y, **options)


def test_labels_must_fit_the_rows(cancer):
    X, y, model = cancer
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        certified_accuracy_score(model, X, y[:-1], eps=0.1)
    with pytest.raises(ValueError, match="labels of different kinds"):
        certified_accuracy_score(model, X, np.array(["a", "b"])[y], eps=0.1)


def test_scorers_are_the_functions(cancer):
    X, y, model = cancer
    scorer = make_robust_scorer("certified_accuracy", eps=0.4, max_samples=80)
    assert scorer(model, X, y) == certified_accuracy_score(model, X, y, eps=0.4, max_samples=80)
    assert (
        repr(scorer) == "make_robust_scorer('certified_accuracy', eps=0.4, norm=2, max_samples=80)"
    )
    median = make_robust_scorer("median_certified_radius", max_samples="all")
    right = model.predict(X) == y
    exact = np.median(np.where(right, margins(model, X), 0))
    # Rows stay within the range of X here, where the nearest one may lie a little farther.
    assert exact * (1 - 1e-6) <= median(model, X, y) <= 1.01 * exact
    shown = "make_robust_scorer('median_certified_radius', norm=2, max_samples={})"
    assert repr(median) == shown.format("'all'")
    assert repr(make_robust_scorer("median_certified_radius")) == shown.format(100)
    for copy in (pickle.loads(pickle.dumps(scorer)), clone(scorer, safe=False)):
        assert copy(model, X, y) == scorer(model, X, y)
    assert make_robust_scorer("median_certified_radius", norm=1)(model, X, y) > 0


def test_in_a_search(cancer):
    X, y, model = cancer
    search = GridSearchCV(
        model,
        {"logisticregression__C": [1e-3, 1.0, 100.0]},
        scoring={
            "accuracy": "accuracy",
            "certified": make_robust_scorer("certified_accuracy", eps=0.5, max_samples="all"),
            "radius": make_robust_scorer("median_certified_radius"),
        },
        refit="certified",
        cv=3,
    ).fit(X, y)
    results = search.cv_results_
    assert (results["mean_test_certified"] <= results["mean_test_accuracy"]).all()
    assert len(np.unique(results["mean_test_radius"])) == 3
    # The search itself has a certificate: that of its best model.
    np.testing.assert_array_equal(
        certified_radius(search, X, scale=None),
        certified_radius(search.best_estimator_, X, scale=None),
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_in_a_search_over_encoders(iris_rows):
    X, y = iris_rows
    search = GridSearchCV(
        SpectrallyRegularizedEncoder(
            hidden_layer_sizes=(8,), batch_size=20, learning_rate_init=0.01, random_state=0
        ),
        {"alpha": [0.0, 0.1], "max_iter": [30]},
        scoring=make_robust_scorer("median_certified_radius", scale=None),
        cv=2,
        error_score="raise",
    )
    search.fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert scores[1] > scores[0] > 0


class LogisticRegressionOfItsOwn(LogisticRegression):
    def predict(self, X):
        return super().predict(X)


def test_a_model_without_certificate_fails_loudly():
    X, y = load_iris(return_X_y=True)
    scorer = make_robust_scorer("certified_accuracy", eps=0.1)
    model = LogisticRegressionOfItsOwn()
    with pytest.raises(TypeError, match="OfItsOwn has no certificate: it overrides predict"):
        scorer(model.fit(X, y), X, y)
    with pytest.raises(TypeError, match="OfItsOwn has no certificate"):
        cross_validate(model, X, y, scoring=scorer, error_score="raise")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eps": -1}, "eps=-1"),
        ({"norm": 3}, "norm=3 is not supported by the metric 'certified_accuracy'"),
        ({"max_nodes": 0}, "max_nodes=0 is not accepted; give an integer >= 1"),
        ({"attack": "rays"}, "attack='rays' is given, but the metric 'certified_accuracy' proves"),
        ({"scale": "spread"}, "scale='spread'"),
        ({"max_samples": 0}, "max_samples=0"),
    ],
)
def test_settings_are_checked_when_the_scorer_is_made(settings, message):
    with pytest.raises(ValueError, match=message):
        make_robust_scorer("certified_accuracy", **settings)

import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.inspection import StrengthPathDisplay


@pytest.fixture
def axes():
    return Figure().add_subplot()


@pytest.fixture(scope="module")
def searched(iris_rows):
    grid = {"C": [1.0, 0.01, 0.1], "fit_intercept": [True, False]}
    search = GridSearchCV(
        LogisticRegression(max_iter=500),
        grid,
        scoring=["accuracy", "neg_log_loss"],
        refit="accuracy",
        cv=3,
        return_train_score=True,
    )
    return search.fit(*iris_rows)


def test_from_search_draws_means_and_spread_of_the_folds(searched, axes):
    display = StrengthPathDisplay.from_search(
        searched, param="C", fixed={"fit_intercept": False}, ax=axes
    )
    np.testing.assert_array_equal(display.strength, [0.01, 0.1, 1.0])
    results = searched.cv_results_
    for name in ("accuracy", "neg_log_loss"):
        for at, value in zip(display.strength, display.lines_[name].get_ydata(), strict=True):
            wanted = {"C": at, "fit_intercept": False}
            row = results["params"].index(wanted)
            assert value == pytest.approx(results[f"mean_test_{name}"][row])
            corners = display.bands_[name].get_paths()[0].vertices
            heights = corners[np.isclose(corners[:, 0], at), 1]
            std = results[f"std_test_{name}"][row]
            assert heights.min() == pytest.approx(value - std)
            assert heights.max() == pytest.approx(value + std)
    assert axes.get_xlabel() == "C" and axes.get_xscale() == "log"
    assert axes.get_ylabel() == "score: mean ± std of 3"
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["accuracy", "neg_log_loss"]


def test_chosen_scores_with_training_scores(searched, axes):
    display = StrengthPathDisplay.from_search(
        searched,
        param="C",
        fixed={"fit_intercept": True},
        scores="accuracy",
        return_train_score=True,
        ax=axes,
    )
    assert list(display.scores) == ["accuracy", "accuracy, train"]
    row = searched.cv_results_["params"].index({"C": 0.1, "fit_intercept": True})
    folds = [searched.cv_results_[f"split{k}_train_accuracy"][row] for k in range(3)]
    np.testing.assert_array_equal(display.scores["accuracy, train"][1], folds)


def test_the_only_parameter_that_varies_need_not_be_named(iris_rows, axes):
    search = RandomizedSearchCV(
        LogisticRegression(max_iter=500),
        {"C": [0.5, 0.1, 1.0], "tol": [1e-4]},
        n_iter=3,
        cv=2,
        random_state=0,
    ).fit(*iris_rows)
    display = StrengthPathDisplay.from_search(search, ax=axes)
    assert display.strength.tolist() == [0.1, 0.5, 1.0]
    assert axes.get_xscale() == "linear"
    assert axes.get_ylabel() == "score" and axes.get_legend() is None
    with pytest.raises(ValueError, match="did not keep training scores"):
        StrengthPathDisplay.from_search(search, return_train_score=True, ax=axes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"the search varies \['C', 'fit_intercept'\]; name the one to draw"),
        ({"param": "C"}, r"varies \['fit_intercept'\] besides 'C'"),
        ({"param": "alpha"}, "param names 'alpha'"),
        ({"param": "C", "fixed": {"tol": 1}}, "fixed names 'tol'"),
        ({"param": "C", "fixed": {"fit_intercept": 3}}, "fits no candidate"),
        ({"param": "fit_intercept", "fixed": {"C": 0.1}}, "which is not a number"),
        ({"param": "C", "fixed": {"fit_intercept": True}, "scores": "f1"}, "scores='f1'"),
        ({"param": "C", "fixed": {"fit_intercept": True}, "spread": "iqr"}, "spread='iqr'"),
    ],
)
def test_unknown_options_of_a_search(searched, axes, options, message):
    with pytest.raises(ValueError, match=message):
        StrengthPathDisplay.from_search(searched, ax=axes, **options)


def test_what_is_no_search(iris_rows, axes):
    model = LogisticRegression(max_iter=500).fit(*iris_rows)
    for wrong in (model, LogisticRegressionCV(), GridSearchCV, None):
        with pytest.raises(TypeError, match="is no search with cv_results_"):
            StrengthPathDisplay.from_search(wrong, ax=axes)
    with pytest.raises(NotFittedError):
        StrengthPathDisplay.from_search(GridSearchCV(model, {"C": [1]}), ax=axes)


def test_from_arrays_ignores_missing_repeats(axes):
    scores = {"std": [[1.0, 3.0, np.nan], [2.0, 4.0, 9.0], [np.nan] * 3], "once": [1.0, 2.0, 3.0]}
    display = StrengthPathDisplay.from_arrays([0, 0.1, 0.2], scores, spread="range", ax=axes)
    np.testing.assert_array_equal(display.lines_["std"].get_ydata(), [2.0, 5.0, np.nan])
    corners = display.bands_["std"].get_paths()[0].vertices
    assert set(corners[corners[:, 0] == 0, 1]) >= {1.0, 3.0}
    assert set(corners[corners[:, 0] == 0.1, 1]) >= {2.0, 9.0}
    assert list(display.bands_) == ["std"]
    assert axes.get_ylabel() == "score: mean and range of the repeats"


def test_zero_has_a_place_beside_strengths_of_many_orders(axes):
    display = StrengthPathDisplay.from_arrays([0, 1e-3, 1e-1], {"a": [1.0, 2.0, 3.0]}, ax=axes)
    assert axes.get_xscale() == "symlog"
    places = axes.transData.transform(np.c_[display.strength, display.strength])[:, 0]
    frame = axes.get_window_extent()
    assert (places > frame.x0).all() and (places < frame.x1).all()
    assert np.diff(places).min() > 0.05 * frame.width


def test_one_panel_for_each_score():
    panels = Figure().subplots(1, 2)
    scores = {"a": [1.0, 2.0], "b": [[5.0, 7.0], [6.0, 6.0]]}
    display = StrengthPathDisplay.from_arrays([1, 2], scores, ax=panels, prefix="first")
    assert display.axes_ == list(panels)
    assert [panel.get_ylabel() for panel in panels] == ["a", "b"]
    np.testing.assert_array_equal(panels[1].lines[0].get_ydata(), [6.0, 6.0])
    display.plot(panels, prefix="second")
    assert [t.get_text() for t in panels[0].get_legend().get_texts()] == ["first", "second"]
    with pytest.raises(ValueError, match="ax holds 1 axes for 2 scores"):
        display.plot(panels[:1])


@pytest.mark.parametrize(
    ("strength", "scores", "message"),
    [
        ([1, 1], {"a": [1, 2]}, "not increasing"),
        ([0, np.inf], {"a": [1, 2]}, "finite"),
        ([0, 1], {"a": [1, 2, 3]}, r"scores\['a'\] has shape \(3,\)"),
        ([0, 1], {"a": ["x", "y"]}, "must hold numbers"),
        ([0, 1], [1, 2], "give a dict"),
        ([], {"a": []}, "strength has shape"),
    ],
)
def test_bad_arrays(axes, strength, scores, message):
    with pytest.raises(ValueError, match=message):
        StrengthPathDisplay.from_arrays(strength, scores, ax=axes)


def test_from_estimator_draws_the_path_of_a_chosen_strength(iris_rows):
    settings = {"hidden_layer_sizes": 6, "max_iter": 5, "random_state": 0}
    encoder = SpectrallyRegularizedEncoder(alpha="auto", **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_pipeline(StandardScaler(), encoder).fit(*iris_rows)
    panels = Figure().subplots(1, 3)
    display = StrengthPathDisplay.from_estimator(model, ax=panels)
    fitted = model[-1]
    assert list(display.scores) == ["held-out accuracy", "certificate", "held-out log loss"]
    for name, key in zip(display.scores, ["accuracy", "certificate", "log_loss"], strict=True):
        np.testing.assert_array_equal(display.lines_[name].get_ydata(), fitted.alpha_path_[key])
    assert display.chosen == fitted.alpha_
    marks = [line.get_xdata()[0] for line in panels[0].lines if line.get_linestyle() == ":"]
    assert marks == [fitted.alpha_]
    assert panels[1].get_xscale() == "log" and panels[1].get_ylabel() == "certificate"
    assert len(StrengthPathDisplay.from_estimator(fitted).axes_) == 3
    given = clone(fitted).set_params(alpha=0.1, max_iter=1).fit(*iris_rows)
    with pytest.raises(ValueError, match=r"fitted with alpha=0\.1 and has no path"):
        StrengthPathDisplay.from_estimator(given)
    with pytest.raises(NotFittedError):
        StrengthPathDisplay.from_estimator(clone(encoder))
    with pytest.raises(TypeError, match="LogisticRegression has no path of strengths"):
        StrengthPathDisplay.from_estimator(LogisticRegression().fit(*iris_rows))

"""The probe in a user's hands: pipelines, searches, warnings, dtypes, copies, errors."""

from __future__ import annotations

import itertools
import math
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder


def trained_encoder(rows):
    model = SpectrallyRegularizedEncoder(
        hidden_layer_sizes=8, max_iter=60, learning_rate_init=1e-2, random_state=0
    )
    return model.fit(*rows)


# --- shapes and outputs -----------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_two_classes(cancer_rows, epsilon):
    X, y = cancer_rows
    probe = RobustLinearProbe(epsilon=epsilon).fit(X, y)
    assert probe.coef_.shape == (1, 30)
    assert probe.intercept_.shape == (1,)
    margin = X @ probe.coef_[0] + probe.intercept_[0]
    np.testing.assert_allclose(probe.decision_function(X), margin, atol=1e-10)
    np.testing.assert_allclose(probe.predict_proba(X)[:, 1], 1 / (1 + np.exp(-margin)), atol=1e-12)


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_many_classes(iris_rows, epsilon):
    X, y = iris_rows
    names = np.array(["a", "b", "c"])[y]
    probe = RobustLinearProbe(epsilon=epsilon).fit(X, names)
    assert probe.coef_.shape == (3, 4)
    logits = X @ probe.coef_.T + probe.intercept_
    np.testing.assert_allclose(probe.decision_function(X), logits, atol=1e-12)
    np.testing.assert_array_equal(probe.predict(X), np.array(["a", "b", "c"])[logits.argmax(1)])
    assert probe.intercept_.sum() == pytest.approx(0, abs=1e-9)
    assert probe.score(X, names) > 0.9


@pytest.mark.parametrize("rows", ["iris_rows", "cancer_rows"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_module_gives_the_same_logits(request, rows, dtype, fit_intercept):
    X, y = request.getfixturevalue(rows)
    X = X.astype(dtype)
    probe = RobustLinearProbe(epsilon=0.1, fit_intercept=fit_intercept).fit(X, y)
    with torch.no_grad():
        logits = probe.module_(torch.from_numpy(X.copy()))
    assert logits.shape == (len(X), len(probe.classes_))
    np.testing.assert_allclose(logits.softmax(1).numpy(), probe.predict_proba(X), atol=1e-5)
    margin = probe.decision_function(X)
    ours = (logits[:, 1] - logits[:, 0]).numpy() if margin.ndim == 1 else logits.numpy()
    np.testing.assert_allclose(ours, margin, atol=1e-4 if dtype == np.float32 else 1e-10)


@pytest.mark.parametrize("norm", [1, 2, math.inf])
def test_float32_follows_and_agrees(iris_rows, norm):
    X, y = iris_rows
    settings = {"epsilon": 0.1, "norm": norm, "alpha": 1e-2}
    single = RobustLinearProbe(**settings).fit(X.astype(np.float32), y)
    double = RobustLinearProbe(**settings).fit(X, y)
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    assert single.module_.weight.dtype == torch.float32
    assert single.predict_proba(X.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(single.coef_, double.coef_, atol=1e-4)


@pytest.mark.parametrize("layout", ["read-only", "fortran", "reversed", "upside down", "list"])
def test_memory_layouts(iris_rows, layout):
    X, y = np.array(iris_rows[0]), np.array(iris_rows[1])
    weight = np.linspace(1, 2, len(y))
    expected = RobustLinearProbe(epsilon=0.1).fit(X, y, sample_weight=weight).coef_
    if layout == "read-only":
        for array in (X, y, weight):
            array.setflags(write=False)
    elif layout == "fortran":
        X = np.asfortranarray(X)
    elif layout == "reversed":
        X, weight = X[:, ::-1].copy()[:, ::-1], weight[::-1].copy()[::-1]
    elif layout == "upside down":
        X, y = X[::-1].copy()[::-1], y[::-1].copy()[::-1]
    else:
        X, y, weight = X.tolist(), y.tolist(), weight.tolist()
    probe = RobustLinearProbe(epsilon=0.1).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(probe.coef_, expected, atol=1e-7)


# --- together with the encoder ----------------------------------------------------------------


def test_in_a_pipeline_after_the_encoder(iris_rows):
    X, y = iris_rows
    encoder = SpectrallyRegularizedEncoder(
        hidden_layer_sizes=8, max_iter=60, learning_rate_init=1e-2, random_state=0
    )
    model = make_pipeline(StandardScaler(), encoder, RobustLinearProbe(epsilon=0.05)).fit(X, y)
    assert model.score(X, y) > 0.9
    features = model[:-1].transform(X)
    assert model[-1].n_features_in_ == features.shape[1] == 8


def test_on_frozen_features(iris_rows):
    X, y = iris_rows
    encoder = trained_encoder(iris_rows)
    before = encoder.transform(X)
    model = make_pipeline(FrozenEstimator(encoder), RobustLinearProbe(epsilon=0.05)).fit(X, y)
    np.testing.assert_array_equal(encoder.transform(X), before)
    direct = RobustLinearProbe(epsilon=0.05).fit(before, y)
    np.testing.assert_array_equal(model.predict_proba(X), direct.predict_proba(before))


def test_frozen_features_serve_other_labels(iris_rows):
    X, y = iris_rows
    model = make_pipeline(FrozenEstimator(trained_encoder(iris_rows)), RobustLinearProbe())
    other = np.where(y == 2, "virginica", "other")
    assert model.fit(X, other).score(X, other) > 0.9


def test_search_over_epsilon(iris_rows):
    model = make_pipeline(FrozenEstimator(trained_encoder(iris_rows)), RobustLinearProbe())
    grid = {"robustlinearprobe__epsilon": [0.0, 0.05, 0.2]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(*iris_rows)
    assert len(search.cv_results_["params"]) == 3
    assert search.best_score_ > 0.9


def test_a_module_joined_to_the_encoder_is_the_pipeline(iris_rows):
    X, y = iris_rows
    encoder = trained_encoder(iris_rows)
    probe = RobustLinearProbe(epsilon=0.05).fit(encoder.transform(X), y)
    joined = torch.nn.Sequential(encoder.module_.backbone, probe.module_)
    with torch.no_grad():
        logits = joined(torch.from_numpy(X.copy())).numpy()
    expected = make_pipeline(FrozenEstimator(encoder), probe).decision_function(X)
    np.testing.assert_allclose(logits, expected, atol=1e-10)


# --- convergence ------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", [1, 2, math.inf])
@pytest.mark.parametrize("rows", ["iris_rows", "cancer_rows"])
def test_huge_epsilon_warns_that_the_features_are_ignored(request, rows, norm):
    X, y = request.getfixturevalue(rows)
    probe = RobustLinearProbe(epsilon=1e3, norm=norm)
    with pytest.warns(ConvergenceWarning, match=r"epsilon=1000\.0 is so large.*lower it"):
        probe.fit(X, y)
    np.testing.assert_allclose(probe.coef_, 0, atol=1e-5)
    shares = np.bincount(y) / len(y)
    np.testing.assert_allclose(probe.predict_proba(X), np.tile(shares, (len(X), 1)), atol=1e-3)


@pytest.mark.parametrize("norm", [1, math.inf])
def test_too_few_iterations_warn_with_the_knob(cancer_rows, norm):
    with pytest.warns(ConvergenceWarning, match=r"Raise max_iter=1 or alpha"):
        RobustLinearProbe(max_iter=1, epsilon=0.1, norm=norm).fit(*cancer_rows)


def test_few_iterations_without_a_warning_are_enough(cancer_rows):
    """Newton steps at the end can rescue a short run: silence then means the same answer."""
    kinds = []
    for norm, epsilon, alpha in itertools.product((2, 1), (0.3, 0.01), (1e-6, 1e-4)):
        settings = {"norm": norm, "epsilon": epsilon, "alpha": alpha}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            short = RobustLinearProbe(max_iter=1, **settings).fit(*cancer_rows)
        full = RobustLinearProbe(**settings).fit(*cancer_rows)
        off = np.abs(short.coef_ - full.coef_).max()
        kinds.append((bool(caught), off < 1e-6))
    # Of runs that short some are rescued; those that are not say so.
    assert set(kinds) == {(False, True), (True, False)}


def test_too_few_iterations_warn_without_moves(cancer_rows):
    with pytest.warns(ConvergenceWarning, match=r"Raise max_iter=1 or alpha"):
        RobustLinearProbe(max_iter=1, alpha=1e-10).fit(*cancer_rows)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("norm", [1, 2, math.inf])
@pytest.mark.parametrize("epsilon", [0.0, 0.01, 0.3])
@pytest.mark.parametrize("rows", ["iris_rows", "cancer_rows"])
def test_an_ordinary_fit_is_silent(request, rows, epsilon, norm):
    X, y = request.getfixturevalue(rows)
    probe = RobustLinearProbe(epsilon=epsilon, norm=norm, alpha=1e-3).fit(X, y)
    assert probe.n_iter_ >= 1
    assert probe.score(X, y) > 0.8


def test_warm_start_takes_fewer_iterations_to_the_same_answer(cancer_rows):
    cold = RobustLinearProbe(epsilon=0.1, alpha=1e-3).fit(*cancer_rows)
    warm = RobustLinearProbe(epsilon=0.1, alpha=1e-3, warm_start=True).fit(*cancer_rows)
    first = warm.n_iter_
    warm.fit(*cancer_rows)
    assert warm.n_iter_ <= first
    np.testing.assert_allclose(warm.coef_, cold.coef_, atol=1e-5)


def test_warm_start_with_other_classes_or_columns_starts_anew(iris_rows):
    X, y = iris_rows
    probe = RobustLinearProbe(warm_start=True).fit(X, y)
    for rows in ((X[:, :3], y), (X, y + 5), (X[:100], y[:100])):
        fresh = RobustLinearProbe().fit(*rows)
        np.testing.assert_allclose(probe.fit(*rows).coef_, fresh.coef_, atol=1e-6)


def test_progress_bar_goes_to_stderr_and_only_when_asked(iris_rows, capsys):
    RobustLinearProbe(verbose=1).fit(*iris_rows)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "RobustLinearProbe" in shown.err
    RobustLinearProbe().fit(*iris_rows)
    assert capsys.readouterr() == ("", "")


# --- copies and errors ------------------------------------------------------------------------


def test_pickle_and_clone(iris_rows):
    X, y = iris_rows
    probe = RobustLinearProbe(epsilon=0.1, norm=math.inf).fit(X, y)
    copied = pickle.loads(pickle.dumps(probe))
    np.testing.assert_array_equal(copied.predict_proba(X), probe.predict_proba(X))
    assert clone(probe).get_params() == probe.get_params()
    assert not hasattr(clone(probe), "coef_")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epsilon": -0.1}, r"epsilon.*\[0\.0, inf\).*-0\.1"),
        ({"norm": 3}, r"norm.*3"),
        ({"norm": "l2"}, r"norm.*'l2'"),
        ({"alpha": -1}, r"alpha.*-1"),
        ({"max_iter": 0}, r"max_iter.*0"),
        ({"tol": 0}, r"tol.*0"),
        ({"class_weight": "even"}, r"class_weight.*'even'"),
    ],
)
def test_bad_parameters_name_themselves(iris_rows, changes, message):
    with pytest.raises(ValueError, match=message):
        RobustLinearProbe(**changes).fit(*iris_rows)


def test_bad_rows(iris_rows):
    X, y = iris_rows
    bad = np.array(X)
    bad[0, 0] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        RobustLinearProbe().fit(bad, y)
    with pytest.raises(ValueError, match="one class"):
        RobustLinearProbe().fit(X[:50], y[:50])
    with pytest.raises(ValueError, match="at least one non-zero"):
        RobustLinearProbe().fit(X, y, sample_weight=np.zeros(150))
    with pytest.raises(NotFittedError, match="not fitted yet"):
        RobustLinearProbe().predict(X)


def test_other_columns_at_prediction(iris_rows):
    X, y = iris_rows
    table = pd.DataFrame(np.array(X), columns=list("abcd"))
    probe = RobustLinearProbe().fit(table, y)
    with pytest.raises(ValueError, match="must be in the same order"):
        probe.predict(table[["b", "a", "c", "d"]])
    with pytest.raises(ValueError, match=r"3 features, but .* expecting 4"):
        RobustLinearProbe().fit(X, y).predict(X[:, :3])


def test_a_row_of_weight_two_counts_as_two_rows(iris_rows):
    X, y = iris_rows
    weight = np.random.default_rng(0).integers(0, 3, size=len(y))
    settings = {"epsilon": 0.2, "alpha": 1e-3}
    weighted = RobustLinearProbe(**settings).fit(X, y, sample_weight=weight)
    repeated = RobustLinearProbe(**settings).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-6)


@pytest.mark.parametrize("table", ["iris_rows", "cancer_rows"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_probe_is_stored_without_pickle(request, table, dtype):
    """The only type to trust is the probe itself: its state is arrays and numbers."""
    X, y = request.getfixturevalue(table)
    X = X.astype(dtype)
    own = "specreg_sklearn.estimators._probe.RobustLinearProbe"
    probe = RobustLinearProbe(epsilon=0.1)
    for model in (probe, make_pipeline(StandardScaler(), probe)):
        data = skops.io.dumps(model.fit(X, y))
        assert skops.io.get_untrusted_types(data=data) == [own]
        again = skops.io.loads(data, trusted=[own])
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_coefficients_are_all_the_state_of_a_probe(iris_rows):
    X, y = iris_rows
    probe = RobustLinearProbe().fit(X, y)
    assert not any(isinstance(value, torch.nn.Module) for value in vars(probe).values())
    logits = probe.module_(torch.tensor(X)).detach().numpy()
    np.testing.assert_allclose(logits, probe.decision_function(X), atol=1e-12)
    probe.coef_ = 2 * probe.coef_
    assert probe.module_.weight.detach().numpy() == pytest.approx(probe.coef_)
    with torch.no_grad():
        probe.module_.weight.zero_()
    assert probe.coef_.any()
    with pytest.raises(NotFittedError):
        _ = RobustLinearProbe().module_
    assert not hasattr(RobustLinearProbe(), "coef_")

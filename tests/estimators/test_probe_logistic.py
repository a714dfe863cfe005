"""With epsilon=0 the probe is scikit-learn's logistic regression."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, log_softmax
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_sample_weight

from specreg_sklearn import RobustLinearProbe

CASES = {
    "iris": (load_iris, 1e-4),
    "breast_cancer": (load_breast_cancer, 1e-4),
    "wine": (load_wine, 1e-4),
    "digits": (load_digits, 1e-2),
}


def reference(X, y, alpha, sample_weight=None, fit_intercept=True):
    """Newton's method of scikit-learn at its tightest."""
    mass = len(y) if sample_weight is None else np.sum(sample_weight)
    return LogisticRegression(
        C=1 / (2 * alpha * mass),
        solver="newton-cholesky",
        tol=1e-13,
        max_iter=1000,
        fit_intercept=fit_intercept,
    ).fit(X, y, sample_weight=sample_weight)


def assert_same_coefficients(probe, other, atol=1e-6):
    np.testing.assert_allclose(probe.coef_, other.coef_, atol=atol)
    shift = other.intercept_.mean() if len(other.intercept_) > 1 else 0
    np.testing.assert_allclose(probe.intercept_, other.intercept_ - shift, atol=atol)


@pytest.mark.parametrize("case", CASES)
def test_coefficients_on_raw_columns(case):
    load, alpha = CASES[case]
    X, y = load(return_X_y=True)
    probe = RobustLinearProbe(alpha=alpha).fit(X, y)
    assert_same_coefficients(probe, reference(X, y, alpha))


@pytest.mark.parametrize("alpha", [1e-5, 1e-2, 1.0, 100.0])
def test_every_strength(cancer_rows, alpha):
    X, y = cancer_rows
    probe = RobustLinearProbe(alpha=alpha).fit(X, y)
    assert_same_coefficients(probe, reference(X, y, alpha))


@pytest.mark.parametrize("case", ["iris", "breast_cancer"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_sample_weights(case, fit_intercept):
    X, y = CASES[case][0](return_X_y=True)
    weight = np.random.default_rng(0).uniform(0, 3, size=len(y))
    weight[::5] = 0
    probe = RobustLinearProbe(alpha=1e-3, fit_intercept=fit_intercept)
    probe.fit(X, y, sample_weight=weight)
    kept = weight > 0
    other = reference(X[kept], y[kept], 1e-3, weight[kept], fit_intercept)
    assert_same_coefficients(probe, other)


@pytest.mark.parametrize("case", ["iris", "breast_cancer"])
def test_without_an_intercept(case):
    X, y = CASES[case][0](return_X_y=True)
    probe = RobustLinearProbe(alpha=1e-3, fit_intercept=False).fit(X, y)
    assert not probe.intercept_.any()
    other = reference(X, y, 1e-3, fit_intercept=False)
    np.testing.assert_allclose(probe.coef_, other.coef_, atol=1e-6)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 1: 1.0, 2: 0.5}])
def test_class_weights(class_weight):
    X, y = load_iris(return_X_y=True)
    X, y = X[20:], y[20:]
    by_class = RobustLinearProbe(class_weight=class_weight).fit(X, y)
    by_row = RobustLinearProbe().fit(X, y, sample_weight=compute_sample_weight(class_weight, y))
    assert_same_coefficients(by_class, by_row, atol=1e-8)


@pytest.mark.parametrize("case", ["iris", "breast_cancer"])
def test_loss_is_the_documented_objective(case):
    X, y = CASES[case][0](return_X_y=True)
    probe = RobustLinearProbe(alpha=1e-3).fit(X, y)
    margin = probe.decision_function(X)
    logits = np.column_stack([np.zeros(len(y)), margin]) if margin.ndim == 1 else margin
    mean = -log_softmax(logits, axis=1)[np.arange(len(y)), y].mean()
    assert probe.loss_ == pytest.approx(mean + 1e-3 * (probe.coef_**2).sum(), rel=1e-10)


def test_predictions_are_those_of_logistic_regression(cancer_rows):
    X, y = cancer_rows
    probe, other = RobustLinearProbe(alpha=1e-2).fit(X, y), reference(X, y, 1e-2)
    np.testing.assert_allclose(probe.decision_function(X), other.decision_function(X), atol=1e-6)
    np.testing.assert_allclose(probe.predict_proba(X), other.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(probe.predict(X), other.predict(X))


def test_the_answer_does_not_depend_on_the_seed(cancer_rows):
    first, second = (RobustLinearProbe(random_state=s).fit(*cancer_rows) for s in (0, 1))
    np.testing.assert_array_equal(first.coef_, second.coef_)


@pytest.mark.parametrize("epsilon", [0.0, 0.2])
@pytest.mark.parametrize("spread", [1e-8, 1e8])
def test_wildly_scaled_columns_give_the_scaled_model(iris_rows, spread, epsilon):
    """Without a penalty (and without moves) the model follows the units of its columns."""
    X, y = iris_rows
    units = np.array([1.0, spread, 1 / spread, 1.0])
    if epsilon == 0:
        plain = RobustLinearProbe(alpha=1e-2).fit(X, y)
        rescaled = RobustLinearProbe(alpha=1e-2 * spread**2).fit(X * spread, y)
        np.testing.assert_allclose(rescaled.coef_ * spread, plain.coef_, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(rescaled.intercept_, plain.intercept_, atol=1e-6)
    model = RobustLinearProbe(alpha=1e-2, epsilon=epsilon).fit(X * units, y)
    assert np.isfinite(model.coef_).all()
    assert model.score(X * units, y) > 0.6


def newton_in_unit_columns(X, y, alpha):
    """Newton's method for two classes on columns of unit spread, with the penalty carried over."""
    centre, scale = X.mean(axis=0), X.std(axis=0)
    design = np.column_stack([(X - centre) / scale, np.ones(len(y))])
    ridge = np.r_[2 * alpha / scale**2, 0]
    z = np.zeros(design.shape[1])
    for _ in range(100):
        share = expit(design @ z)
        gradient = design.T @ (share - y) / len(y) + ridge * z
        hessian = (design.T * (share * (1 - share))) @ design / len(y) + np.diag(ridge)
        units = 1 / np.sqrt(np.diag(hessian))
        step = units * np.linalg.solve(hessian * np.outer(units, units), units * gradient)
        z = z - step
    assert np.abs(step).max() < 1e-12
    return z[:-1] / scale, z[-1] - z[:-1] @ (centre / scale)


def test_columns_from_1e_minus_8_to_1e_plus_8(iris_rows):
    X, y = iris_rows
    X, y = X[50:] * np.array([1e-8, 1e-3, 1e4, 1e8]), y[50:] - 1
    probe = RobustLinearProbe(alpha=1e-3).fit(X, y)
    coef, intercept = newton_in_unit_columns(X, y, 1e-3)
    scale = X.std(axis=0)
    np.testing.assert_allclose(probe.coef_[0] * scale, coef * scale, atol=1e-6)
    np.testing.assert_allclose(probe.intercept_[0], intercept, atol=1e-6)


@pytest.mark.parametrize("constant", [0.0, 1.0, 1e6, -1e-9])
def test_constant_columns_get_no_coefficient(iris_rows, constant):
    X, y = iris_rows
    table = np.column_stack([X, np.full(len(X), constant)])
    with_constant = RobustLinearProbe(alpha=1e-2).fit(table, y)
    plain = RobustLinearProbe(alpha=1e-2).fit(X, y)
    np.testing.assert_allclose(with_constant.coef_[:, -1], 0, atol=1e-9)
    np.testing.assert_allclose(with_constant.coef_[:, :-1], plain.coef_, atol=1e-6)


def test_repeated_columns_share_the_coefficient(iris_rows):
    """One column twice at strength 2a equals the column once at strength a."""
    X, y = iris_rows
    twice = RobustLinearProbe(alpha=2e-2).fit(np.hstack([X, X]), y)
    once = RobustLinearProbe(alpha=1e-2).fit(X, y)
    np.testing.assert_allclose(twice.coef_[:, :4], once.coef_ / 2, atol=1e-6)
    np.testing.assert_allclose(twice.coef_[:, 4:], once.coef_ / 2, atol=1e-6)


def test_more_columns_than_rows(iris_rows):
    X = np.random.default_rng(0).normal(size=(30, 80))
    y = np.arange(30) % 3
    probe = RobustLinearProbe(alpha=1e-2).fit(X, y)
    assert_same_coefficients(probe, reference(X, y, 1e-2))

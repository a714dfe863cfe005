"""The probe's proof of how near it is, against minima that a conic solver has found."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import RobustLinearProbe
from specreg_sklearn.estimators.robust_logistic import probe_problem, solve
from tests.grids import diagonal

NORMS = [1, 2, math.inf]


def iris():
    return load_iris(return_X_y=True)


def wine():
    X, y = load_wine(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def some_digits():
    X, y = load_digits(return_X_y=True)
    return X[:100, 10:40] / 16, y[:100]


# From an exponential-cone model of the objective, solved by Clarabel 0.11 to 1e-9.
CONIC = [
    (iris, 0.2, 1e-4, 2, 0.1869202898),
    (iris, 0.2, 1e-4, math.inf, 0.2596976602),
    (iris, 0.2, 1e-2, 2, 0.3787807886),
    (iris, 0.2, 1e-2, math.inf, 0.4225094728),
    (iris, 0.2, 1e-2, 1, 0.3529905701),
    (iris, 2.0, 1e-4, 2, math.log(3)),
    (iris, 2.0, 1e-4, math.inf, math.log(3)),
    (wine, 0.2, 1e-4, 2, 0.0188562032),
    (wine, 0.2, 1e-4, math.inf, 0.1261983641),
    (some_digits, 0.1, 1e-4, 2, 0.1383393506),
    (some_digits, 0.1, 1e-4, math.inf, 0.5017728822),
    (some_digits, 0.5, 1e-2, 2, 1.8732689143),
    (some_digits, 0.5, 1e-2, math.inf, 2.2925275410),
]
CONIC_ERROR = 1e-9


@pytest.mark.filterwarnings("ignore:epsilon=.* is so large")
@pytest.mark.parametrize(("load", "epsilon", "alpha", "norm", "minimum"), CONIC)
def test_the_minimum_is_that_of_a_conic_solver_and_the_gap_covers_the_rest(
    load, epsilon, alpha, norm, minimum
):
    X, y = load()
    for tol in (1e-2, 1e-5, 1e-8):
        probe = RobustLinearProbe(epsilon=epsilon, norm=norm, alpha=alpha, tol=tol).fit(X, y)
        assert 0 < probe.dual_gap_ <= tol * probe.loss_
        assert probe.loss_ >= minimum - CONIC_ERROR
        assert probe.loss_ - probe.dual_gap_ <= minimum + CONIC_ERROR
    assert probe.loss_ == pytest.approx(minimum, abs=1e-8)


def problem_of(X, y, norm, *, epsilon=0.1, alpha=1e-3, fit_intercept=True):
    return probe_problem(
        X, y, np.ones(len(y)), epsilon=epsilon, norm=norm, alpha=alpha, fit_intercept=fit_intercept
    )


def three_digits():
    X, y = load_digits(return_X_y=True)
    X, y = X[:300] / 16, y[:300]
    return X[y < 3][:, 10:30], y[y < 3]


def two_classes():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X[:, :6]), y


def random_point(problem, rng, size):
    coef = size * rng.normal(size=problem.shape)
    coef -= coef.mean(axis=0) * (len(coef) > 1)
    intercept = size * rng.normal(size=len(coef)) * problem.fit_intercept
    return coef, intercept


@pytest.mark.parametrize("load", [two_classes, three_digits])
@pytest.mark.parametrize("norm", NORMS)
def test_the_bound_from_any_point_is_below_the_minimum(load, norm):
    """Whatever point the shares and slopes come from, they are feasible in the dual problem."""
    X, y = load()
    rng = np.random.default_rng(0)
    for fit_intercept in (True, False):
        problem = problem_of(X, y, norm, fit_intercept=fit_intercept)
        best = solve(problem, start=None, tol=1e-8, max_iter=100)
        for width in (1.0, 1e-2, 1e-6):
            coef, intercept = random_point(problem, rng, 0.3)
            problem.move_to(coef, problem.scores(coef, intercept), width)
            intercept, scores = problem.best_intercepts(intercept)
            problem.move_to(coef, scores, width)
            assert problem.lower_bound() <= best.loss
            assert problem.true_value() >= best.loss - best.gap


@pytest.mark.parametrize("load", [two_classes, three_digits])
@pytest.mark.parametrize("norm", NORMS)
def test_slope_and_curvature_are_those_of_the_rounded_objective(load, norm):
    problem = problem_of(*load(), norm, epsilon=0.3)
    rng = np.random.default_rng(0)
    coef, intercept = random_point(problem, rng, 0.3)
    step, step_intercept = random_point(problem, rng, 1.0)
    width, h = 0.5, 1e-5

    def at(t):
        moved, offset = coef + t * step, intercept + t * step_intercept
        return moved, problem.scores(moved, offset), width

    def slopes(t):
        problem.move_to(*at(t))
        return problem.slope.copy(), problem.intercept_slope.copy(), problem.value

    ahead, behind = slopes(h), slopes(-h)
    slope, intercept_slope, _ = slopes(0)
    along = np.vdot(slope, step) + intercept_slope @ step_intercept
    assert along == pytest.approx((ahead[2] - behind[2]) / (2 * h), rel=1e-6)
    # Of a new problem the dual estimates stand at this very point: the curvature is then exact.
    problem = problem_of(*load(), norm, epsilon=0.3)
    problem.move_to(*at(0))
    problem.prepare()
    bent, bent_intercept, scores = problem.bend(step, step_intercept)
    np.testing.assert_allclose(bent, (ahead[0] - behind[0]) / (2 * h), rtol=1e-5, atol=1e-8)
    expected = (ahead[1] - behind[1]) / (2 * h)
    np.testing.assert_allclose(bent_intercept, expected, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(scores, problem.scores(step, step_intercept), atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_units_of_rows_carry_over(norm):
    X, y = three_digits()
    plain = RobustLinearProbe(epsilon=0.1, norm=norm, alpha=1e-3).fit(X, y)
    scaled = RobustLinearProbe(epsilon=0.5, norm=norm, alpha=25e-3).fit(5 * X, y)
    assert scaled.loss_ == pytest.approx(plain.loss_, rel=1e-7)
    np.testing.assert_allclose(5 * scaled.coef_, plain.coef_, atol=2e-3)


def test_a_rotation_of_the_rows_turns_the_coefficients():
    X, y = three_digits()
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(20, 20)))
    plain = RobustLinearProbe(epsilon=0.1, alpha=1e-3).fit(X, y)
    turned = RobustLinearProbe(epsilon=0.1, alpha=1e-3).fit(X @ turn, y)
    np.testing.assert_allclose(turned.coef_, plain.coef_ @ turn, atol=1e-8)


@pytest.mark.parametrize(
    ("load", "norm", "fit_intercept"), diagonal([two_classes, three_digits], NORMS, [True, False])
)
def test_sparse_rows_give_the_model_of_dense_ones(load, norm, fit_intercept):
    X, y = load()
    settings = {"epsilon": 0.1, "norm": norm, "alpha": 1e-2, "fit_intercept": fit_intercept}
    dense = RobustLinearProbe(**settings).fit(X, y)
    for container in (sparse.csr_matrix, sparse.csc_array):
        model = RobustLinearProbe(**settings).fit(container(X), y)
        assert model.loss_ == pytest.approx(dense.loss_, rel=3e-8)
        np.testing.assert_allclose(model.coef_, dense.coef_, atol=2e-3 if norm != 2 else 1e-8)
        np.testing.assert_allclose(
            model.decision_function(container(X)), model.decision_function(X), atol=1e-9
        )


@pytest.mark.parametrize("norm", [2, math.inf])
def test_steps_and_products_stay_few(norm):
    """Deterministic, where seconds are not: each product costs an iteration of lbfgs."""
    X, y = load_digits(return_X_y=True)
    problem = problem_of(X / 16, y, norm, epsilon=0.1, alpha=1e-4)
    found = solve(problem, start=None, tol=1e-6, max_iter=100)
    assert found.converged
    assert found.gap <= 1e-6 * found.loss
    assert found.n_steps <= 30  # 9 and 20 when this was written
    assert found.n_products <= 220  # 73 and 147


def test_a_path_of_epsilons_takes_fewer_steps_when_it_goes_on_from_the_last():
    X, y = some_digits()
    sizes = [0.1, 0.11, 0.12, 0.13]
    warm = RobustLinearProbe(warm_start=True, alpha=1e-3)
    steps = {"warm": 0, "cold": 0}
    for epsilon in sizes:
        cold = RobustLinearProbe(epsilon=epsilon, alpha=1e-3).fit(X, y)
        warm.set_params(epsilon=epsilon).fit(X, y)
        assert warm.loss_ == pytest.approx(cold.loss_, rel=1e-8)
        steps["warm"] += warm.n_iter_ * (epsilon > sizes[0])
        steps["cold"] += cold.n_iter_ * (epsilon > sizes[0])
    assert steps["warm"] < steps["cold"]


def test_without_a_penalty_no_bound_is_known():
    X, y = iris()
    probe = RobustLinearProbe(epsilon=0.1, alpha=0).fit(X, y)
    assert probe.dual_gap_ == math.inf
    nearly = RobustLinearProbe(epsilon=0.1, alpha=1e-9).fit(X, y)
    assert probe.loss_ == pytest.approx(nearly.loss_ - 1e-9 * (nearly.coef_**2).sum(), rel=1e-4)


def test_a_gap_that_is_too_large_is_named():
    X, y = some_digits()
    message = r"relative duality gap of .*above tol=1e-08. Raise max_iter=1 or alpha"
    with pytest.warns(Warning, match=message):
        probe = RobustLinearProbe(epsilon=0.1, norm=1, max_iter=1).fit(X, y)
    assert probe.dual_gap_ > 1e-8 * probe.loss_

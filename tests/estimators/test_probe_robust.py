"""With epsilon > 0 the probe against scipy's solvers on the closed form, and against real moves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, minimize
from scipy.special import expit, logsumexp
from sklearn.datasets import load_breast_cancer, load_iris, make_classification
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import RobustLinearProbe

NORMS = [1, 2, math.inf]
DUAL = {1: math.inf, 2: 2, math.inf: 1}
ALPHA = 1e-2


def two_flowers():
    X, y = load_iris(return_X_y=True)
    return X[50:], y[50:] - 1


def six_columns():
    X, y = make_classification(120, 6, n_informative=4, flip_y=0.1, random_state=0)
    return StandardScaler().fit_transform(X), y


def cancer_means():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X[:, :8]), y


DATA = [two_flowers, six_columns, cancer_means]


def smooth_part(X, y, weight, w, b, reach):
    """Mean of log(1 + exp(reach - s (w x + b))) + alpha |w|^2, with its gradient."""
    sign = 2 * y - 1
    exponent = reach - sign * (X @ w + b)
    wrong = weight * expit(exponent)
    value = weight @ np.logaddexp(0, exponent) + ALPHA * w @ w
    return value, X.T @ (-sign * wrong) + 2 * ALPHA * w, -sign @ wrong, wrong.sum()


def closed_form(X, y, w, b, epsilon, norm, weight=None):
    weight = np.full(len(y), 1 / len(y)) if weight is None else weight / weight.sum()
    reach = epsilon * np.linalg.norm(w, DUAL[norm])
    return smooth_part(X, y, weight, w, b, reach)[0]


def solved_by_scipy(X, y, epsilon, norm, weight=None):
    """Minimise the closed form by means that know nothing of the probe."""
    n_samples, d = X.shape
    weight = np.full(n_samples, 1 / n_samples) if weight is None else weight / weight.sum()

    if norm == 2:  # smooth away from w = 0

        def objective(z):
            w, length = z[:d], np.linalg.norm(z[:d])
            value, slope, offset, mass = smooth_part(X, y, weight, w, z[d], epsilon * length)
            return value, np.r_[slope + mass * epsilon * w / length, offset]

        start = np.r_[np.full(d, 0.1), 0.0]
        found = minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-10})
        return found.x[:d], found.x[d]

    if norm == math.inf:  # dual norm 1: positive and negative parts

        def objective(z):
            w = z[:d] - z[d : 2 * d]
            value, slope, offset, mass = smooth_part(X, y, weight, w, z[-1], epsilon * z[:-1].sum())
            push = mass * epsilon
            return value, np.r_[slope + push, -slope + push, offset]

        bounds = [(0, None)] * (2 * d) + [(None, None)]
        options = {"ftol": 1e-16, "gtol": 1e-11, "maxiter": 20000, "maxfun": 50000}
        found = minimize(
            objective, np.zeros(2 * d + 1), jac=True, method="L-BFGS-B", bounds=bounds,
            options=options,
        )  # fmt: skip
        return found.x[:d] - found.x[d : 2 * d], found.x[-1]

    # dual norm inf: the bound t >= |w_j| as linear constraints on (w, t, b)
    def objective(z):
        value, slope, offset, mass = smooth_part(X, y, weight, z[:d], z[d + 1], epsilon * z[d])
        return value, np.r_[slope, epsilon * mass, offset]

    rows = np.block([[np.eye(d), -np.ones((d, 1)), np.zeros((d, 1))],
                     [-np.eye(d), -np.ones((d, 1)), np.zeros((d, 1))]])  # fmt: skip
    found = minimize(
        objective,
        np.r_[np.zeros(d), 1.0, 0.0],
        jac=True,
        method="SLSQP",
        constraints=[LinearConstraint(rows, -np.inf, 0)],
        options={"ftol": 1e-15, "maxiter": 2000},
    )
    return found.x[:d], found.x[d + 1]


def fitted(X, y, epsilon, norm, sample_weight=None):
    probe = RobustLinearProbe(epsilon=epsilon, norm=norm, alpha=ALPHA)
    return probe.fit(X, y, sample_weight=sample_weight)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("data", DATA, ids=lambda f: f.__name__)
@pytest.mark.parametrize("epsilon", [0.02, 0.1])
def test_two_classes_equal_scipy_on_the_closed_form(data, norm, epsilon):
    X, y = data()
    probe = fitted(X, y, epsilon, norm)
    ours = closed_form(X, y, probe.coef_[0], probe.intercept_[0], epsilon, norm)
    w, b = solved_by_scipy(X, y, epsilon, norm)
    assert np.abs(w).max() > 0.1  # not the model that ignores the features
    theirs = closed_form(X, y, w, b, epsilon, norm)
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert probe.loss_ == pytest.approx(ours, abs=1e-5)
    np.testing.assert_allclose(probe.coef_[0], w, atol=1e-3)
    np.testing.assert_allclose(probe.intercept_[0], b, atol=5e-3)


@pytest.mark.parametrize("norm", NORMS)
def test_two_classes_with_sample_weights(norm):
    X, y = six_columns()
    weight = np.random.default_rng(0).uniform(0.1, 3, size=len(y))
    probe = fitted(X, y, 0.1, norm, weight)
    w, b = solved_by_scipy(X, y, 0.1, norm, weight)
    ours = closed_form(X, y, probe.coef_[0], probe.intercept_[0], 0.1, norm, weight)
    assert ours == pytest.approx(closed_form(X, y, w, b, 0.1, norm, weight), abs=1e-6)
    np.testing.assert_allclose(probe.coef_[0], w, atol=1e-3)


def worst_moves(w, sign, epsilon, norm):
    """The move of size epsilon that lowers s w x the most, one for each row."""
    if norm == 2:
        direction = w / np.linalg.norm(w)
    elif norm == math.inf:
        direction = np.sign(w)
    else:  # all of the move goes into the largest coefficient
        direction = np.sign(w) * (np.arange(len(w)) == np.abs(w).argmax())
    return -epsilon * sign[:, None] * direction


def plain_loss(probe, X, y):
    """Mean log loss plus penalty of the fitted model, without any move."""
    margin = (2 * y - 1) * probe.decision_function(X)
    return np.logaddexp(0, -margin).mean() + ALPHA * (probe.coef_**2).sum()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("data", DATA, ids=lambda f: f.__name__)
def test_two_classes_lose_exactly_the_loss_under_the_worst_move(data, norm):
    X, y = data()
    probe = fitted(X, y, 0.1, norm)
    moves = worst_moves(probe.coef_[0], 2 * y - 1, 0.1, norm)
    assert np.linalg.norm(moves, norm, axis=1).max() == pytest.approx(0.1)
    assert plain_loss(probe, X + moves, y) == pytest.approx(probe.loss_, abs=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_random_moves_never_cost_more_than_the_loss(norm):
    X, y = six_columns()
    probe = fitted(X, y, 0.1, norm)
    rng = np.random.default_rng(0)
    for _ in range(200):
        moves = rng.normal(size=X.shape)
        moves *= 0.1 / np.linalg.norm(moves, norm, axis=1, keepdims=True)
        assert plain_loss(probe, X + moves, y) <= probe.loss_


def many_class_loss(X, y, coef, intercept, epsilon, norm):
    """The documented objective: logit j is raised by epsilon |w_j - w_y|_dual."""
    logits = X @ coef.T + intercept
    gaps = coef[None, :, :] - coef[y][:, None, :]
    raised = logits + epsilon * np.linalg.norm(gaps, DUAL[norm], axis=2)
    mean = (logsumexp(raised, axis=1) - logits[np.arange(len(y)), y]).mean()
    return mean + ALPHA * (coef**2).sum()


@pytest.mark.parametrize("norm", NORMS)
def test_many_classes_minimise_the_documented_objective(iris_rows, norm):
    """Convex: where no step in many random directions helps, the minimum is found."""
    X, y = iris_rows
    probe = fitted(X, y, 0.2, norm)
    found = many_class_loss(X, y, probe.coef_, probe.intercept_, 0.2, norm)
    assert probe.loss_ == pytest.approx(found, abs=1e-5)
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-2, 1e-1, 1.0):
        for _ in range(150):
            step = size * rng.normal(size=probe.coef_.shape)
            shift = size * rng.normal(size=3)
            moved = many_class_loss(X, y, probe.coef_ + step, probe.intercept_ + shift, 0.2, norm)
            assert moved >= found - 1e-6


def test_many_classes_equal_scipy_in_the_euclidean_norm(iris_rows):
    X, y = iris_rows
    probe = fitted(X, y, 0.2, 2)

    def objective(z):
        return many_class_loss(X, y, z[:12].reshape(3, 4), z[12:], 0.2, 2)

    start = np.r_[np.random.default_rng(0).normal(size=12), np.zeros(3)]
    theirs = minimize(objective, start, method="BFGS", options={"gtol": 1e-7})
    assert probe.loss_ == pytest.approx(theirs.fun, abs=1e-6)
    np.testing.assert_allclose(probe.coef_, theirs.x[:12].reshape(3, 4), atol=1e-3)


@pytest.mark.parametrize("norm", NORMS)
def test_many_classes_bound_every_move(iris_rows, norm):
    X, y = iris_rows
    probe = fitted(X, y, 0.3, norm)
    rng = np.random.default_rng(0)
    penalty = ALPHA * (probe.coef_**2).sum()
    for _ in range(100):
        moves = rng.normal(size=X.shape)
        moves *= 0.3 / np.linalg.norm(moves, norm, axis=1, keepdims=True)
        logits = probe.decision_function(X + moves)
        mean = (logsumexp(logits, axis=1) - logits[np.arange(len(y)), y]).mean()
        assert mean + penalty <= probe.loss_


@pytest.mark.parametrize("norm", NORMS)
def test_robust_training_is_best_at_its_own_epsilon(norm):
    """Among models for several epsilons each one loses least under its own moves."""
    X, y = six_columns()
    sizes = [0.0, 0.03, 0.08, 0.15]
    probes = [fitted(X, y, epsilon, norm) for epsilon in sizes]
    for row, epsilon in enumerate(sizes):
        losses = [closed_form(X, y, p.coef_[0], p.intercept_[0], epsilon, norm) for p in probes]
        assert np.argmin(losses) == row


@pytest.mark.parametrize("norm", NORMS)
def test_larger_epsilon_keeps_separable_rows_further_from_the_boundary(norm):
    X, y = load_iris(return_X_y=True)
    X, y = X[:100], y[:100]

    def smallest_distance(epsilon):
        probe = RobustLinearProbe(epsilon=epsilon, norm=norm, alpha=1e-4).fit(X, y)
        margin = (2 * y - 1) * probe.decision_function(X)
        return margin.min() / np.linalg.norm(probe.coef_[0], DUAL[norm])

    distances = [smallest_distance(epsilon) for epsilon in (0.0, 0.2, 0.4)]
    assert 0 < distances[0] < distances[1] < distances[2]


@pytest.mark.parametrize("norm", NORMS)
def test_the_loss_grows_with_epsilon(norm):
    X, y = six_columns()
    losses = [fitted(X, y, epsilon, norm).loss_ for epsilon in (0, 0.02, 0.05, 0.1, 0.2)]
    assert np.all(np.diff(losses) > 0)
    assert losses[-1] <= math.log(2) + 1e-6  # the model that ignores the features


@pytest.mark.parametrize("norm", NORMS)
def test_a_tiny_epsilon_is_nearly_logistic_regression(norm):
    X, y = six_columns()
    np.testing.assert_allclose(
        fitted(X, y, 1e-7, norm).coef_, fitted(X, y, 0.0, norm).coef_, atol=1e-4
    )


def test_moves_of_any_size_in_the_maximum_norm_leave_useless_columns_out():
    """The dual of the maximum norm is the sum norm, which picks columns."""
    X, y = six_columns()
    table = np.hstack([X, np.random.default_rng(0).normal(size=(len(X), 5))])
    probe = fitted(table, y, 0.1, math.inf)
    strength = np.abs(probe.coef_[0])
    assert strength[:6].max() > 0.3
    assert np.count_nonzero(strength[6:] < 1e-4) >= 4

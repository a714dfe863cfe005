"""Distances of rows to another label, against SLSQP, grids, and each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog, minimize
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from specreg_sklearn.attacks import CGBA, FeatureSpace
from specreg_sklearn.inspection import (
    feature_margins,
    instance_margins,
    logit_margins,
    singular_value_spectrum,
)
from specreg_sklearn.inspection.margins._exact_distances import exact_distance, least_distance
from specreg_sklearn.metrics import certified_radius


def linear_distance(W, b, x, norm):
    """Return the distance from x to another label of a linear model, by a solver."""
    d = len(x)
    s = W @ x + b
    top, best = int(s.argmax()), np.inf
    for j in set(range(len(s))) - {top}:
        row, level = W[j] - W[top], s[top] - s[j]  # row . z >= level
        if norm == 2:
            result = minimize(
                lambda z: z @ z, row, jac=lambda z: 2 * z, method="SLSQP", tol=1e-14,
                constraints={"type": "ineq", "fun": lambda z, r=row, c=level: r @ z - c},
            )  # fmt: skip
            best = min(best, np.sqrt(result.fun))
            continue
        # Variables z and t, with |z_i| <= t (Linf), or <= t_i (L1, the t_i added up).
        eye, own = np.eye(d), np.ones((d, 1)) if norm == np.inf else np.eye(d)
        A = np.block([[eye, -own], [-eye, -own], [-row[None], np.zeros((1, own.shape[1]))]])
        cost = np.r_[np.zeros(d), np.ones(own.shape[1])]
        bounds = np.r_[np.zeros(2 * d), -level]
        result = linprog(cost, A_ub=A, b_ub=bounds, bounds=[(None, None)] * len(cost))
        best = min(best, result.fun)
    return best


@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_linear_margins_are_exact_in_every_norm(norm, linear_model):
    rng = np.random.default_rng(2)
    W, b, X = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=(6, 3))
    expected = [linear_distance(W, b, x, norm) for x in X]
    for method in ("auto", "exact"):
        found = instance_margins(linear_model(W, b), X, norm=norm, method=method)
        np.testing.assert_allclose(found.lower, expected, rtol=1e-5)
        np.testing.assert_array_equal(found.lower, found.upper)
    proved = instance_margins(linear_model(W, b), X, norm=norm, method="lipschitz")
    np.testing.assert_allclose(proved.lower, expected, rtol=1e-5)
    assert np.isinf(proved.upper).all()


def test_units_and_scalers(cancer_rows):
    X = 5 * cancer_rows[0] + 3
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, cancer_rows[1])
    inner = feature_margins(model, X)  # in standard deviations, as the readout sees it
    found = instance_margins(model, X, scale="std")
    np.testing.assert_allclose(found.lower, inner, rtol=1e-9)
    w = model[-1].coef_[0] / model[0].scale_
    exact = np.abs(model.decision_function(X)) / np.linalg.norm(w)
    np.testing.assert_allclose(instance_margins(model, X).lower, exact, rtol=1e-9)


def grid_distances(predict, X, reach, side):
    """Return the distance to the nearest grid point of another label."""
    axis = np.linspace(-reach, reach, side)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    labels, own = predict(points), predict(X)
    return np.array(
        [
            np.sqrt(((points[labels != label] - x) ** 2).sum(axis=1).min())
            for x, label in zip(X, own, strict=True)
        ]
    )


@pytest.mark.parametrize("widths", [(2, 5, 3), (2, 4, 4, 3), (2, 3, 3, 3, 3)])
def test_exact_distance_of_a_network_against_a_grid(widths, mlp_model, random_layers):
    model = mlp_model(random_layers(*widths, seed=2))
    X = np.random.default_rng(0).normal(size=(6, 2))
    exact = instance_margins(model, X, method="exact").lower
    side, reach = 1201, 3.0
    assert (exact < 2.1).all()
    on_grid = grid_distances(model.predict, X, reach, side)
    assert (exact <= on_grid + 1e-9).all()
    # Behind a boundary there is a grid point within a cell or two, unless the region is a splinter.
    assert (on_grid - exact <= 2 * np.sqrt(2) * 2 * reach / (side - 1)).all()


@pytest.mark.parametrize("seed", range(3))
def test_proved_exact_and_found_come_in_this_order(seed, blob_rows):
    X, y = blob_rows
    model = MLPClassifier((8,), solver="lbfgs", max_iter=60, random_state=seed).fit(X, y)
    rows = X[:12]
    exact = instance_margins(model, rows, method="exact")
    bounds = instance_margins(model, rows, attack=CGBA(max_queries=300))
    found = np.isfinite(bounds.upper)
    assert found.mean() > 0.8
    assert (bounds.lower <= exact.lower * (1 + 1e-9)).all()
    assert (exact.upper <= bounds.upper * (1 + 1e-9)).all()
    assert np.median(bounds.upper[found] / exact.upper[found]) < 1.1
    assert (bounds.lower > 0).all()
    np.testing.assert_array_equal(bounds.lower, certified_radius(model, rows, scale=None))


def test_exact_distance_in_other_units(mlp_model, random_layers):
    model = mlp_model(random_layers(3, 5, 3, seed=1))
    X = np.random.default_rng(3).normal(size=(5, 3))
    (W, b), rest = (
        (model.coefs_[0], model.intercepts_[0]),
        list(zip(model.coefs_[1:], model.intercepts_[1:], strict=True)),
    )
    units = np.array([1.0, 4.0, 0.5])
    stretched = mlp_model([(W.T * units, b), *((w.T, c) for w, c in rest)])
    np.testing.assert_allclose(
        instance_margins(model, X, method="exact", scale=units).lower,
        instance_margins(stretched, X / units, method="exact").lower,
        rtol=1e-9,
    )


def test_an_attack_needs_predictions_only(iris_rows):
    X, y = iris_rows
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    found = instance_margins(forest, X[::15], method="attack", attack=CGBA(max_queries=100))
    assert (found.lower == 0).all() and (found.upper > 0).all()


def test_smallest_singular_values_are_no_certificate(encoder_model):
    """Margin over the product of the smallest singular values is no bound of the distance."""
    layer = np.eye(2), np.zeros(2)
    model = encoder_model([layer, layer])
    x = np.array([[-5.0, 1.0]])
    spectrum = singular_value_spectrum(model)
    smallest = np.prod(spectrum.column("min")[:-1])
    claimed = logit_margins(model, x)[0] / (smallest * np.sqrt(2))  # "the distance is at most this"
    assert logit_margins(model, x) == pytest.approx(1.0)
    truth = instance_margins(model, x, method="exact").lower[0]
    assert truth == pytest.approx(1.0)  # a tie counts as another label
    assert claimed < 0.71 < truth
    assert certified_radius(model, x, scale=None)[0] <= truth


def test_least_distance_against_slsqp():
    rng = np.random.default_rng(0)
    for _ in range(30):
        A, b = rng.normal(size=(4, 3)), rng.normal(size=4)
        if not linprog(np.zeros(3), A_ub=A, b_ub=b, bounds=[(None, None)] * 3).success:
            assert np.isinf(least_distance(A, b))
            continue
        result = minimize(
            lambda z: z @ z, np.zeros(3), jac=lambda z: 2 * z, method="SLSQP", tol=1e-14,
            constraints={"type": "ineq", "fun": lambda z, A=A, b=b: b - A @ z},
        )  # fmt: skip
        assert (A @ result.x <= b + 1e-6).all()
        assert least_distance(A, b) == pytest.approx(np.sqrt(result.fun), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("error", [RuntimeError, np.linalg.LinAlgError])
def test_least_distance_where_the_first_solver_gives_up(monkeypatch, error):
    def gives_up(*args):
        raise error("Matrix is singular.")

    monkeypatch.setattr("specreg_sklearn.inspection.margins._exact_distances.nnls", gives_up)
    corner = np.array([[-1.0, 0.0], [0.0, -1.0], [-1.0, -1.0]]), np.array([-3.0, -4.0, 0.0])
    assert least_distance(*corner) == pytest.approx(5.0)
    assert np.isinf(least_distance(np.array([[1.0], [-1.0]]), np.array([-1.0, -1.0])))


def test_half_spaces_that_exclude_each_other_and_flat_ones():
    A = np.array([[1.0], [-1.0]])
    assert np.isinf(least_distance(A, np.array([-1.0, -1.0])))
    assert least_distance(A, np.array([-1.0, 3.0])) == pytest.approx(1.0)
    assert np.isinf(least_distance(np.zeros((1, 2)), np.array([-1.0])))
    assert least_distance(np.zeros((1, 2)), np.array([1.0])) == 0.0


def test_a_network_that_never_changes_its_mind():
    layers = [(np.eye(2), np.zeros(2)), (np.zeros((2, 2)), np.array([1.0, 0.0]))]
    assert np.isinf(exact_distance(layers, np.array([1.0, 2.0])))


def test_what_exact_cannot_do(mlp_model, random_layers, iris_rows):
    X = np.ones((2, 4))
    with pytest.raises(ValueError, match="at most 16 hidden units; MLPClassifier has 17"):
        instance_margins(mlp_model(random_layers(4, 9, 8, 3)), X, method="exact")
    with pytest.raises(ValueError, match="linear models and ReLU networks"):
        instance_margins(mlp_model(random_layers(4, 3, 3), "tanh"), X, method="exact")
    with pytest.raises(ValueError, match="is for norm=2 where the model is a network"):
        instance_margins(mlp_model(random_layers(4, 3, 3)), X, method="exact", norm=np.inf)
    with pytest.raises(ValueError, match=r"method='guess' is not one of \['auto', 'lipschitz'"):
        instance_margins(mlp_model(random_layers(4, 3, 3)), X, method="guess")


@pytest.mark.parametrize("last", [LogisticRegression(), MLPClassifier((6,), random_state=0)])
def test_words_behind_an_encoder_stay(last):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["size", "age"])
    X["city"] = rng.choice(["Rome", "Oslo"], 60)
    y = X["size"] + 0.3 * (X["city"] == "Oslo") > 0.1
    parts = [("words", OneHotEncoder(), ["city"]), ("rest", StandardScaler(), ["size", "age"])]
    model = make_pipeline(ColumnTransformer(parts), last.set_params(max_iter=500)).fit(X, y)
    both, proved = (
        instance_margins(model, X[::5], method=method) for method in ("auto", "lipschitz")
    )
    assert (proved.lower > 0).all()
    assert (proved.lower <= both.lower * (1 + 1e-9)).all()
    assert (both.lower <= both.upper).all()
    if isinstance(last, LogisticRegression):
        np.testing.assert_allclose(both.lower, both.upper, rtol=1e-6)


def test_trees_are_searched():
    X, y = load_iris(return_X_y=True)
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    rows = X[::10]
    space = FeatureSpace.from_data(rows, scale=None)
    exact = instance_margins(forest, rows, method="exact")
    both = instance_margins(forest, rows)
    np.testing.assert_array_equal(exact.upper, both.upper)
    np.testing.assert_allclose(exact.lower, exact.upper, rtol=1e-6)
    np.testing.assert_array_equal(exact.lower, certified_radius(forest, rows, space=space))
    found = instance_margins(forest, rows, method="attack")
    assert (exact.lower <= found.upper).all()

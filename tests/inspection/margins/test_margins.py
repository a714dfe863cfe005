"""Margins of logits and of features, and numbers about them, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm as gaussian
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn.inspection import (
    boundary_mass,
    feature_margins,
    logit_margins,
    margin_concentration,
    ramp_risk,
)


def nearest_boundary(logits_of, jacobian, x):
    """Return the distance from x to the nearest change of label of an affine map, by SLSQP."""
    s = logits_of(x)
    top, best = int(s.argmax()), np.inf
    for j in range(len(s)):
        if j == top:
            continue
        slope = jacobian[j] - jacobian[top]
        result = minimize(
            lambda z: z @ z,
            0.1 * slope,
            jac=lambda z: 2 * z,
            method="SLSQP",
            constraints={
                "type": "ineq",
                "fun": lambda z, j=j: logits_of(x + z)[j] - logits_of(x + z)[top],
                "jac": lambda z, slope=slope: slope,
            },
            options={"ftol": 1e-12, "maxiter": 500},
        )
        assert result.success
        best = min(best, np.sqrt(result.fun))
    return best


def test_logit_margins_by_hand(linear_model):
    model = linear_model([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]], [0.0, 0.0, 0.5])
    X = np.array([[3.0, 1.0], [0.0, 0.0], [1.0, 4.0]])  # logits (3, 2, .5), (0, 0, .5), (1, 8, .5)
    np.testing.assert_allclose(logit_margins(model, X), [1.0, 0.5, 7.0])
    np.testing.assert_allclose(logit_margins(model, X, [0, 0, 0]), [1.0, -0.5, -7.0])
    np.testing.assert_allclose(logit_margins(model, X, [1, 1, 1]), [-1.0, -0.5, 7.0])


def test_sign_is_correctness_and_a_shift_changes_nothing(iris_rows):
    X, y = iris_rows
    model = LogisticRegression(C=0.01).fit(X, y)
    margins = logit_margins(model, X, y)
    np.testing.assert_array_equal(margins > 0, model.predict(X) == y)
    assert (margins <= 0).any()
    model.intercept_ = model.intercept_ + 17.0
    np.testing.assert_allclose(logit_margins(model, X, y), margins, atol=1e-12)


def test_labels_of_any_kind(iris_rows):
    X, y = iris_rows
    names = np.array(["c", "a", "b"])[y]
    model = LogisticRegression().fit(X, names)
    numbers = LogisticRegression().fit(X, y)
    np.testing.assert_allclose(
        logit_margins(model, X, names), logit_margins(numbers, X, y), atol=1e-3
    )


def test_binary_margin_is_the_size_of_the_score(cancer_rows):
    X, y = cancer_rows
    model = LogisticRegression().fit(X, y)
    decision = model.decision_function(X)
    np.testing.assert_allclose(logit_margins(model, X), np.abs(decision), rtol=1e-9)
    np.testing.assert_allclose(logit_margins(model, X, y), decision * (2 * y - 1), rtol=1e-9)


def test_feature_margins_without_hidden_layer_are_distances(linear_model):
    rng = np.random.default_rng(0)
    W, b = rng.normal(size=(4, 3)), rng.normal(size=4)
    X = rng.normal(size=(6, 3))
    found = feature_margins(linear_model(W, b), X)
    exact = [nearest_boundary(lambda v: W @ v + b, W, x) for x in X]
    np.testing.assert_allclose(found, exact, rtol=1e-5)


def test_feature_margins_are_about_what_the_readout_reads(mlp_model, random_layers, iris_rows):
    layers = random_layers(4, 6, 3)
    (W, b), (V, c) = layers
    X = np.random.default_rng(1).normal(size=(5, 4))
    phi = np.maximum(X @ W.T + b, 0)
    exact = [nearest_boundary(lambda v: V @ v + c, V, row) for row in phi]
    np.testing.assert_allclose(feature_margins(mlp_model(layers), X), exact, rtol=1e-5)
    rows, y = iris_rows
    rows = 3 * rows + 1
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, y)
    np.testing.assert_allclose(
        feature_margins(model, rows), feature_margins(model[-1], model[0].transform(rows))
    )


def test_feature_margins_do_not_depend_on_scales(encoder_model, random_layers):
    layers = random_layers(4, 6, 3)
    X = np.random.default_rng(1).normal(size=(9, 4))
    (W, b), (V, c) = layers
    margins = feature_margins(encoder_model(layers), X)
    louder = encoder_model([(W, b), (5 * V, 5 * c)])
    np.testing.assert_allclose(feature_margins(louder, X), margins, rtol=1e-9)
    assert not np.allclose(logit_margins(louder, X), logit_margins(encoder_model(layers), X))
    # Larger features carry larger margins, except after normalisation.
    wider = encoder_model([(3 * W, 3 * b), (V, 3 * c)])
    np.testing.assert_allclose(feature_margins(wider, X), 3 * margins, rtol=1e-9)
    np.testing.assert_allclose(
        feature_margins(wider, X, normalize=True),
        feature_margins(encoder_model(layers), X, normalize=True),
        rtol=1e-9,
    )


def test_normalised_margins_are_in_units_of_the_spread(encoder_model, random_layers):
    model = encoder_model(random_layers(4, 6, 3))
    X = np.random.default_rng(1).normal(size=(9, 4))
    phi = model.transform(X)
    spread = np.sqrt(np.mean(np.linalg.norm(phi - phi.mean(axis=0), axis=1) ** 2))
    np.testing.assert_allclose(
        feature_margins(model, X, normalize=True) * spread, feature_margins(model, X), rtol=1e-9
    )
    with pytest.raises(ValueError, match="normalize=True needs features that vary"):
        feature_margins(model, X[:1], normalize=True)


def test_classes_that_share_their_weights(linear_model):
    model = linear_model([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]], [1.0, 0.0, -1.0])
    # Class 1 never comes near class 0; class 2 is beyond x_0 = -2.
    np.testing.assert_allclose(feature_margins(model, [[1.0, 5.0]]), [3.0])
    constant = linear_model([[0.0], [0.0], [0.0]], [1.0, 0.0, 0.0])
    assert feature_margins(constant, [[1.0]]) == np.inf
    tied = linear_model([[0.0], [0.0], [0.0]], [0.0, 0.0, -1.0])
    assert feature_margins(tied, [[1.0]]) == 0.0


def test_mass_of_gaussian_margins():
    margins = gaussian.ppf((np.arange(20000) + 0.5) / 20000)
    thresholds = np.array([0.1, 0.5, 1.0, 2.0])
    expected = gaussian.cdf(thresholds) - gaussian.cdf(-thresholds)
    np.testing.assert_allclose(boundary_mass(margins, thresholds), expected, atol=1e-4)
    assert boundary_mass(margins, 0.5) == boundary_mass(margins, [0.5])[0]
    shifted = 3.0 + 2.0 * margins
    assert margin_concentration(shifted) == pytest.approx(1.5, rel=1e-3)
    assert margin_concentration(7 * shifted) == pytest.approx(margin_concentration(shifted))
    assert margin_concentration([0.1, 0.1, 0.1]) == np.inf


def test_mass_counts_the_edge_and_both_signs():
    assert boundary_mass([-1.0, 1.0, 1.5, -3.0], 1.0) == 0.5


def test_ramp_is_between_the_error_and_the_mass_below_the_ramp():
    margins = np.random.default_rng(0).normal(size=500)
    gammas = np.array([1e-12, 0.3, 1.0, 5.0])
    risks = ramp_risk(margins, gammas)
    assert risks[0] == np.mean(margins < 0)
    assert (np.diff(risks) > 0).all()
    for gamma, risk in zip(gammas, risks, strict=True):
        assert np.mean(margins < 0) <= risk <= np.mean(margins <= gamma)


def test_ramp_of_uniform_margins_is_an_integral():
    margins = (np.arange(100000) + 0.5) / 100000  # uniform on [0, 1]
    # The ramp of width g integrates to g / 2 below 1, and to 1 - 1 / (2 g) above.
    np.testing.assert_allclose(ramp_risk(margins, [0.5, 2.0]), [0.25, 0.75], atol=1e-5)

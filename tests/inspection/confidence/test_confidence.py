"""Confidence, calibration and gaps, against hand-made probabilities and scikit-learn's log loss."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Perceptron, SGDClassifier
from sklearn.metrics import log_loss
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.inspection import (
    confidence_profile,
    expected_calibration_error,
    generalization_gap,
    logit_margins,
)


def test_a_model_that_knows_nothing(linear_model):
    profile = confidence_profile(linear_model(np.zeros((4, 2))), np.ones((5, 2)))
    np.testing.assert_allclose(profile.max_probability, 0.25)
    np.testing.assert_allclose(profile.entropy, np.log(4))
    np.testing.assert_allclose(profile.gap, 0, atol=1e-15)
    assert profile.correct is None and profile.calibration_error is None


def test_binary_confidence_is_the_sigmoid_of_the_margin(cancer_rows):
    X, y = cancer_rows
    model = LogisticRegression().fit(X, y)
    profile = confidence_profile(model, X, y)
    p = special.expit(logit_margins(model, X))
    np.testing.assert_allclose(profile.max_probability, p, rtol=1e-9)
    np.testing.assert_allclose(profile.gap, 2 * p - 1, atol=1e-9)
    binary = special.entr(p) + special.entr(1 - p)
    np.testing.assert_allclose(profile.entropy, binary, atol=1e-9)
    np.testing.assert_array_equal(profile.correct, model.predict(X) == y)
    assert profile.source == "logits"
    assert "correct:" in repr(profile) and "true" in repr(profile)


@pytest.mark.parametrize(
    ("model", "source"),
    [(RandomForestClassifier(10, random_state=0), "predict_proba"), (GaussianNB(), "predict_proba"),
     (LinearSVC(random_state=0), "logits"), (Perceptron(), "logits"),
     (LogisticRegression(), "logits")],
)  # fmt: skip
def test_any_classifier_with_probabilities_or_logits(model, source, iris_rows):
    X, y = iris_rows
    profile = confidence_profile(model.fit(X, y), X, y)
    assert profile.source == source
    if source == "predict_proba":
        np.testing.assert_allclose(
            profile.max_probability, model.predict_proba(X).max(axis=1), rtol=1e-6
        )
    else:
        softmax = special.softmax(model.decision_function(X), axis=1)
        np.testing.assert_allclose(profile.max_probability, softmax.max(axis=1), rtol=1e-9)
    assert (profile.entropy <= np.log(3) + 1e-9).all()
    assert (profile.entropy >= -1e-9).all()


def test_own_probabilities_count_where_they_are_no_softmax(iris_rows):
    X, y = iris_rows  # one class against the rest: each logit has its own sigmoid
    model = SGDClassifier(loss="log_loss", random_state=0).fit(X, y)
    profile = confidence_profile(model, X)
    assert profile.source == "predict_proba"
    np.testing.assert_allclose(
        profile.max_probability, model.predict_proba(X).max(axis=1), rtol=1e-9
    )


def test_confident_float32_networks_do_not_round_to_certainty(encoder_model, random_layers):
    model = encoder_model(random_layers(4, 6, 3))
    model.module_.float()
    with_scale = model.module_.head.weight
    with_scale.data.mul_(200.0)
    X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    y = np.arange(40) % 3
    gap = generalization_gap(model, X, y, X, y)
    margins = logit_margins(model, X, y)
    wrong = margins < -50
    assert wrong.any()
    np.testing.assert_allclose(gap.train_losses[wrong], -margins[wrong], rtol=1e-3)


def test_calibration_error_against_a_loop():
    rng = np.random.default_rng(0)
    confidence, correct = rng.random(300), rng.random(300) < 0.5
    for n_bins in (1, 4, 15):
        error = 0.0
        for k in range(n_bins):
            low, high = k / n_bins, (k + 1) / n_bins
            inside = (confidence > low) & (confidence <= high)
            if inside.any():
                gap = abs(confidence[inside].mean() - correct[inside].mean())
                error += inside.mean() * gap
        found = expected_calibration_error(confidence, correct, n_bins=n_bins)
        assert found == pytest.approx(error, rel=1e-9)


def test_calibration_of_known_cases():
    assert expected_calibration_error([1.0, 1.0], [True, True]) == 0
    assert expected_calibration_error([1.0, 1.0], [False, False]) == 1
    assert expected_calibration_error([0.9, 0.9, 0.9, 0.9], [1, 1, 1, 0]) == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("confidence", "correct", "message"),
    [
        ([0.5, 0.5], [True], "confidence has 2 entries and correct has 1"),
        ([0.5, 1.5], [True, False], "confidence lies between 0.5 and 1.5"),
        ([0.5, 0.5], [2, 0], "correct holds other values"),
        ([[0.5]], [1], "confidence has shape"),
        ([np.nan], [1], "confidence holds NaN"),
    ],
)
def test_calibration_refuses(confidence, correct, message):
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(confidence, correct)


def test_gaps_are_zero_on_the_same_rows_and_are_those_of_sklearn(iris_rows):
    X, y = iris_rows
    model = LogisticRegression(C=0.05).fit(X[::2], y[::2])
    same = generalization_gap(model, X, y, X, y)
    assert same.loss_gap == 0 and same.error_gap == 0
    gap = generalization_gap(model, X[::2], y[::2], X[1::2], y[1::2])
    losses = [log_loss(y[k::2], model.predict_proba(X[k::2])) for k in (0, 1)]
    errors = [1 - model.score(X[k::2], y[k::2]) for k in (0, 1)]
    assert gap.loss_gap == pytest.approx(losses[1] - losses[0], rel=1e-9)
    assert gap.error_gap == pytest.approx(errors[1] - errors[0], rel=1e-9)
    assert gap.train_losses.mean() == pytest.approx(losses[0], rel=1e-9)
    each = -np.log(model.predict_proba(X[1::2])[np.arange(75), y[1::2]])
    assert gap.test_loss_std == pytest.approx(each.std(), rel=1e-9)
    assert gap.train_loss_std == pytest.approx(gap.train_losses.std())


def test_a_forest_has_a_gap_too(iris_rows):
    X, y = iris_rows
    model = RandomForestClassifier(10, random_state=0).fit(X[::2], y[::2])
    gap = generalization_gap(model, X[::2], y[::2], X[1::2], y[1::2])
    assert np.isfinite(gap.test_losses).all() and gap.loss_gap > 0


def test_encoders_are_known_by_their_logits(iris_rows):
    X, y = iris_rows
    encoder = SpectrallyRegularizedEncoder(max_iter=20, random_state=0)
    encoder.fit(X.astype(np.float32), y)
    profile = confidence_profile(encoder, X.astype(np.float32), y)
    assert profile.source == "logits"
    np.testing.assert_allclose(
        profile.max_probability, encoder.predict_proba(X.astype(np.float32)).max(axis=1), atol=1e-5
    )

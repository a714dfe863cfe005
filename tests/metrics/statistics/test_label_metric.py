"""Metrics of labels against scikit-learn's, their bounds against all answers, and bad input."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    matthews_corrcoef,
    precision_score,
    recall_score,
)

from specreg_sklearn.metrics.statistics import METRICS, Answers, resolve_metric

SKLEARN = {"recall": recall_score, "precision": precision_score, "f1": f1_score}


def agreement(truth, given):
    """Cohen's kappa without its normalisation."""
    return np.mean(truth == given) - np.mean(truth[::-1] == given)


def drawn(n_classes, seed, n=60, names=None):
    rng = np.random.default_rng(seed)
    truth, given = rng.integers(n_classes, size=n), rng.integers(n_classes, size=n)
    given = np.where(rng.random(n) < 0.6, truth, given)
    if names is not None:
        truth, given = np.array(names)[truth], np.array(names)[given]
    return Answers(truth, given, rng.random(n))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("names", [None, ["no", "yes"], [False, True]])
@pytest.mark.parametrize("name", SKLEARN)
def test_of_one_class_as_scikit_learn(name, names, seed):
    answers = drawn(2, seed, names=names)
    positive = 1 if names is None else names[1]
    pos_label = None if names is None or positive is True else positive
    metric = resolve_metric(name, answers.truth, np.unique(answers.truth), pos_label)
    expected = SKLEARN[name](
        answers.truth, answers.given, pos_label=positive, sample_weight=answers.weight
    )
    assert metric.value(answers) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_of_several_classes_as_scikit_learn(seed):
    answers = drawn(4, seed)
    args = answers.truth, answers.given
    weighted = {"sample_weight": answers.weight}
    known = np.arange(4)
    for name, function in SKLEARN.items():
        expected = function(*args, average="macro", **weighted)
        value = resolve_metric(name, answers.truth, known).value(answers)
        assert value == pytest.approx(expected, abs=1e-12)
    for name, function in (
        ("accuracy", accuracy_score),
        ("balanced_accuracy", balanced_accuracy_score),
        (matthews_corrcoef, matthews_corrcoef),
    ):
        value = resolve_metric(name, answers.truth, known).value(answers)
        assert value == pytest.approx(function(*args, **weighted), abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_what_is_proved_is_below_all_answers_that_are_possible(name, n_classes):
    """Every answer that the proofs leave open is tried; for two classes the bound is reached."""
    answers = drawn(n_classes, 3, n=7)
    right = answers.right & (np.arange(7) % 2 == 0)
    assert 0 < right.sum() < 7
    metric = resolve_metric(name, answers.truth, np.arange(n_classes))
    values = []
    for given in itertools.product(range(n_classes), repeat=7):
        given = np.where(right, answers.truth, given)
        values.append(metric.value(answers.instead(given)))
    proved = metric.proved(answers, right)
    assert proved <= min(values) + 1e-12
    if n_classes == 2 or name in ("accuracy", "balanced_accuracy", "recall"):
        assert proved == pytest.approx(min(values), abs=1e-12)


def test_nothing_to_score_is_nan_and_nothing_predicted_is_zero():
    truth = np.array([0, 0, 1])
    metric = {name: resolve_metric(name, truth, np.arange(2)) for name in SKLEARN}
    nothing = Answers(np.array([0, 0]), np.array([0, 0]), np.ones(2))
    assert all(np.isnan(m.value(nothing)) for m in metric.values())
    missed = Answers(truth, np.zeros(3, int), np.ones(3))
    assert [m.value(missed) for m in metric.values()] == [0, 0, 0]


def test_intervals_contain_the_score():
    for name, n_classes in itertools.product((*METRICS, agreement), (2, 3)):
        answers = drawn(n_classes, 1)
        metric = resolve_metric(name, answers.truth, np.arange(n_classes))
        low, high = metric.interval(answers, 0.95)
        wide = metric.interval(answers, 0.99)
        assert wide[0] < low < metric.value(answers) < high < wide[1]


@pytest.mark.parametrize(
    ("metric", "pos_label", "message"),
    [
        ("roc_auc", None, "metric='roc_auc' is not known; accepted: 'accuracy', 'balanced_acc"),
        (3, None, "metric=3 is not accepted; give one of 'accuracy'"),
        ("recall", None, r"neither is called 1: 'no', 'yes'. Say which one by pos_label"),
        ("recall", "maybe", "pos_label='maybe' is not a label that y or the estimator knows"),
        ("accuracy", "yes", "metric='accuracy' is about all classes"),
        (f1_score, "yes", "metric=f1_score is a function of its own"),
    ],
)
def test_bad_metrics(metric, pos_label, message):
    truth = np.array(["no", "yes", "yes"])
    with pytest.raises(ValueError, match=message):
        resolve_metric(metric, truth, np.unique(truth), pos_label)


def test_a_function_must_return_a_number():
    answers = drawn(2, 0)
    metric = resolve_metric(lambda truth, given: truth == given, answers.truth, np.arange(2))
    with pytest.raises(TypeError, match="accepted: one number for"):
        metric.value(answers)

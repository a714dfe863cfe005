"""Intervals and paired tests against closed forms, scipy, and simulated tables."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest, bootstrap

from specreg_sklearn.metrics.statistics import (
    Answers,
    bootstrap_interval,
    effective_rows,
    holm,
    mcnemar,
    paired_difference,
    resolve_metric,
    swap_test,
    wilson_interval,
)


@pytest.mark.parametrize("k", [0, 1, 17, 59, 60])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_wilson_as_scipy(k, confidence):
    expected = binomtest(k, 60).proportion_ci(confidence, method="wilson")
    assert wilson_interval(k / 60, 60, confidence) == pytest.approx(tuple(expected), abs=1e-12)


def test_no_rows_say_nothing():
    assert wilson_interval(0.0, 0) == (0, 1)
    assert effective_rows([]) == effective_rows([0, 0]) == 0


def test_effective_rows_of_equal_weights_are_the_rows():
    assert effective_rows(np.full(7, 3.0)) == pytest.approx(7)
    assert effective_rows([1e300, 1e300]) == pytest.approx(2)
    assert effective_rows([1, 0, 0]) == 1


def test_bootstrap_as_scipy():
    """The same method with other draws: ends agree within what draws differ."""
    x = np.random.default_rng(0).gamma(2, size=80)
    ours = bootstrap_interval(lambda rows: float(x[rows].mean()), 80, 0.9, seed=1)
    rng = np.random.default_rng(2)
    theirs = bootstrap((x,), np.mean, confidence_level=0.9, n_resamples=9999, random_state=rng)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), rel=0.03)
    assert np.isnan(bootstrap_interval(lambda rows: 1.0, 80, 0.9)).all()


@pytest.mark.parametrize(("b", "c"), [(0, 5), (3, 9), (12, 7), (40, 41)])
def test_mcnemar_is_the_binomial_test_with_half_of_ties(b, c):
    two_sided = binomtest(b, b + c).pvalue
    assert mcnemar(b, c) == pytest.approx(two_sided - binom.pmf(b, b + c, 0.5), abs=1e-12)
    assert mcnemar(b, c) == mcnemar(c, b)
    assert mcnemar(b, b) == 1


def test_weights_that_hardly_differ_give_the_same_test():
    rng = np.random.default_rng(0)
    first, second = rng.random(200) < 0.7, rng.random(200) < 0.6
    plain = paired_difference(first, second)
    weighed = paired_difference(first, second, 1 + 1e-9 * rng.random(200))
    assert weighed[:3] == pytest.approx(plain[:3], abs=1e-6)
    assert weighed.p_value == pytest.approx(plain.p_value, abs=0.03)
    assert plain.difference == pytest.approx(first.mean() - second.mean(), abs=1e-12)


def test_swaps_of_a_share_are_mcnemar():
    rng = np.random.default_rng(3)
    first, second = rng.random(100) < 0.7, rng.random(100) < 0.55

    def score(swap):
        return float((np.where(swap, second, first).mean()) - np.where(swap, first, second).mean())

    seen = score(np.zeros(100, bool))
    exact = mcnemar(int((first & ~second).sum()), int((~first & second).sum()))
    assert swap_test(score, first != second, seen) == pytest.approx(exact, abs=0.02)
    assert swap_test(score, np.zeros(100, bool), 0.0) == 1


def test_holm_by_hand():
    np.testing.assert_allclose(holm(np.array([0.02, 0.5, 0.01, 0.04])), [0.06, 0.5, 0.04, 0.08])


@pytest.mark.parametrize("confidence", [0, 1, 95, "high", None])
def test_bad_confidence(confidence):
    with pytest.raises(ValueError, match=r"confidence=.* must be a number between 0 and 1"):
        wilson_interval(0.5, 10, confidence)


def table(rng, n_classes=2):
    """Return a truth, answers, and what all rows would score: accuracy, recall of 1, ..."""
    n = int(rng.integers(60, 300))
    share = rng.dirichlet(np.full(n_classes, 6.0))
    confusion = rng.dirichlet(np.ones(n_classes), size=n_classes) * 0.5 + 0.5 * np.eye(n_classes)
    truth = rng.choice(n_classes, p=share, size=n)
    given = (confusion.cumsum(axis=1)[truth] < rng.random(n)[:, None]).sum(axis=1)
    joint = share[:, None] * confusion
    return Answers(truth, given, np.ones(n)), joint


def population(name, joint):
    """Return the score of infinitely many rows from the joint distribution."""
    hits, truth, given = np.diag(joint), joint.sum(axis=1), joint.sum(axis=0)
    some = slice(None) if len(joint) > 2 or name == "balanced_accuracy" else slice(1, 2)
    values = {
        "accuracy": lambda: hits.sum(),
        "balanced_accuracy": lambda: (hits / truth)[some].mean(),
        "recall": lambda: (hits / truth)[some].mean(),
        "precision": lambda: (hits / given)[some].mean(),
        "f1": lambda: (2 * hits / (truth + given))[some].mean(),
    }
    return values[name]()


def coverage(name, n_classes, n_tables):
    rng, inside = np.random.default_rng(5), 0
    for _ in range(n_tables):
        answers, joint = table(rng, n_classes)
        metric = resolve_metric(name, answers.truth, np.arange(n_classes))
        low, high = metric.interval(answers, 0.95)
        inside += low <= population(name, joint) <= high
    return inside / n_tables


CLOSED = [("accuracy", 2), ("recall", 2), ("precision", 2), ("f1", 2), ("balanced_accuracy", 3)]


@pytest.mark.parametrize(("name", "n_classes"), CLOSED)
def test_intervals_cover(name, n_classes):
    """200 tables; 2,000 in the slow test. The standard error of a coverage is .015 here."""
    assert 0.91 <= coverage(name, n_classes, 200) <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n_classes"), [*CLOSED, ("precision", 3), ("f1", 3)])
def test_intervals_cover_95_per_cent_of_2000_tables(name, n_classes):
    assert coverage(name, n_classes, 2000) == pytest.approx(0.95, abs=0.02)


def false_alarms(n_tables, weights):
    """Return how often two models that are equally good are told apart."""
    rng, alarms, inside = np.random.default_rng(7), 0, 0
    for _ in range(n_tables):
        n = int(rng.integers(100, 400))
        disagree, right = rng.uniform(0.15, 0.4), rng.uniform(0.3, 0.9)
        apart = rng.random(n) < disagree
        first = np.where(apart, rng.random(n) < 0.5, rng.random(n) < right)
        second = np.where(apart, ~first, first)
        weight = np.where(np.arange(n) < n // 5, 0.2, 1.2) if weights else None
        found = paired_difference(first, second, weight)
        alarms += found.p_value <= 0.05
        inside += found.low <= 0 <= found.high
    return alarms / n_tables, inside / n_tables


def test_false_alarms():
    alarms, inside = false_alarms(400, weights=False)
    assert 0.02 <= alarms <= 0.08
    assert 0.92 <= inside <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("weights", [False, True])
def test_false_alarms_are_5_per_cent_of_2000_tables(weights):
    alarms, inside = false_alarms(2000, weights)
    assert alarms == pytest.approx(0.05, abs=0.015)
    assert inside == pytest.approx(0.95, abs=0.02)

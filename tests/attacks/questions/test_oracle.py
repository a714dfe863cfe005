"""What is counted, covered, remembered and voted on, question by question."""

from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn.attacks import FeatureSpace
from specreg_sklearn.attacks.questions import Oracle
from specreg_sklearn.tables import LabelCoder


def oracle_of(predict, n_rows=3, **settings):
    """Return an oracle for rows at zero with the label 0."""
    X, labels = np.zeros((n_rows, 2)), np.zeros(n_rows, dtype=int)
    rows = FeatureSpace.from_data(np.array([[-9.0, -9.0], [9.0, 9.0]]), scale=None).bind(X)
    coder = LabelCoder(labels, np.array([0, 1]))
    return Oracle(predict, rows, coder.encode(labels), coder, **settings)


def beyond_one(X):
    return (np.asarray(X)[:, 0] > 1).astype(int)


def test_first_come_first_served():
    """Row 1 has two queries, of which it spends one elsewhere: the answer to its last is no."""
    oracle = oracle_of(beyond_one)
    oracle.limit = 2
    Z = np.array([[2.0, 0], [3, 0], [4, 0], [5, 0], [6, 0]])
    owner = np.array([1, 0, 1, 1, 0])
    np.testing.assert_array_equal(oracle.decide(Z, owner), [True, True, True, False, True])
    np.testing.assert_array_equal(oracle.n_queries, [2, 2, 0])
    np.testing.assert_array_equal(oracle.decide(Z, owner), np.zeros(5, dtype=bool))
    np.testing.assert_array_equal(oracle.n_queries, [2, 2, 0])
    np.testing.assert_array_equal(oracle.left(np.array([0, 1, 2])), [0, 0, 2])


def test_the_nearest_hit_is_kept_and_no_miss():
    oracle = oracle_of(beyond_one)
    for step in (4.0, 2.0, 3.0, 0.5):
        oracle.decide(np.array([[step, 0.0]]), np.array([0]))
    # Several in one call, the nearest neither first nor last.
    oracle.decide(np.array([[5.0, 0], [1.5, 0], [0.2, 0], [2.5, 0]]), np.array([1, 1, 1, 1]))
    np.testing.assert_array_equal(oracle.best_distance, [2.0, 1.5, np.inf])
    np.testing.assert_array_equal(oracle.best[:2], [[2.0, 0], [1.5, 0]])


def test_the_clean_row_costs_nothing_and_fools_nobody():
    oracle = oracle_of(lambda X: np.ones(len(X), dtype=int))
    Z = np.array([[0.0, 0.0], [1e-3, 0.0]])
    np.testing.assert_array_equal(oracle.decide(Z, np.array([0, 0])), [False, True])
    assert oracle.n_queries[0] == 1


def test_the_target_is_one_label():
    def three(X):
        return np.rint(np.asarray(X)[:, 0]).astype(int)

    labels = np.array([2])
    rows = FeatureSpace.from_data(np.array([[-9.0], [9.0]]), scale=None).bind(np.zeros((1, 1)))
    coder = LabelCoder(labels, np.arange(4))
    oracle = Oracle(three, rows, coder.encode(labels), coder, targeted=True)
    Z = np.array([[1.0], [2.0], [3.0]])
    np.testing.assert_array_equal(oracle.decide(Z, np.zeros(3, dtype=int)), [False, True, False])


@pytest.mark.parametrize(
    ("n_repeats", "n_yes", "fooled"), [(3, 1, False), (3, 2, True), (4, 2, False), (5, 3, True)]
)
def test_the_majority_decides(n_repeats, n_yes, fooled):
    answers = iter([1] * n_yes + [0] * (n_repeats - n_yes))
    oracle = oracle_of(lambda X: np.full(len(X), next(answers)), n_repeats=n_repeats)
    assert oracle.decide(np.array([[2.0, 0.0]]), np.array([0]))[0] == fooled
    assert oracle.n_queries[0] == 1

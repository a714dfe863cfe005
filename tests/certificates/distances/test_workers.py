"""Rows are shared among workers, and come out as they do alone."""

from __future__ import annotations

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.datasets import load_iris
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn import FeatureSpace
from specreg_sklearn.certificates import DistanceBounds, distance_prover
from specreg_sklearn.certificates.distances import bounds_by_workers
from specreg_sklearn.space import CleanRows

MODELS = {
    "trees": DecisionTreeClassifier(max_depth=3, random_state=0),
    "relaxation": make_pipeline(
        StandardScaler(), MLPClassifier((8,), max_iter=400, random_state=0)
    ),
    "composed": VotingClassifier(
        [("nb", GaussianNB()), ("tree", DecisionTreeClassifier(random_state=0))]
    ),
    "neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier(1)),
    "kernels": SVC(random_state=0),
    "linear": LogisticRegression(max_iter=500),
}


def to_zero(rows, known, limits):
    """Prove the distance to 0 of rows with one column, and keep what was handed over."""
    n = len(rows)
    far = np.abs(rows.raw[:, 0])
    sizes = np.full(n, n)
    given = np.zeros((n, 1)) if known is None else known
    return DistanceBounds(far, limits, given, np.ones(n, dtype=bool), sizes)


@pytest.mark.parametrize(("n_jobs", "sizes"), [(None, [5] * 5), (2, [3, 3, 3, 2, 2]), (9, [1] * 5)])
def test_every_row_comes_back_in_its_place(n_jobs, sizes):
    X = np.array([[3.0], [-1.0], [2.0], [7.0], [0.0]])
    rows = FeatureSpace.from_data(X, scale=None).bind(X)
    with parallel_config(backend="threading"):
        found = bounds_by_workers(to_zero, rows, -X, np.arange(5.0), n_jobs=n_jobs)
        empty = bounds_by_workers(to_zero, rows.take([]), None, np.zeros(0), n_jobs=n_jobs)
    np.testing.assert_array_equal(found.lower, np.abs(X[:, 0]))
    np.testing.assert_array_equal(found.upper, np.arange(5))
    np.testing.assert_array_equal(found.witness, -X)
    assert found.n_nodes.tolist() == sizes
    assert len(empty.lower) == 0


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_provers_share_rows_and_results_stay(name, monkeypatch):
    X, y = load_iris(return_X_y=True)
    model = MODELS[name].fit(X, y)
    some = X[::31]
    rows = FeatureSpace.from_data(X, scale=None).bind(some)
    prover = distance_prover(model, some)
    expected = prover.bounds(rows, norm=2)
    assert (expected.lower > 0).any()
    taken, take = [], CleanRows.take
    monkeypatch.setattr(
        CleanRows, "take", lambda rows, some: (taken.append(len(some)), take(rows, some))[1]
    )
    with parallel_config(backend="threading"):
        found = prover.bounds(rows, norm=2, n_jobs=2)
    assert {2, 3} <= set(taken)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["relaxation", "composed", "kernels"])
def test_provers_go_to_processes(name):
    X, y = load_iris(return_X_y=True)
    some = X[::31]
    rows = FeatureSpace.from_data(X, scale=None).bind(some)
    prover = distance_prover(MODELS[name].fit(X, y), some)
    expected = prover.bounds(rows, norm=2)
    with parallel_config(backend="loky"):
        found = prover.bounds(rows, norm=2, n_jobs=2)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)

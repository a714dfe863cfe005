"""What happens to a row depends on that row alone.

A tree gives the same answer in any batch shape, so equality is asked bit by bit.
"""

from __future__ import annotations

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.attacks import ARTAttack, FeatureSpace

N = 12


@pytest.fixture(scope="module", params=[np.float64, np.float32], ids=["float64", "float32"])
def problem(request):
    X, y = load_breast_cancer(return_X_y=True)
    X = X.astype(request.param)
    tree = DecisionTreeClassifier(max_depth=5, random_state=0).fit(X, y)
    rows = np.flatnonzero(tree.predict(X) == y)[::40][:N]
    return tree, X, y, rows, FeatureSpace.from_data(X)


@pytest.fixture(scope="module", params=["HopSkipJump", "BoundaryAttack", "SignOPTAttack"])
def attack(request):
    fewer = {"k": 5, "num_trial": 3} if request.param == "SignOPTAttack" else {}
    return ARTAttack(request.param, max_iter=2, **fewer)


def test_alone_in_a_batch_in_any_order_and_on_any_workers(problem, attack):
    tree, X, y, rows, space = problem

    def run(chosen, **options):
        return attack.run(tree, X[chosen], y[chosen], space=space, pool=X, **options)

    batch = run(rows)
    assert batch.success.all()
    for i in (0, 3, N - 1):
        alone = run(rows[[i]])
        np.testing.assert_array_equal(alone.X_adv[0], batch.X_adv[i])
        assert alone.distances[0] == batch.distances[i]
    order = np.random.default_rng(0).permutation(N)
    np.testing.assert_array_equal(run(rows[order]).X_adv, batch.X_adv[order])
    with joblib.parallel_config(backend="threading"):
        threads = run(rows, n_jobs=2)
    np.testing.assert_array_equal(threads.X_adv, batch.X_adv)
    np.testing.assert_array_equal(threads.n_queries, batch.n_queries)


def test_processes():
    X, y = load_breast_cancer(return_X_y=True)
    tree = DecisionTreeClassifier(max_depth=5, random_state=0).fit(X, y)
    rows, space = np.flatnonzero(tree.predict(X) == y)[::40][:N], FeatureSpace.from_data(X)
    attack = ARTAttack("HopSkipJump", max_iter=2)
    one = attack.run(tree, X[rows], y[rows], space=space, pool=X)
    two = attack.run(tree, X[rows], y[rows], space=space, pool=X, n_jobs=2)
    np.testing.assert_array_equal(two.X_adv, one.X_adv)
    np.testing.assert_array_equal(two.n_queries, one.n_queries)
    assert two.status.tolist() == one.status.tolist()


def test_block_size_and_order_of_the_pool(problem):
    tree, X, y, rows, space = problem
    one = ARTAttack("HopSkipJump", max_iter=2).run(tree, X[rows], y[rows], space=space, pool=X)
    shuffled = np.random.default_rng(1).permutation(len(X))
    two = ARTAttack("HopSkipJump", max_iter=2, batch_rows=37).run(
        tree, X[rows], y[rows], space=space, pool=X[shuffled]
    )
    np.testing.assert_array_equal(two.X_adv, one.X_adv)

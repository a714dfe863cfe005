"""What happens to a row depends on that row alone.

A tree gives the same answer in any batch shape, so equality is asked bit by bit.
"""

from __future__ import annotations

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.attacks import (
    CGBA,
    ARTAttack,
    FeatureSpace,
    HopSkipJump,
    RayS,
    ScoreSearch,
    SquareAttack,
    Strongest,
    TangentAttack,
)

N = 12


@pytest.fixture(scope="module", params=[np.float64, np.float32], ids=["float64", "float32"])
def problem(request):
    X, y = load_breast_cancer(return_X_y=True)
    X = X.astype(request.param)
    tree = DecisionTreeClassifier(max_depth=5, random_state=0).fit(X, y)
    rows = np.flatnonzero(tree.predict(X) == y)[::40][:N]
    return tree, X, y, rows, FeatureSpace.from_data(X)


ATTACKS = [
    CGBA(max_queries=400),
    CGBA(max_queries=400, starts="uniform"),
    TangentAttack(max_queries=400),
    ScoreSearch(max_queries=400),
    ScoreSearch(norm=np.inf, max_queries=400),
    ScoreSearch(norm=1, max_queries=400, starts="uniform"),
    Strongest(max_queries=150),
    HopSkipJump(max_iter=4),
    HopSkipJump(max_iter=4, norm=np.inf),
    RayS(max_queries=400),
    SquareAttack(max_queries=100),
    ARTAttack("HopSkipJump", max_iter=2),
    ARTAttack("BoundaryAttack", max_iter=2),
    ARTAttack("SignOPTAttack", max_iter=2, k=5, num_trial=3),
]


@pytest.fixture(scope="module", params=ATTACKS, ids=repr)
def attack(request):
    return request.param


def test_alone_in_a_batch_in_any_order_and_on_any_workers(problem, attack):
    tree, X, y, rows, space = problem
    options = {"eps": 1.0} if isinstance(attack, SquareAttack) else {}

    def run(chosen, **more):
        return attack.run(tree, X[chosen], y[chosen], space=space, pool=X, **options, **more)

    batch = run(rows)
    assert batch.success.all() or isinstance(attack, SquareAttack)
    assert batch.success.sum() > 4
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
    attack = CGBA(max_queries=300)
    one = attack.run(tree, X[rows], y[rows], space=space, pool=X)
    two = attack.run(tree, X[rows], y[rows], space=space, pool=X, n_jobs=2)
    np.testing.assert_array_equal(two.X_adv, one.X_adv)
    np.testing.assert_array_equal(two.n_queries, one.n_queries)
    assert two.status.tolist() == one.status.tolist()


@pytest.mark.parametrize("name", ["CGBA", "RayS", "TangentAttack", "HopSkipJump"])
def test_block_size_and_order_of_the_pool(problem, name):
    tree, X, y, rows, space = problem
    attack = {
        "CGBA": CGBA(max_queries=400),
        "RayS": RayS(max_queries=400),
        "TangentAttack": TangentAttack(max_queries=400),
        "HopSkipJump": HopSkipJump(max_iter=4),
    }[name]
    one = attack.run(tree, X[rows], y[rows], space=space, pool=X)
    shuffled = np.random.default_rng(1).permutation(len(X))
    two = attack.set_params(batch_rows=37).run(
        tree, X[rows], y[rows], space=space, pool=X[shuffled]
    )
    np.testing.assert_array_equal(two.X_adv, one.X_adv)
    np.testing.assert_array_equal(two.n_queries, one.n_queries)


def test_neighbours_with_more_classes_change_nothing():
    """A row that meets one wrong class keeps to itself what others meet."""
    X, y = load_iris(return_X_y=True)
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    batch = CGBA(max_queries=400).run(tree, X[::10], y[::10], pool=X)
    for k, i in enumerate(range(0, 150, 10)):
        alone = CGBA(max_queries=400).run(tree, X[[i]], y[[i]], pool=X)
        np.testing.assert_array_equal(alone.X_adv[0], batch.X_adv[k])

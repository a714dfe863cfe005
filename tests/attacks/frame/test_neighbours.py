"""A row gets the same result alone, among others, in any order, in any chunks, and on any workers.

The models here answer for each row by itself, to the last bit, so equality is asked bit by bit.
"""

from __future__ import annotations

from functools import cache

import joblib
import numpy as np
import pytest
from sklearn import clone
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import scale
from sklearn.svm import SVC
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
    ThresholdSearch,
)
from specreg_sklearn.attacks.boundary import BoundaryPoints
from specreg_sklearn.attacks.frame import _workers
from specreg_sklearn.attacks.questions import NO_LIMIT, Oracle, SearchTask, verify
from specreg_sklearn.tables import LabelCoder

N = 6
MODELS = ["linear", "tree", "forest", "mlp", "svc"]
QUICK_MODELS = ["tree", "mlp"]
# Where eps stands among the distances of the rows: none is near enough, some are, most, all.
EPS = {"none": None, "small": 0.2, "middle": 0.6, "large": 3.0}
# Which models the quick test asks there; the slow one asks all of them everywhere.
QUICK = {"none": ["tree"], "small": ["mlp"], "middle": ["tree"], "large": []}
QUERIES = {"max_queries": 120}
# The quick ones; those below add other parameters of the same searches.
ATTACKS = {
    "CGBA": CGBA(**QUERIES),
    "CGBA noise": CGBA(starts="uniform", **QUERIES),
    "Tangent": TangentAttack(**QUERIES),
    "HopSkipJump": HopSkipJump(init_eval=10, **QUERIES),
    "HopSkipJump Linf": HopSkipJump(norm=np.inf, init_eval=10, **QUERIES),
    "RayS": RayS(**QUERIES),
    "Scores": ScoreSearch(**QUERIES),
    "Square": SquareAttack(**QUERIES),
    "Square Linf": SquareAttack(norm=np.inf, **QUERIES),
    "Thresholds L1": ThresholdSearch(norm=1, **QUERIES),
    "Strongest": Strongest(**QUERIES),
}
OTHERS = {
    "Tangent, no limit": TangentAttack(max_queries=None),
    "Scores Linf": ScoreSearch(norm=np.inf, **QUERIES),
    "Scores L1 noise": ScoreSearch(norm=1, starts="uniform", **QUERIES),
    "Thresholds L0": ThresholdSearch(norm=0, **QUERIES),
}
ART = {
    "ART HopSkipJump": ARTAttack("HopSkipJump", max_iter=2, init_eval=10, max_eval=20),
    "ART BoundaryAttack": ARTAttack("BoundaryAttack", max_iter=3, **QUERIES),
    "ART SimBA": ARTAttack("SimBA", **QUERIES),
    "ART SignOPTAttack": ARTAttack("SignOPTAttack", max_iter=2, k=5, num_trial=3),
}


class RowByRow:
    """A network of rectified layers that sums over each row by itself, whatever the others are."""

    def __init__(self, weights, offsets, classes):
        self.weights, self.offsets, self.classes_ = weights, offsets, classes

    def decision_function(self, X):
        """Return a score for each class."""
        out = np.ascontiguousarray(X, dtype=np.float64)
        for layer, (weight, offset) in enumerate(zip(self.weights, self.offsets, strict=True)):
            out = np.maximum(out, 0) if layer else out
            out = (out[:, None, :] * np.ascontiguousarray(weight.T)).sum(axis=2) + offset
        return out

    def predict(self, X):
        """Return labels."""
        return self.classes_[self.decision_function(X).argmax(axis=1)]


@cache
def problem(model, table):
    """Return a fitted model, its rows and labels, those that are attacked, and the space."""
    X, y = load_wine(return_X_y=True)
    X = scale(X)[:, :2] if table == "plane" else scale(X)
    X = X.astype(np.float32 if table == "float32" else np.float64)
    if table == "whole":
        X = np.rint(8 * X).astype(np.int64)
    linear = LogisticRegression(max_iter=2000)
    network = MLPClassifier((8,), max_iter=300, random_state=0)
    fitted = {
        "linear": linear,
        "tree": DecisionTreeClassifier(max_depth=5, random_state=0),
        "forest": RandomForestClassifier(6, max_depth=5, random_state=0),
        "mlp": network,
        "svc": SVC(random_state=0),
    }[model].fit(X, y)
    if model == "linear":
        fitted = RowByRow([linear.coef_.T], [linear.intercept_], linear.classes_)
    if model == "mlp":
        fitted = RowByRow(network.coefs_, network.intercepts_, network.classes_)
    right = np.flatnonzero(fitted.predict(X) == y)
    space = FeatureSpace.from_data(X)
    rows = right[:: len(right) // N][:N]
    return fitted, X, y, rows, space


@cache
def usual_distances(model, table, norm):
    """Return about how far the boundary is from each row."""
    fitted, X, y, rows, space = problem(model, table)
    attack = CGBA(max_queries=100) if norm == 2 else RayS(max_queries=100)
    return attack.run(fitted, X[rows], y[rows], pool=X, space=space).distances


def check_all_companies(monkeypatch, attack, model, table, where):
    """Compare a batch with its rows alone, shuffled, in small chunks, and on two workers."""
    fitted, X, y, rows, space = problem(model, table)
    eps = EPS[where]
    if eps is not None:
        known = np.sort(usual_distances(model, table, attack.norm))
        eps = float(3 * known[-1] if eps > 1 else known[int(eps * len(known))])

    def run(chosen, attack=attack, **options):
        found = attack.run(fitted, X[chosen], y[chosen], pool=X, space=space, eps=eps, **options)
        return found.X_adv, found.distances, found.status, found.n_queries

    batch = run(rows)

    def same(company, others, order=slice(None)):
        names = "X_adv", "distances", "status", "n_queries"
        for name, other, expected in zip(names, others, batch, strict=True):
            np.testing.assert_array_equal(other, expected[order], err_msg=f"{company}: {name}")

    alone = [run(rows[[i]]) for i in range(len(rows))]
    same("alone", [np.concatenate(part) for part in zip(*alone, strict=True)])
    order = np.random.default_rng(0).permutation(len(rows))
    same("shuffled", run(rows[order]), order)
    same("small calls", run(rows, clone(attack).set_params(batch_rows=13)))
    with monkeypatch.context() as patch:
        patch.setattr(_workers, "_MOST_ROWS", 3)
        patch.setattr(_workers, "_LEAST_ROWS", 3)
        same("small parts", run(rows))
    with joblib.parallel_config(backend="threading"):
        same("two workers", run(rows, n_jobs=2))


def combinations(attacks):
    return [(a, e) for a in attacks for e in EPS if e != "none" or not a.startswith("Square")]


@pytest.mark.parametrize(
    ("name", "where", "model"),
    [(name, where, model) for name, where in combinations(ATTACKS) for model in QUICK[where]],
)
def test_any_company(monkeypatch, name, where, model):
    check_all_companies(monkeypatch, ATTACKS[name], model, "wine", where)


@pytest.mark.parametrize("name", ART)
def test_any_company_with_art(monkeypatch, name):
    check_all_companies(monkeypatch, ART[name], "tree", "float32", "none")


def test_two_processes():
    fitted, X, y, rows, space = problem("tree", "wine")
    one, two = (
        CGBA(**QUERIES).run(fitted, X[rows], y[rows], pool=X, space=space, n_jobs=n_jobs)
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(two.X_adv, one.X_adv)
    np.testing.assert_array_equal(two.n_queries, one.n_queries)
    assert two.status.tolist() == one.status.tolist()


@pytest.mark.parametrize("name", ["CGBA", "RayS", "Tangent", "HopSkipJump"])
def test_the_order_of_the_pool(name):
    fitted, X, y, rows, space = problem("tree", "wine")
    order = np.random.default_rng(1).permutation(len(X))
    one, two = (
        ATTACKS[name].run(fitted, X[rows], y[rows], pool=pool, space=space)
        for pool in (X, X[order])
    )
    np.testing.assert_array_equal(two.X_adv, one.X_adv)
    np.testing.assert_array_equal(two.n_queries, one.n_queries)


PROBLEMS = [
    *((model, "wine") for model in MODELS),
    *((model, table) for model in QUICK_MODELS for table in ("plane", "float32", "whole")),
]


@pytest.mark.slow
@pytest.mark.parametrize(("model", "table"), PROBLEMS)
@pytest.mark.parametrize(("name", "where"), combinations({**ATTACKS, **OTHERS, **ART}))
def test_any_company_on_all_models_and_tables(monkeypatch, name, where, model, table):
    attack = {**ATTACKS, **OTHERS, **ART}[name]
    if name in ATTACKS:
        attack = clone(attack).set_params(max_queries=300)
    check_all_companies(monkeypatch, attack, model, table, where)


class HalfPlane:
    """A line through the origin."""

    def predict(self, X):
        return (np.asarray(X).sum(axis=1) > 0).astype(int)


class OtherInBlocks:
    """A line whose threshold is another one where rows with a mark are asked in blocks of 64."""

    def predict(self, X):
        X = np.asarray(X)
        shift = np.where((X[:, 2] > 0) & (len(X) == 64), 0.2, 0.0)
        return (X[:, 0] + X[:, 1] > shift).astype(int)


@pytest.mark.parametrize("eps", [None, 0.5])
def test_rows_that_verification_pushes_cost_others_nothing(eps):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.uniform(-1, 1, size=(40, 2)), np.zeros(40)])
    # Rows that starts are taken from hold in any block.
    X[:, :2] += np.where(X[:, :2].sum(axis=1) > 0, 0.3, -0.3)[:, None]
    X[:3, :2], X[:3, 2] = -np.abs(X[:3, :2]) / 4, 1.0
    model, space = OtherInBlocks(), FeatureSpace.from_data(X, mutable=[0, 1], scale=None)
    y = model.predict(X)
    attack = TangentAttack(max_queries=None, n_starts=1)

    def run(rows):
        return attack.run(model, X[rows], y[rows], pool=X, space=space, eps=eps)

    with pytest.warns(UserWarning, match="does not repeat its answers"):
        together = run(np.arange(8))
    plain = run(np.arange(3, 8))
    # The marked rows do not hold at the boundary: they were pushed out, and searched again.
    assert (X[:3, :2].sum(axis=1) < 0).all() and (together.X_adv[:3, :2].sum(axis=1) > 0.2).all()
    assert together.success.all()
    np.testing.assert_array_equal(together.n_queries[3:], plain.n_queries)
    np.testing.assert_array_equal(together.X_adv[3:], plain.X_adv)
    np.testing.assert_array_equal(together.status[3:], plain.status)


def task_of(model, X, y, limit=NO_LIMIT, batch_rows=16384):
    """Return a task with one start per row: the row itself, far on the other side."""
    rows = FeatureSpace.from_data(X, bounds=None, scale=None).bind(X)
    coder = LabelCoder(y, y)
    oracle = Oracle(model.predict, rows, coder.encode(y), coder, batch_rows=batch_rows)
    oracle.limit = limit
    owner = np.arange(len(X))
    reach = X.min(axis=0) - 9, X.max(axis=0) + 9
    return SearchTask(oracle, reach, -X, owner, 1 - y, stop_distance=0.0, seed=0)


@pytest.mark.parametrize("batch_rows", [2, 16384])
def test_what_is_not_to_be_remembered_is_not(batch_rows):
    """Neither small calls nor a row that runs out of queries change what others remember."""
    X, y = np.array([[1.0, 2.0], [2.0, 1.0], [-1.0, -2.0]]), np.array([1, 1, 0])
    task = task_of(HalfPlane(), X, y, limit=5, batch_rows=batch_rows)
    task.oracle.n_queries[1] = 4
    fooled = task.oracle.decide(
        np.repeat(-X, 2, axis=0), np.repeat(np.arange(3), 2), remember=False
    )
    assert fooled.tolist() == [True, True, True, False, True, True]
    assert task.oracle.n_queries.tolist() == [2, 5, 2]
    assert np.isinf(task.oracle.best_distance).all()


@pytest.mark.parametrize("batch_rows", [1, 16384])
def test_of_nearly_equal_points_the_nearest_is_kept_in_calls_of_any_size(batch_rows):
    X, y = np.array([[1.0, 1.0]]), np.array([1])
    task = task_of(HalfPlane(), X, y, batch_rows=batch_rows)
    points = -X * (1 + np.array([[5e-7], [0.0], [1e-7]]))
    assert task.oracle.decide(points, np.zeros(3, dtype=np.int64)).all()
    np.testing.assert_array_equal(task.oracle.best, -X)


def test_a_search_gets_starts_of_open_rows_only():
    X, y = np.array([[1.0, 2.0], [2.0, 1.0], [-1.0, -2.0]]), np.array([1, 1, 0])
    task = task_of(HalfPlane(), X, y)
    task.stop_distance = 1.0
    task.oracle.best_distance[:] = [2.0, 0.5, 2.0]
    task.drop_closed_starts()
    assert task.owner.tolist() == [0, 2]
    np.testing.assert_array_equal(task.starts, -X[[0, 2]])
    assert task.group.tolist() == [0, 1]


def test_points_that_are_replaced_leave_the_distances_of_the_others():
    """Distances are measured on rows as built; another way to round them is not the same."""
    X, y = np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([1, 1])
    task = task_of(HalfPlane(), X, y)
    points = BoundaryPoints(-X, np.arange(2), np.zeros(2, dtype=np.int64))
    known = np.array([np.nextafter(9.0, 10.0), 8.0])
    points.move(-X, known)
    points.replace(task, np.array([1]), np.array([[0.0, -1.0]]))
    assert points.distances(task).tolist() == [known[0], np.sqrt(8.0)]


def test_verification_counts_what_is_not_settled():
    """Rows that hold are asked along with those that do not, and pay once."""
    X, y = np.zeros((4, 3)), np.zeros(4, dtype=np.int64)
    X[:, :2] -= 1.0
    X[0, 2] = 1.0
    space = FeatureSpace.from_data(X - 9, mutable=[0, 1], bounds=None, scale=None)
    rows, coder = space.bind(X), LabelCoder(y, np.array([0, 1]))
    oracle = Oracle(OtherInBlocks().predict, rows, coder.encode(y), coder)
    near, far = np.full((4, 2), 2.0**-6), np.full((4, 2), 2.0)
    raw, verified = verify(oracle, near, far, np.arange(4))
    assert verified.all()
    assert raw[0].sum() > 0.2 and (raw[1:] == 2.0**-6).all()
    assert oracle.n_queries[0] > 2 and (oracle.n_queries[1:] == 2).all()

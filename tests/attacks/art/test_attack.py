from __future__ import annotations

import logging
import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from specreg_sklearn.attacks import ARTAttack, FeatureSpace
from specreg_sklearn.attacks.art import _one_row as _art_row
from specreg_sklearn.attacks.art._session import art_session
from specreg_sklearn.attacks.art._support import SUPPORTED
from specreg_sklearn.attacks.questions import Oracle, SearchTask
from specreg_sklearn.tables import LabelCoder

NAMES = sorted(n for n, s in SUPPORTED.items() if not s.scores)


@pytest.mark.parametrize("name", NAMES)
def test_finds_verified_rows(cancer, name):
    X, y, model = cancer
    result = ARTAttack(name, max_iter=2).run(model, X[:5], y[:5], pool=X)
    assert (result.status == "found").all()
    assert (model.predict(result.X_adv) != y[:5]).all()
    for i in range(5):
        assert model.predict(result.X_adv[i : i + 1])[0] != y[i]
    expected = np.linalg.norm((result.X_adv - X[:5]) / X.std(axis=0), axis=1)
    np.testing.assert_allclose(result.distances, expected, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_search_gains_on_the_starts(cancer, name):
    X, y, model = cancer
    space = FeatureSpace.from_data(X)
    start = ARTAttack("HopSkipJump", max_iter=0).run(model, X[:6], y[:6], space=space, pool=X)
    # A step of the boundary walk costs a tenth of one of HopSkipJump, and gains as much less.
    max_iter = 40 if name == "BoundaryAttack" else 4
    full = ARTAttack(name, max_iter=max_iter).run(model, X[:6], y[:6], space=space, pool=X)
    assert (full.distances <= start.distances).all()
    # Sign-OPT starts from random directions, and often ends behind the starts from data.
    if name != "SignOPTAttack":
        assert np.median(full.distances / start.distances) < 0.95


def test_more_iterations_come_nearer(digits):
    X, y, model = digits
    rows = np.flatnonzero(model.predict(X) == y)[:8]
    medians = [
        np.median(ARTAttack("HopSkipJump", max_iter=k).run(model, X[rows], y[rows]).distances)
        for k in (1, 4, 12)
    ]
    assert medians[0] > medians[1] > medians[2]


def test_linf_beats_the_linf_size_of_the_l2_rows(cancer):
    X, y, model = cancer
    space = FeatureSpace.from_data(X)
    by_norm = {
        norm: ARTAttack("HopSkipJump", norm=norm, max_iter=5).run(
            model, X[:10], y[:10], space=space, pool=X
        )
        for norm in (2, np.inf)
    }
    l2_rows = space.distances(by_norm[2].X_adv, X[:10], norm=np.inf)
    assert np.median(by_norm[np.inf].distances / l2_rows) < 0.8


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(20, random_state=0),
        HistGradientBoostingClassifier(max_iter=20, random_state=0),
        KNeighborsClassifier(5),
        SVC(random_state=0),
    ],
    ids=lambda m: type(m).__name__,
)
def test_models_without_gradients_or_probabilities(cancer, model):
    X, y, _ = cancer
    model = clone(model).fit(X, y)
    result = ARTAttack("HopSkipJump", max_iter=2, init_eval=30).run(model, X[:4], y[:4], pool=X)
    assert result.success.all()
    assert (model.predict(result.X_adv) != y[:4]).all()


def test_stops_early_within_eps(cancer):
    X, y, model = cancer
    attack = ARTAttack("HopSkipJump", max_iter=5)
    full = attack.run(model, X[:20], y[:20], pool=X)
    eps = float(np.median(full.distances)) * 1.2
    early = attack.run(model, X[:20], y[:20], pool=X, eps=eps)
    assert ((early.distances <= eps) == (full.distances <= eps)).all()
    inside = early.status == "stopped_at_eps"
    assert inside.sum() >= 10
    assert early.n_queries[inside].max() < full.n_queries[inside].min()
    assert (model.predict(early.X_adv) != y[:20]).all()


def test_float32_in_float32_out(cancer):
    X, y, model = cancer
    small = X.astype(np.float32)
    result = ARTAttack("HopSkipJump", max_iter=2).run(model, small[:10], y[:10], pool=small)
    assert result.X_adv.dtype == np.float32
    assert (model.predict(result.X_adv) != y[:10]).all()
    low, high = small.min(axis=0), small.max(axis=0)
    assert (result.X_adv >= low).all() and (result.X_adv <= high).all()


def test_features_with_large_offsets_keep_their_precision(cancer):
    """ART works in float32, where a value near 1e9 has steps of 64."""
    X, y, model = cancer
    offset = 1e9

    class Shifted:
        def predict(self, Z):
            return model.predict(Z - offset)

    attack = ARTAttack("HopSkipJump", max_iter=4)
    plain = attack.run(model, X[:8], y[:8], pool=X)
    moved = attack.run(Shifted(), X[:8] + offset, y[:8], pool=X + offset)
    np.testing.assert_allclose(moved.distances, plain.distances, rtol=1e-3)


def test_one_free_feature_and_constant_features():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=60), np.full(60, 0.1), np.zeros(60)])

    class First:
        def predict(self, X):
            return (X[:, 0] > 0).astype(int)

    y = First().predict(X)
    result = ARTAttack("HopSkipJump", max_iter=2, init_eval=10).run(First(), X[:5], y[:5], pool=X)
    np.testing.assert_allclose(result.distances, np.abs(X[:5, 0]) / X[:, 0].std(), rtol=1e-2)
    np.testing.assert_array_equal(result.X_adv[:, 1:], X[:5, 1:])


def test_a_search_that_divides_by_zero_is_left():
    """At the edge of the box one draw may leave HopSkipJump without a direction."""
    X = np.array([[0.0], [1.0], [0.2]])

    class OnlyTheEdge:
        def predict(self, Z):
            assert np.isfinite(Z).all()
            return (Z[:, 0] >= 1).astype(int)

    for seed in range(5):
        attack = ARTAttack("HopSkipJump", max_iter=5, init_eval=1, random_state=seed)
        result = attack.run(
            OnlyTheEdge(), X, [0, 1, 0], space=FeatureSpace.from_data(X, scale=None)
        )
        assert result.X_adv[[0, 2]].tolist() == [[1.0], [1.0]]


@pytest.fixture
def art_row():
    """A row at the origin of a plane, and the number of rows its model was asked for."""
    X = np.array([[0.0, 0.0], [2.0, 2.0]])
    rows = FeatureSpace.from_data(X, scale=None).bind(X)
    asked = []

    def predict(Z):
        asked.append(len(Z))
        return (Z[:, 0] > 1).astype(int)

    labels = np.array([0, 1])
    oracle = Oracle(predict, rows, labels, LabelCoder(labels))
    reach = np.full(2, -9.0), np.full(2, 9.0)
    start, first = np.array([[2.0, 2.0]]), np.array([0])
    task = SearchTask(oracle, reach, start, first, np.array([1]), stop_distance=0.5, seed=0)
    return _art_row.ArtRow(task, 0, SUPPORTED["HopSkipJump"]), asked


def test_the_model_art_sees(art_row):
    row, _ = art_row
    steps = np.array([[0.5, 0], [1.5, 0]], dtype=np.float32)
    assert row.predict(steps).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert row.task.oracle.best_distance[0] == 1.5
    np.testing.assert_array_equal(row.start(), [[1.5, 0]])


def test_endless_repeats_are_answered_from_memory_and_then_stopped(art_row):
    row, asked = art_row
    step = np.array([[0.5, 0]], dtype=np.float32)
    with pytest.raises(_art_row.StopRow):
        for _ in range(10 * _art_row._MOST_REPEATS):
            row.predict(step)
    assert asked == [1]


def test_nan_is_not_asked(art_row):
    row, asked = art_row
    with pytest.raises(_art_row.StopRow):
        row.predict(np.full((1, 2), np.nan, dtype=np.float32))
    assert asked == []


def test_a_row_within_the_stop_distance_is_left_at_once(art_row):
    row, _ = art_row
    row.task.stop_distance = 1.25
    row.predict(np.array([[1.5, 0]], dtype=np.float32))
    with pytest.raises(_art_row.StopRow):
        row.predict(np.array([[1.2, 0]], dtype=np.float32))


@pytest.mark.parametrize("name", NAMES)
def test_targets_are_reached(iris, name):
    X, _, model = iris
    rows = X[::50]
    targets = (model.predict(rows) + 1) % 3
    attack = ARTAttack(name, max_iter=3, targeted=True)
    result = attack.run(model, rows, targets, pool=X)
    assert (result.status == "found").all()
    assert (model.predict(result.X_adv) == targets).all()
    # The nearest point of one wrong class is not nearer than that of any.
    free = ARTAttack("HopSkipJump", max_iter=20).run(model, rows, model.predict(rows), pool=X)
    assert (result.distances > free.distances * 0.99).all()


@pytest.mark.usefixtures("no_check_of_repeats")
@pytest.mark.parametrize("name", NAMES)
def test_the_budget_is_kept(cancer, name):
    X, _, model = cancer
    labels = model.predict(X)
    chosen = np.concatenate([np.flatnonzero(labels == k)[:4] for k in (0, 1)])
    asked = np.zeros(8, dtype=int)

    class Counts:
        def predict(self, Z):
            # A row is known by its last column, which does not move.
            np.add.at(asked, Z[:, -1].astype(int), 1)
            return model.predict(Z[:, :-1])

    rows = np.column_stack([X[chosen], np.arange(8.0)])
    space = FeatureSpace.from_data(rows, mutable=np.arange(31) < 30)
    attack = ARTAttack(name, max_queries=200)
    result = attack.run(Counts(), rows, labels[chosen], space=space)
    # Once more as clean rows; row 0 also fills up the blocks of the verification.
    np.testing.assert_array_equal(asked[1:], result.n_queries[1:] + 1)
    assert 180 < result.n_queries.max() <= 200


def test_same_seed_same_rows_and_other_seed_other_rows(cancer):
    X, y, model = cancer

    def rows(seed):
        attack = ARTAttack("HopSkipJump", max_iter=2, random_state=seed)
        return attack.run(model, X[:6], y[:6], pool=X).X_adv

    np.testing.assert_array_equal(rows(0), rows(0))
    assert (rows(0) != rows(1)).any(axis=1).all()


def test_silent(cancer, capfd, caplog):
    X, y, model = cancer
    # A tiny box makes ART divide by zero and log on the way.
    space = FeatureSpace.from_data(X, bounds=(X.min(), X.max()))
    with warnings.catch_warnings(), caplog.at_level(logging.DEBUG):
        warnings.simplefilter("error")
        for name in NAMES:
            ARTAttack(name, max_iter=1).run(model, X[:2], y[:2], space=space, pool=X)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_session_restores_numpy_and_logging_even_on_error():
    level, errors = logging.getLogger("art").level, np.geterr()
    with pytest.raises(RuntimeError), art_session(3):
        np.random.standard_normal(5)
        raise RuntimeError
    assert logging.getLogger("art").level == level
    assert np.geterr() == errors


def test_errors_of_the_model_come_through(cancer):
    X, y, model = cancer

    class Breaks:
        calls = 0

        def predict(self, Z):
            self.calls += 1
            if self.calls > 40:
                raise RuntimeError("the model broke")
            return model.predict(Z)

    with pytest.raises(RuntimeError, match="the model broke"):
        ARTAttack("HopSkipJump").run(Breaks(), X[:2], y[:2], pool=X)


def test_get_params_set_params_clone_pickle_repr():
    attack = ARTAttack("HopSkipJump", norm=np.inf, max_iter=7, random_state=3)
    params = attack.get_params()
    assert params["max_iter"] == 7
    assert params["name"] == "HopSkipJump"
    assert "art_parameters" not in params
    copy = clone(attack)
    assert copy is not attack
    assert copy.get_params() == params
    copy.set_params(max_iter=9, init_eval=50, n_starts=2)
    assert copy.get_params() == {**params, "max_iter": 9, "init_eval": 50, "n_starts": 2}
    assert attack.get_params() == params
    assert pickle.loads(pickle.dumps(attack)).get_params() == params
    assert "HopSkipJump" in repr(attack)
    assert "max_iter=7" in repr(attack)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"norm": 1}, "norm=1 is not supported by"),
        ({"name": "BoundaryAttack", "norm": np.inf}, "not supported by ART's BoundaryAttack"),
        ({"max_iters": 5}, r"no parameter \['max_iters'\]; accepted: .*'max_iter'"),
        ({"max_iter": -1}, "does not accept {'max_iter': -1}"),
        ({"targeted": 1}, "targeted=1 is not accepted; give True or False"),
        ({"verbose": True}, "verbose cannot be set"),
    ],
)
def test_bad_parameters(cancer, parameters, message):
    X, y, model = cancer
    attack = ARTAttack(**{"name": "HopSkipJump", **parameters})
    with pytest.raises(ValueError, match=message):
        attack.run(model, X[:2], y[:2], pool=X)

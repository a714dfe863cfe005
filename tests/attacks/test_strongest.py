from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from specreg_sklearn.attacks import (
    CGBA,
    AttackInterrupted,
    FeatureSpace,
    RayS,
    ScoreSearch,
    Strongest,
    resolve_attack,
)
from specreg_sklearn.metrics import adversarial_distances, robust_accuracy_score


@pytest.fixture(scope="module")
def problem():
    X, y = load_breast_cancer(return_X_y=True)
    forest = RandomForestClassifier(8, max_depth=5, random_state=0).fit(X[::2], y[::2])
    rows = np.flatnonzero(forest.predict(X) == y)[::40]
    return forest, X, y, rows


@pytest.fixture(scope="module")
def parts(problem):
    forest, X, y, rows = problem
    named = {"cgba": CGBA(max_queries=200), "scores": ScoreSearch(max_queries=200)}
    return {k: a.run(forest, X[rows], y[rows], pool=X) for k, a in named.items()}


def test_the_nearest_of_all(problem, parts):
    forest, X, y, rows = problem
    found = Strongest(max_queries=200).run(forest, X[rows], y[rows], pool=X)
    each = np.array([parts["cgba"].distances, parts["scores"].distances])
    np.testing.assert_array_equal(found.distances, each.min(axis=0))
    names = np.array(["cgba", "scores"])[each.argmin(axis=0)]
    np.testing.assert_array_equal(found.found_by, names)
    assert len(set(names)) == 2
    for i, name in enumerate(names):
        np.testing.assert_array_equal(found.X_adv[i], parts[name].X_adv[i])
    assert (forest.predict(found.X_adv) != y[rows]).all()


def test_queries_of_all_parts_are_counted(problem, parts):
    forest, X, y, rows = problem
    found = Strongest(max_queries=200).run(forest, X[rows], y[rows], pool=X)
    # One more shows that the model repeats its answer on the array that is handed back.
    spent = parts["cgba"].n_queries + parts["scores"].n_queries + 1
    np.testing.assert_array_equal(found.n_queries, spent)


def test_rows_within_eps_are_left_to_no_other_part(problem, parts):
    forest, X, y, rows = problem
    eps = float(np.median(parts["cgba"].distances))
    found = Strongest(max_queries=200).run(forest, X[rows], y[rows], pool=X, eps=eps)
    first = found.found_by == "cgba"
    done = first & (found.status == "stopped_at_eps")
    assert done.any()
    assert found.n_queries[done].max() <= 201
    assert found.n_queries[~done].min() > 201
    assert (forest.predict(found.X_adv) != y[rows]).all()
    attacks = CGBA(max_queries=200), ScoreSearch(max_queries=200)
    each = [a.run(forest, X[rows], y[rows], pool=X, eps=eps).distances for a in attacks]
    np.testing.assert_array_equal(found.distances <= eps, np.min(each, axis=0) <= eps)


def test_every_attack_says_its_name(problem):
    forest, X, y, rows = problem
    wrong = np.flatnonzero(forest.predict(X) != y)[:1]
    some = np.concatenate([rows[:2], wrong])
    for name in ("cgba", "rays", "tangent", "scores"):
        norm = np.inf if name == "rays" else 2
        found = resolve_attack(name, norm=norm, max_queries=60).run(
            forest, X[some], y[some], pool=X
        )
        assert found.found_by.tolist() == [name, name, ""]


def test_frames_come_back_as_frames(problem):
    forest, X, y, rows = problem
    frame = pd.DataFrame(X[rows], index=[f"r{i}" for i in rows]).astype({0: np.float32})
    frame.columns = [f"c{j}" for j in range(X.shape[1])]
    pool = pd.DataFrame(X, columns=frame.columns).astype({"c0": np.float32})

    class OnFrames:
        classes_ = forest.classes_

        def predict(self, X):
            assert X.dtypes.equals(frame.dtypes)
            return forest.predict(X.to_numpy())

        def predict_proba(self, X):
            return forest.predict_proba(X.to_numpy())

    found = Strongest(max_queries=100).run(OnFrames(), frame, y[rows], pool=pool)
    assert found.X_adv.index.equals(frame.index)
    assert found.X_adv.dtypes.equals(frame.dtypes)
    assert (OnFrames().predict(found.X_adv) != y[rows]).all()


def test_models_without_scores_get_the_other_parts(problem):
    forest, X, y, rows = problem

    class Labels:
        predict = staticmethod(forest.predict)

    assert [type(p) for p in Strongest().parts_for(Labels())] == [CGBA]
    found = Strongest(max_queries=60).run(Labels(), X[rows], y[rows], pool=X)
    assert set(found.found_by) == {"cgba"}
    with pytest.raises(TypeError, match="neither decision_function nor predict_proba"):
        Strongest(attacks=("scores",)).run(Labels(), X[rows], y[rows])
    with pytest.raises(TypeError, match="has no gradients: RandomForestClassifier does not define"):
        Strongest(attacks=("auto", "gradients")).run(forest, X[rows], y[rows])


def test_given_parts(problem):
    forest, X, y, rows = problem
    attack = Strongest(attacks=(RayS(norm=np.inf, max_queries=60), "scores"), norm=np.inf)
    found = attack.run(forest, X[rows], y[rows], pool=X)
    assert set(found.found_by) <= {"rays", "scores"}
    with pytest.raises(ValueError, match=r"attacks holds RayS\(.*but norm=2"):
        Strongest(attacks=(RayS(norm=np.inf),))._check_parameters()
    for attacks in ((), "scores"):
        with pytest.raises(ValueError, match="is not a sequence of attacks"):
            Strongest(attacks=attacks)._check_parameters()


def test_a_witness_is_asked_about_and_named(problem, parts):
    forest, X, y, rows = problem
    witness = X[rows].copy()
    nearest = parts["scores"]
    # A row that does not fool the model, a row outside the box, and one that does.
    witness[0] = X[rows[0]]
    witness[1] = 1e9
    witness[2] = nearest.X_adv[2]
    weak = Strongest(attacks=(CGBA(max_queries=30),))
    found = weak.run(forest, X[rows], y[rows], pool=X, witnesses={"milp": witness})
    assert found.found_by[0] == "cgba"
    assert found.found_by[2] == "milp"
    assert found.distances[2] == nearest.distances[2]
    assert (found.X_adv <= X.max(axis=0)).all()
    with pytest.raises(ValueError, match=r"'milp'.* holds 2 rows, but X has"):
        weak.run(forest, X[rows], y[rows], witnesses={"milp": witness[:2]})


def test_a_witness_of_a_wrong_row_changes_nothing(problem):
    forest, X, y, _ = problem
    wrong = np.flatnonzero(forest.predict(X) != y)[:2]
    other = X[np.flatnonzero(forest.predict(X) != y[wrong[0]])[[3, 4]]]
    found = Strongest(max_queries=30).run(
        forest, X[wrong], y[wrong], pool=X, witnesses={"milp": other}, eps=50.0
    )
    np.testing.assert_array_equal(found.distances, 0)
    assert found.status.tolist() == ["already_wrong"] * 2


def test_what_one_part_found_survives_the_failure_of_another(problem, parts):
    forest, X, y, rows = problem

    class Failing:
        classes_ = forest.classes_
        predict = staticmethod(forest.predict)

        def predict_proba(self, X):
            raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone") as error:
        Strongest(max_queries=200).run(Failing(), X[rows], y[rows], pool=X)
    assert isinstance(error.value, AttackInterrupted)
    np.testing.assert_array_equal(error.value.result.distances, parts["cgba"].distances)


def test_going_on_from_a_result(problem):
    forest, X, y, rows = problem
    run = {"pool": X, "space": FeatureSpace.from_data(X)}
    first = Strongest(max_queries=60).run(forest, X[rows], y[rows], **run)
    more = Strongest(max_queries=300).run(forest, X[rows], y[rows], resume=first, **run)
    assert (more.distances <= first.distances).all()
    assert (more.distances < first.distances).any()
    labels = CGBA(max_queries=60).run(forest, X[rows], y[rows], **run)
    with pytest.raises(
        ValueError, match=r"resume is not a result of the parts \['cgba', 'scores'\]"
    ):
        Strongest().run(forest, X[rows], y[rows], resume=labels, **run)


def test_in_the_metrics(problem):
    forest, X, y, rows = problem
    kwargs = {"pool": X, "attack": Strongest(max_queries=100), "certify": False}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distances = adversarial_distances(forest, X[rows], y[rows], **kwargs)
        # Between the two rows that are farthest apart.
        ordered = np.sort(distances)
        eps = float(np.sqrt(ordered[:-1] * ordered[1:])[np.diff(np.log(ordered)).argmax()])
        share = robust_accuracy_score(forest, X[rows], y[rows], eps=eps, **kwargs)
    assert share == pytest.approx(np.mean(distances > eps), abs=1e-9)


def test_a_linear_model_has_labels_and_scores(problem):
    _, X, y, _ = problem
    model = LogisticRegression(max_iter=5000).fit(X, y)
    assert [p._name() for p in Strongest(norm=np.inf).parts_for(model)] == ["rays", "scores"]

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.attacks import FeatureSpace, as_art_classifier

LABELS = {
    "text": np.array(["setosa", "a much longer name", "b"]),
    "objects": np.array(["x", "yy", "z"], dtype=object),
    "gaps": np.array([1, 3, 7]),
    "negative": np.array([-1, 0, 1]),
    "floats": np.array([1.0, 2.0, 4.0]),
}


def _labels(classifier, X):
    return classifier.classes_[classifier.predict(X).argmax(axis=1)]


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("scores", [False, True])
def test_predictions_are_those_of_the_estimator(iris, kind, scores):
    X, y, _ = iris
    names = LABELS[kind][y]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, names)
    classifier = as_art_classifier(model, scores=scores)
    np.testing.assert_array_equal(classifier.classes_, model.classes_)
    assert classifier.nb_classes == 3
    assert classifier.input_shape == (4,)
    assert classifier.clip_values is None
    np.testing.assert_array_equal(_labels(classifier, X), model.predict(X))
    if scores:
        np.testing.assert_allclose(classifier.predict(X), model.predict_proba(X), atol=1e-6)
    else:
        assert set(np.unique(classifier.predict(X))) == {0, 1}
        assert (classifier.predict(X).sum(axis=1) == 1).all()


@pytest.mark.parametrize("labels", [(False, True), (1, 3), ("yes", "no")])
def test_two_classes(cancer, labels):
    X, y, _ = cancer
    names = np.array(labels)[y]
    boosting = HistGradientBoostingClassifier(max_iter=5, random_state=0)
    for model in (SVC(random_state=0), KNeighborsClassifier(), boosting):
        model.fit(X, names)
        classifier = as_art_classifier(model, FeatureSpace.from_data(X))
        assert classifier.nb_classes == 2
        np.testing.assert_array_equal(_labels(classifier, X), model.predict(X))


def test_a_search(iris):
    X, y, _ = iris
    model = GridSearchCV(LogisticRegression(max_iter=1000), {"C": [1, 10]}, cv=2).fit(
        X, LABELS["text"][y]
    )
    np.testing.assert_array_equal(_labels(as_art_classifier(model), X), model.predict(X))


def test_classes_in_any_order(iris):
    X, _, _ = iris

    class Backwards:
        classes_ = np.array(["c", "b", "a"])
        n_features_in_ = 4

        def predict(self, Z):
            return self.classes_[(Z[:, 0] > 5).astype(int) + (Z[:, 0] > 6)]

    model = Backwards()
    classifier = as_art_classifier(model)
    assert classifier.predict(np.array([[4.0, 0, 0, 0]])).tolist() == [[1, 0, 0]]
    np.testing.assert_array_equal(_labels(classifier, X), model.predict(X))


class Contrary(BaseEstimator):
    """Predicts the class that its probabilities, some of them equal, do not favour."""

    classes_ = np.array([0, 1])
    n_features_in_ = 1

    def predict(self, X):
        return np.ones(len(X), dtype=int)

    def predict_proba(self, X):
        first = np.linspace(0, 1, len(X))
        return np.column_stack([first, 1 - first])


def test_scores_never_contradict_predict():
    weights = as_art_classifier(Contrary(), scores=True).predict(np.zeros((5, 1)))
    assert (weights.argmax(axis=1) == 1).all()
    np.testing.assert_allclose(weights[:, 1], [1, 0.75, 0.5, 0.75, 1])


def test_the_estimator_sees_float64(cancer):
    X, y, _ = cancer
    seen = []

    class Sees(LogisticRegression):
        def predict(self, Z):
            seen.append(Z)
            return super().predict(Z)

    model = Sees().fit(X, y)
    as_art_classifier(model).predict(X)
    np.testing.assert_array_equal(np.concatenate(seen), X)
    assert {Z.dtype for Z in seen} == {np.dtype(np.float64)}
    seen.clear()
    as_art_classifier(model).predict(X.astype(np.float32))
    assert {Z.dtype for Z in seen} == {np.dtype(np.float64)}
    seen.clear()
    as_art_classifier(model, dtype=np.float32).predict(X)
    assert {Z.dtype for Z in seen} == {np.dtype(np.float32)}


@pytest.fixture
def frame(iris):
    """A frame with a column of whole numbers, labels, and a pipeline that picks by name."""
    X, y, _ = iris
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    frame["n"] = np.arange(150) % 4
    steps = ColumnTransformer([("scale", StandardScaler(), ["d", "a", "n"])])
    model = make_pipeline(steps, DecisionTreeClassifier(random_state=0))
    return frame, model.fit(frame, LABELS["text"][y])


@pytest.mark.filterwarnings("error")
def test_frames_are_rebuilt(frame):
    X, model = frame
    space = FeatureSpace.from_data(X)
    for given in (space, None):
        classifier = as_art_classifier(model, given)
        np.testing.assert_array_equal(_labels(classifier, X.to_numpy(float)), model.predict(X))
    rows = as_art_classifier(model, space).predict_fn.rows(X.to_numpy(np.float32) + 0.3)
    assert list(rows.columns) == list(X.columns)
    assert rows["n"].dtype == np.int64
    np.testing.assert_array_equal(rows["n"], X["n"])
    np.testing.assert_allclose(rows["a"], X["a"] + 0.3, rtol=1e-6)
    assert rows["a"].dtype == np.float64


def test_missing_values_stay_missing(frame):
    X, model = frame
    classifier = as_art_classifier(model, FeatureSpace.from_data(X))
    cells = X.to_numpy(float)
    cells[0, 4] = np.nan
    rows = classifier.predict_fn.rows(cells)
    assert np.isnan(rows["n"][0])
    np.testing.assert_array_equal(rows["n"][1:], X["n"][1:])


def test_clip_values_lie_inside_the_box_of_the_space():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=30) * 1e-3 + 0.1, np.full(30, 0.1), np.full(30, 1e9)])
    X = np.column_stack([X, 1e9 + rng.integers(0, 9, 30)])
    model = LogisticRegression().fit(X, rng.integers(0, 2, 30))
    low, high = as_art_classifier(model, FeatureSpace.from_data(X)).clip_values.astype(float)
    assert (low < high).all()
    # The other columns have no room, or none that float32 can tell.
    assert low[0] >= X[:, 0].min() and high[0] <= X[:, 0].max()
    np.testing.assert_allclose(low, X.min(axis=0), rtol=1e-6)
    np.testing.assert_allclose(high, X.max(axis=0), rtol=1e-6)


def _attacks(classifier):
    from art.attacks.evasion import BoundaryAttack, HopSkipJump, ZooAttack

    quiet = {"verbose": False}
    d = classifier.input_shape[0]
    return {
        "hop_skip_jump": HopSkipJump(classifier, max_iter=2, init_eval=20, batch_size=999, **quiet),
        "boundary": BoundaryAttack(
            classifier, targeted=False, max_iter=10, batch_size=999, **quiet
        ),
        "zoo": ZooAttack(
            classifier, max_iter=60, learning_rate=0.1, initial_const=10.0, nb_parallel=d, **quiet
        ),
    }


@pytest.mark.parametrize("name", ["hop_skip_jump", "boundary", "zoo"])
def test_attacks_of_art_run_on_it(iris, name, restored_numpy_state):
    X, y, _ = iris
    names = LABELS["text"][y]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, names)
    # ART's ZooAttack clips the step, rather than the row, to the clip values.
    space = None if name == "zoo" else FeatureSpace.from_data(X)
    classifier = as_art_classifier(model, space, scores=name == "zoo")
    rows = X[100:104]
    moved = _attacks(classifier)[name].generate(rows)
    assert moved.shape == rows.shape
    if space is not None:
        assert (moved >= space.minimum).all() and (moved <= space.maximum).all()
    np.testing.assert_array_equal(_labels(classifier, moved), model.predict(moved))
    assert (model.predict(moved) != model.predict(rows)).all()


@pytest.fixture
def restored_numpy_state():
    """Seed numpy's global generator, which ART draws from, and put it back."""
    state = np.random.get_state()
    np.random.seed(0)
    yield
    np.random.set_state(state)


def test_a_mask_keeps_columns(iris, restored_numpy_state):
    X, _, model = iris
    space = FeatureSpace.from_data(X, mutable=[2, 3])
    attack = _attacks(as_art_classifier(model, space))["hop_skip_jump"]
    moved = attack.generate(X[100:104], mask=space.mutable)
    # Up to a rounding of float32, in which ART goes there and back.
    np.testing.assert_allclose(moved[:, :2], X[100:104, :2], rtol=2e-7)
    assert (np.abs(moved[:, 2:] - X[100:104, 2:]).max(axis=1) > 0.1).all()


def test_pickles(frame):
    X, model = frame
    classifier = as_art_classifier(model, FeatureSpace.from_data(X))
    copy = pickle.loads(pickle.dumps(classifier))
    cells = X.to_numpy(float)
    np.testing.assert_array_equal(copy.predict(cells), classifier.predict(cells))
    np.testing.assert_array_equal(copy.classes_, classifier.classes_)


class NoClasses:
    def predict(self, X):
        return np.zeros(len(X))


class NoFeatures(NoClasses):
    classes_ = np.array([0, 1])


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        (LogisticRegression(), {}, NotFittedError, "not fitted"),
        (LinearRegression(), {}, TypeError, "is a regressor"),
        (LogisticRegression, {}, TypeError, "is a class; pass a fitted instance"),
        (NoClasses(), {}, TypeError, "NoClasses has no attribute classes_"),
        (NoFeatures(), {}, ValueError, "does not say how many features"),
        (Contrary(), {"space": 3}, TypeError, "space=int is not a FeatureSpace"),
        (Contrary(), {"dtype": int}, ValueError, "dtype=.*int.* is not accepted"),
        (Contrary(), {"dtype": "text"}, ValueError, "dtype='text' is not accepted"),
        (NoFeatures(), {"scores": True}, TypeError, "scores=True needs predict_proba"),
        (Contrary(), {"X": np.eye(2)}, ValueError, "space has 2 columns, .* fitted on 1"),
    ],
)
def test_bad_input(model, options, error, message):
    if "X" in options:
        options = {"space": FeatureSpace.from_data(options["X"])}
    with pytest.raises(error, match=message):
        as_art_classifier(model, **options)


def test_spaces_that_art_has_no_words_for(frame):
    X, model = frame
    with pytest.raises(ValueError, match=r"\['a', 'b', 'c', 'd', 'n'\] .* no bounds"):
        as_art_classifier(model, FeatureSpace.from_data(X, bounds=None))
    with pytest.raises(ValueError, match=r"\['n'\] of the space are categorical.*ARTAttack"):
        as_art_classifier(model, FeatureSpace.from_data(X, types={"n": "categorical"}))
    with pytest.raises(ValueError, match=r"space .* another order .* was fitted on"):
        as_art_classifier(model, FeatureSpace.from_data(X[["b", "a", "c", "d", "n"]]))


def test_unknown_labels_are_named():
    class Strange(NoFeatures):
        def predict(self, X):
            return np.full(len(X), 7)

    classifier = as_art_classifier(Strange(), FeatureSpace.from_data(np.eye(2)))
    with pytest.raises(ValueError, match=r"returned the label .*7.*, which is not in its classes_"):
        classifier.predict(np.eye(2))

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.attacks import CGBA, ARTAttack, FeatureSpace
from specreg_sklearn.metrics import adversarial_distances, robust_accuracy_score
from specreg_sklearn.tables import subsample

QUICK = CGBA(max_queries=200)


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X, y, LogisticRegression(max_iter=1000).fit(X, y)


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    return X, y, LogisticRegression(max_iter=1000).fit(X, y)


def exact(model, X):
    return np.abs(model.decision_function(X)) / np.linalg.norm(model.coef_)


def test_binary_linear_model_against_the_closed_form(cancer):
    """Wide bounds, unit scale: robust accuracy is the share of correct rows with a wide margin."""
    X, y, model = cancer
    X, y = X[:50], y[:50]
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    grid = np.array([0.0, 0.2, 0.5, 1.0, 2.0, 8.0])
    found = robust_accuracy_score(model, X, y, eps=grid, space=space)
    right = model.predict(X) == y
    truth = np.array([np.mean(right & (exact(model, X) > e)) for e in grid])
    shy = np.array([np.mean(right & (exact(model, X) > e / 1.02)) for e in grid])
    assert (found >= truth).all()
    # CGBA is within 2 per cent of the exact distance here.
    assert (found <= shy).all()
    assert found[-1] < found[0]


def test_distances_are_upper_bounds_and_zero_where_wrong(cancer):
    X, y, model = cancer
    found = adversarial_distances(model, X[:60], y[:60], scale=None, attack=QUICK)
    right = model.predict(X[:60]) == y[:60]
    assert (found[right] >= exact(model, X[:60])[right] * (1 - 1e-9)).all()
    assert (found[~right] == 0).all()


def test_wrong_rows_lower_the_score(iris):
    X, y, model = iris
    twisted = y.copy()
    twisted[:15] = 2
    before = robust_accuracy_score(model, X, y, eps=0.3, attack=QUICK)
    after = robust_accuracy_score(model, X, twisted, eps=0.3, attack=QUICK)
    assert after <= before - 0.05
    assert before < accuracy_score(y, model.predict(X))
    assert after < accuracy_score(twisted, model.predict(X))


def test_curve_falls_from_the_accuracy_and_agrees_with_single_values(iris):
    X, y, model = iris
    grid = [0.0, 0.1, 0.3, 0.5]
    options = {"attack": QUICK, "max_samples": 60}
    curve = robust_accuracy_score(model, X, y, eps=grid, **options)
    single = [robust_accuracy_score(model, X, y, eps=e, **options) for e in grid]
    np.testing.assert_allclose(curve, single)
    assert (np.diff(curve) <= 0).all()
    assert all(type(value) is float for value in single)


def test_eps_zero_is_the_accuracy(iris):
    X, y, model = iris
    some, labels = subsample(X, y, 100, 0)
    for options, rows, truth in (({"max_samples": "all"}, X, y), ({}, some, labels)):
        expected = accuracy_score(truth, model.predict(rows))
        assert robust_accuracy_score(model, X, y, eps=0, **options) == expected
        assert robust_accuracy_score(model, X, y, eps=[0.0], **options)[0] == expected
        curve = robust_accuracy_score(model, X, y, eps=[0, 0.2], attack=QUICK, **options)
        assert curve[0] == expected


def test_max_samples_takes_the_same_rows_for_every_model(iris):
    X, y, _ = iris
    models = [LogisticRegression(C=c, max_iter=1000).fit(X, y) for c in (0.01, 1)]
    seen = []

    class Recording:
        def __init__(self, model):
            self.model, self.first = model, None

        def predict(self, Z):
            if self.first is None:
                self.first = np.array(Z)
            return self.model.predict(Z)

    for model in models:
        recorder = Recording(model)
        distances = adversarial_distances(recorder, X, y, max_samples=30, attack=QUICK)
        assert distances.shape == (30,)
        seen.append(recorder.first)
    np.testing.assert_array_equal(seen[0], seen[1])


def test_all_rows_serve_as_starts_for_the_chosen_ones(iris):
    X, y, model = iris
    part, labels = subsample(X, y, 20, 0)
    expected = QUICK.run(model, part, labels, space=FeatureSpace.from_data(X), pool=X)
    options = {"max_samples": 20, "attack": QUICK, "certify": False}
    found = adversarial_distances(model, X, y, **options)
    np.testing.assert_array_equal(found, expected.distances)
    grid = [0.1, 0.3, 0.5, 1.0]
    stopped = QUICK.run(model, part, labels, eps=0.1, space=FeatureSpace.from_data(X), pool=X)
    curve = robust_accuracy_score(model, X, y, eps=grid, **options)
    np.testing.assert_array_equal(curve, [np.mean(stopped.distances > e) for e in grid])
    assert 1 >= curve[0] > curve[-1]


@pytest.mark.parametrize("attack", ["auto", "rays", "hop_skip_jump"])
def test_linf(cancer, attack):
    """The Linf distance of a linear model is the margin over the L1 norm of its weights."""
    X, y, model = cancer
    X, y = X[:30], y[:30]
    exact = np.abs(model.decision_function(X)) / np.abs(model.coef_).sum()
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    found = adversarial_distances(model, X, y, norm=np.inf, attack=attack, space=space)
    right = model.predict(X) == y
    assert (found[right] >= exact[right] * (1 - 1e-9)).all()
    assert np.median(found[right] / exact[right]) < 1.05


@pytest.mark.parametrize(
    ("attack", "name"), [("cgba", "CGBA"), ("art/BoundaryAttack", "ART's BoundaryAttack")]
)
def test_linf_needs_an_attack_that_knows_it(iris, attack, name):
    X, y, model = iris
    with pytest.raises(ValueError, match=f"norm=inf is not supported by {name}"):
        robust_accuracy_score(model, X, y, eps=0.2, norm=np.inf, attack=attack)


def test_a_targeted_attack_is_no_measure_of_accuracy(iris):
    X, y, model = iris
    with pytest.raises(ValueError, match="targeted"):
        robust_accuracy_score(model, X, y, eps=0.2, attack=CGBA(targeted=True))
    with pytest.raises(ValueError, match="targeted"):
        adversarial_distances(model, X, y, attack=CGBA(targeted=True))


def test_the_art_backend_measures_too(iris):
    """At the same budget ART finds no more than our own attack."""
    X, y, model = iris
    X, y = X[::5], y[::5]
    art = ARTAttack("HopSkipJump", max_queries=200, init_eval=20)
    theirs = adversarial_distances(model, X, y, attack=art)
    ours = adversarial_distances(model, X, y, attack=CGBA(max_queries=200))
    assert np.isfinite(theirs).all()
    assert np.median(ours) <= np.median(theirs) * 1.01


def test_scale_is_the_unit_of_eps(iris):
    X, y, model = iris
    X, y = X[::3], y[::3]
    in_std = robust_accuracy_score(model, X, y, eps=0.3, attack=QUICK)
    by_hand = robust_accuracy_score(model, X, y, eps=0.3, attack=QUICK, scale=X.std(axis=0))
    doubled = robust_accuracy_score(model, X, y, eps=0.15, attack=QUICK, scale=2 * X.std(axis=0))
    space = FeatureSpace.from_data(X, scale="std")
    assert (
        in_std == by_hand == robust_accuracy_score(model, X, y, eps=0.3, attack=QUICK, space=space)
    )
    assert doubled == pytest.approx(in_std, abs=0.01)
    assert in_std < robust_accuracy_score(model, X, y, eps=0.3, attack=QUICK, scale=X.std(0) / 5)


class Unread(DummyClassifier):
    """A constant model that no proof knows: it predicts in its own way."""

    def predict(self, X):
        return super().predict(X)


def test_a_constant_model_is_as_robust_as_it_is_right(iris):
    """Nothing changes its answer, which no attack can know: all its rows are undecided."""
    X, y, _ = iris
    model = Unread(strategy="constant", constant=1).fit(X, y)
    with pytest.warns(UserWarning) as seen:
        score = robust_accuracy_score(model, X, y, eps=0.5, max_samples="all")
    assert score == pytest.approx(1 / 3)
    texts = [str(w.message) for w in seen]
    assert any("predicts one class only" in t for t in texts)
    assert any("robust_accuracy_score: 50 of 50 correctly" in t for t in texts)
    with pytest.warns(UserWarning):
        curve = robust_accuracy_score(model, X, y, eps=[0, 0.5, np.inf], max_samples=None)
    np.testing.assert_allclose(curve, [1 / 3, 1 / 3, 1 / 3])
    with pytest.warns(UserWarning, match="found no adversarial row"):
        distances = adversarial_distances(model, X, y)
    np.testing.assert_array_equal(distances, np.where(y == 1, np.inf, 0))


def test_a_model_that_is_always_wrong_scores_zero(iris):
    X, y, _ = iris
    model = DummyClassifier(strategy="constant", constant=1).fit(X, y)
    rows = y != 1
    assert robust_accuracy_score(model, X[rows], y[rows], eps=0.5) == 0.0


def test_undecided_rows_count_as_withstanding():
    """Rows 3 and 4 are held by an immutable column; row 5 is wrong; row 0 is out of reach."""
    X = np.array([[0.0, 0], [0.9, 0], [2, 0], [0.2, 5], [0.4, 5], [3.0, 0]])
    y = np.array([0, 0, 1, 0, 0, 0])

    class Locked:
        def predict(self, X):
            return ((X[:, 0] > 1) & (X[:, 1] == 0)).astype(int)

    space = FeatureSpace.from_data(X, mutable=[0], scale=None)
    with (
        pytest.warns(UserWarning, match="for 2 of 5 rows"),
        pytest.warns(UserWarning, match=r"score: 2 of 5 correctly .* are undecided .* for 2\)"),
    ):
        curve = robust_accuracy_score(Locked(), X, y, eps=[0, 0.5, 1.5], space=space, attack=QUICK)
    # Decided: rows 0 and 2 (distance 1), row 1 (0.1), row 5 (wrong). The two others are the truth.
    np.testing.assert_allclose(curve, [5 / 6, 4 / 6, 2 / 6])


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(0)
    n = 120
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "debt": rng.normal(size=n),
            "city": rng.choice(["A", "B"], n),
        }
    )
    labels = np.where(frame["age"] / 20 + frame["debt"] > 2.5, "yes", "no")
    columns = make_column_transformer(
        (StandardScaler(), ["age", "debt"]), (OneHotEncoder(), ["city"])
    )
    return frame, labels, make_pipeline(columns, LogisticRegression())


@pytest.mark.parametrize("kind", ["pipeline", "search", "frozen"])
def test_wrapped_estimators_on_frames(people, kind):
    frame, labels, pipeline = people
    if kind == "search":
        pipeline = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1.0]}, cv=2)
    model = pipeline.fit(frame, labels)
    if kind == "frozen":
        model = FrozenEstimator(model)
    curve = robust_accuracy_score(
        model, frame, labels, eps=[0.0, 0.2, 2.0], attack=QUICK, max_samples=12
    )
    assert curve[0] > 0.5
    assert curve[0] >= curve[1] > curve[2]


def test_n_jobs_does_not_matter(iris):
    """A tree answers alike in any batch shape, so every bit must agree."""
    X, y, _ = iris
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    one = adversarial_distances(tree, X[::10], y[::10], attack=QUICK)
    two = adversarial_distances(tree, X[::10], y[::10], attack=QUICK, n_jobs=2)
    np.testing.assert_array_equal(two, one)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"eps": -1}, ValueError, "eps=-1 is not a distance"),
        ({"eps": [0.1, float("nan")]}, ValueError, "eps=nan is not a distance"),
        ({"eps": []}, ValueError, r"eps=\[\] is not accepted"),
        ({"eps": [[0.1]]}, ValueError, "is not accepted; give a number"),
        ({"eps": None}, ValueError, "eps=None is not a number"),
        ({"norm": 3}, ValueError, "norm=3 is not supported by this score"),
        ({"norm": np.inf, "attack": QUICK}, ValueError, "norm=inf, but CGBA.*norm=2"),
        ({"attack": "cgbaa"}, ValueError, "attack='cgbaa' is not known"),
        ({"attack": 7}, TypeError, "attack=7 is neither"),
        ({"scale": "spread"}, ValueError, "scale='spread'"),
        ({"space": "std"}, TypeError, "space=str"),
        ({"max_samples": 0}, ValueError, "max_samples=0"),
        ({"max_samples": 0.5}, ValueError, r"max_samples=0\.5"),
        ({"random_state": -3}, ValueError, "random_state=-3"),
        ({"y": [0, 1]}, ValueError, "X has 150 rows, y has 2 labels"),
        ({"X": np.zeros(150)}, ValueError, "Expected 2D array"),
        ({"estimator": object()}, TypeError, "has no method predict"),
        ({"estimator": object(), "eps": 0}, TypeError, "has no method predict"),
    ],
)
def test_bad_input(iris, change, error, message):
    X, y, model = iris
    arguments = {"estimator": model, "X": X, "y": y, "eps": 0.1, **change}
    with pytest.raises(error, match=message):
        robust_accuracy_score(
            arguments.pop("estimator"), arguments.pop("X"), arguments.pop("y"), **arguments
        )


@pytest.fixture(scope="module")
def one_class(cancer):
    """The malignant rows of a third of the data, and the other rows, which a forest has seen."""
    X, y, _ = cancer
    test = np.arange(len(X)) % 3 == 0
    forest = RandomForestClassifier(15, random_state=0).fit(X[~test], y[~test])
    rows = test & (y == 0) & (forest.predict(X) == 0)
    return forest, X[rows][:25], y[rows][:25], X[~test]


def test_rows_of_one_class_without_a_pool(one_class):
    """The score is a bound all the same, and its warning says what to give."""
    forest, X, y, _ = one_class
    options = {"eps": [0, 0.5, 2.0], "attack": QUICK}
    with pytest.warns(UserWarning, match="are undecided.*Rows of other classes.*as pool="):
        curve = robust_accuracy_score(forest, X, y, certify=False, **options)
    assert curve[0] == 1 and (curve > 0).all() and (np.diff(curve) <= 0).all()
    # A search needs no rows to start from.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (robust_accuracy_score(forest, X, y, **options) <= curve).all()


def test_rows_of_one_class_with_a_pool(one_class):
    """As a run with that pool, which brings its space if none is given."""
    forest, X, y, pool = one_class
    space = FeatureSpace.from_data(pool, scale="range")
    for given, used in ((None, FeatureSpace.from_data(pool)), (space, space)):
        expected = QUICK.run(forest, X, y, pool=pool, space=used).distances
        options = {"attack": QUICK, "pool": pool, "space": given, "certify": False}
        np.testing.assert_array_equal(adversarial_distances(forest, X, y, **options), expected)
        searched = adversarial_distances(forest, X, y, **{**options, "certify": "auto"})
        assert (searched <= expected).all()
        eps = float(np.median(expected))
        stopped = QUICK.run(forest, X, y, pool=pool, space=used, eps=eps).distances
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            score = robust_accuracy_score(forest, X, y, eps=eps, **options)
        assert score == np.mean(stopped > eps) < 1
        few = robust_accuracy_score(forest, X, y, eps=eps, max_samples=5, **options)
        assert 0 <= few <= 1


def test_a_pool_of_the_rows_themselves_changes_nothing(iris):
    X, y, model = iris
    X, y = X[::3], y[::3]
    plain = adversarial_distances(model, X, y, attack=QUICK)
    np.testing.assert_array_equal(
        adversarial_distances(model, X, y, attack=QUICK, pool=X.copy()), plain
    )


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        ("train", "Expected 2D array for pool, got 0D"),
        (np.zeros(4), "Expected 2D array for pool, got 1D"),
        (np.zeros((0, 4)), r"pool has shape \(0, 4\)"),
        (np.zeros((9, 3)), "pool has 3 columns, but X has 4. It takes rows of data like those of"),
    ],
)
@pytest.mark.parametrize("eps", [0.1, 0])
def test_a_bad_pool(iris, pool, message, eps):
    X, y, model = iris
    with pytest.raises(ValueError, match=message):
        robust_accuracy_score(model, X, y, eps=eps, pool=pool)


def test_the_pool_of_a_frame_has_its_columns(people):
    frame, labels, pipeline = people
    model = pipeline.fit(frame, labels)
    other = frame.rename(columns={"debt": "owed"})
    with pytest.raises(
        ValueError, match=r"pool does not have the columns X has: missing \['debt'\]"
    ):
        robust_accuracy_score(model, frame, labels, eps=0.1, pool=other)
    with pytest.raises(ValueError, match="pool has its columns in another order than X has"):
        robust_accuracy_score(model, frame, labels, eps=0.1, pool=frame[["debt", "age", "city"]])
    score = robust_accuracy_score(
        model, frame[:10], labels[:10], eps=0.1, pool=frame[10:], attack=QUICK
    )
    assert 0 < score <= 1

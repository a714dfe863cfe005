"""Functions and models that give scores become classifiers, and say what is wrong with them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC, LinearSVC

from specreg_sklearn import as_classifier
from specreg_sklearn.attacks import CGBA
from specreg_sklearn.metrics import adversarial_distances, robust_accuracy_score

QUICK = CGBA(max_queries=150)


def sigmoid(X):
    return 1 / (1 + np.exp(-X[:, 0]))


class Gives:
    """Has the methods it is given, and nothing else."""

    def __init__(self, **methods):
        vars(self).update(methods)


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X, y, LogisticRegression(max_iter=500).fit(X, y)


@pytest.fixture(scope="module")
def two(iris):
    X, y, _ = iris
    X, y = X[:100], y[:100]
    return X, y, LogisticRegression(C=0.02).fit(X, y)


def test_one_column_is_compared_with_the_threshold():
    X = np.log(np.array([[0.2], [1.0], [0.25 / 0.75], [4.0]]))
    for shape in ((-1,), (-1, 1)):
        model = as_classifier(lambda Z, s=shape: sigmoid(Z).reshape(s), classes=["no", "yes"])
        # 0.5 is not above the threshold, as in scikit-learn.
        assert model.predict(X).tolist() == ["no", "no", "no", "yes"]
    low = as_classifier(sigmoid, classes=[3, 1], threshold=0.2)
    assert low.predict(X).tolist() == [3, 1, 1, 1]
    assert low.classes_.tolist() == [3, 1]
    assert as_classifier(sigmoid, classes=[0, 1], threshold=np.float32(0.9)).predict(X).max() == 0


def test_several_columns_are_compared_with_each_other():
    scores = np.array([[0.1, 0.7, 0.2], [5.0, -1.0, 3.0], [2.0, 2.0, 2.0]])
    model = as_classifier(lambda _: scores, classes=["a", "b", "c"])
    assert model.predict(None).tolist() == ["b", "a", "a"]
    counts = as_classifier(lambda _: scores.astype(int), classes=["a", "b", "c"])
    assert counts.predict(None).tolist() == ["a", "a", "a"]
    halves = np.array([[0.4, 0.6], [0.9, 0.1]])
    assert as_classifier(lambda _: halves, classes=[0, 1]).predict(None).tolist() == [1, 0]
    shy = as_classifier(lambda _: halves, classes=[0, 1], threshold=0.7)
    assert shy.predict(None).tolist() == [0, 0]


@pytest.mark.parametrize(
    "labels", [[1, 0, 2], ["b", "a", "c"], [1.0, 0.0, 2.0], np.array(["b", "a", "c"], dtype=object)]
)
def test_labels_stay_labels(labels):
    classes = np.unique(labels)
    for method in ("auto", "predict"):
        model = as_classifier(lambda _: np.asarray(labels), classes=classes, method=method)
        assert model.predict(None).tolist() == list(labels)


def test_scores_of_any_size():
    model = as_classifier(lambda X: X[:, 0], classes=["low", "high"], method="decision_function")
    assert model.predict(np.array([[-7.0], [0.0], [3.0]])).tolist() == ["low", "low", "high"]
    same = as_classifier(lambda X: X[:, 0], classes=["low", "high"], threshold=0.0)
    assert same.predict(np.array([[-7.0], [0.0], [3.0]])).tolist() == ["low", "low", "high"]


def test_objects_with_one_method(iris, two):
    X, _, model = iris
    Z, _, binary = two
    for kept, classes, rows in ((model, [0, 1, 2], X), (binary, [0, 1], Z)):
        for method in ("predict_proba", "decision_function"):
            bare = Gives(**{method: getattr(kept, method)})
            wrapped = as_classifier(bare, classes=classes)
            np.testing.assert_array_equal(wrapped.predict(rows), kept.predict(rows))
    # A network of Keras: probabilities come from predict.
    keras = as_classifier(
        Gives(predict=lambda rows: binary.predict_proba(rows)[:, 1:]), classes=[0, 1]
    )
    np.testing.assert_array_equal(keras.predict(Z), binary.predict(Z))
    line = LinearRegression().fit(Z, binary.predict_proba(Z)[:, 1])
    moved = as_classifier(line, classes=[0, 1], threshold=0.3)
    np.testing.assert_array_equal(moved.predict(Z), (line.predict(Z) > 0.3).astype(int))


def test_a_classifier_keeps_its_labels_unless_a_threshold_is_given(iris, two):
    """With ovo scores, or probabilities that are fitted apart, columns and labels may differ."""
    X, y, _ = iris
    pairs = SVC(decision_function_shape="ovo", random_state=0).fit(X, y)
    wrapped = as_classifier(pairs, classes=[0, 1, 2])
    np.testing.assert_array_equal(wrapped.predict(X), pairs.predict(X))
    Z, _, binary = two
    strict = as_classifier(binary, classes=[0, 1], threshold=0.9)
    np.testing.assert_array_equal(strict.predict(Z), binary.predict_proba(Z)[:, 1] > 0.9)
    shifted = as_classifier(
        LinearSVC(random_state=0).fit(Z, binary.predict(Z)), classes=[0, 1], threshold=1.0
    )
    assert 0 < shifted.predict(Z).mean() < binary.predict(Z).mean()


def test_it_is_measured_as_the_model_that_it_wraps(two):
    X, y, model = two
    X, y = X[::4], y[::4]
    wrapped = as_classifier(Gives(predict_proba=model.predict_proba), classes=[0, 1])
    np.testing.assert_array_equal(
        adversarial_distances(wrapped, X, y, attack=QUICK),
        adversarial_distances(model, X, y, attack=QUICK, certify=False),
    )
    named = as_classifier(lambda Z: model.predict_proba(Z)[:, 1], classes=["a", "b"])
    score = robust_accuracy_score(named, X, np.array(["a", "b"])[y], eps=[0, 0.6], attack=QUICK)
    np.testing.assert_array_equal(
        score, robust_accuracy_score(model, X, y, eps=[0, 0.6], attack=QUICK, certify=False)
    )


def test_pickle_and_repr():
    model = as_classifier(sigmoid, classes=[0, 1], threshold=0.25)
    copy = pickle.loads(pickle.dumps(model))
    X = np.linspace(-3, 3, 20)[:, None]
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    assert repr(copy) == "as_classifier(sigmoid, classes=[0, 1], threshold=0.25, method='auto')"


def test_columns_of_the_model_are_known(two):
    X, _, model = two
    assert as_classifier(model, classes=[0, 1]).n_features_in_ == X.shape[1]
    assert not hasattr(as_classifier(sigmoid, classes=[0, 1]), "n_features_in_")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"classes": [1]}, ValueError, r"classes=\[1\] must hold two or more different labels"),
        ({"classes": [1, 2, 1]}, ValueError, r"classes=\[1, 2, 1\] must hold two or more diff"),
        ({"threshold": "half"}, ValueError, "threshold='half' must be a finite number"),
        ({"threshold": np.nan}, ValueError, "threshold=nan must be a finite number"),
        (
            {"threshold": 0.3, "classes": "abc"},
            ValueError,
            "classes must hold one class label per row",
        ),
        (
            {"threshold": 0.3, "classes": list("abc")},
            ValueError,
            "threshold=0.3 is for the scores of two classes, but .* scores of 3 classes",
        ),
        ({"threshold": 0.3, "method": "predict"}, ValueError, "what is read here are labels"),
        ({"method": "proba"}, ValueError, "method='proba' is not one of"),
        ({"model": LogisticRegression}, TypeError, "model=LogisticRegression is a class"),
        ({"model": 3}, TypeError, "model=int is no function and has none of the methods"),
        (
            {"model": Gives(predict=sigmoid), "method": "predict_proba"},
            TypeError,
            "model=Gives has no method predict_proba, but predict",
        ),
        (
            {"model": Gives(predict_proba=sigmoid, classes_=[1, 0])},
            ValueError,
            r"classes=\[0, 1\] is in another order than Gives.classes_=\[1, 0\], which its pred",
        ),
    ],
)
def test_bad_settings(settings, error, message):
    settings = {"model": sigmoid, "classes": [0, 1], **settings}
    with pytest.raises(error, match=message):
        as_classifier(settings.pop("model"), **settings)


@pytest.mark.parametrize(
    ("answer", "settings", "message"),
    [
        ([0.2, 1.5], {}, "<lambda> returned 1.5, which is no probability.*method='decision_fun"),
        ([-1.0, 1.0], {}, "<lambda> returned -1, which is no probability.*method='predict'"),
        ([0.2, np.nan], {}, "<lambda> returned NaN for 1 of 2 rows"),
        ([[0.2, np.nan]], {}, "<lambda> returned NaN for 1 of 1 rows"),
        ([[0.2, 0.3, 0.5]], {}, r"an array of shape \(1, 3\) for the 2 classes \[0, 1\]"),
        ([0, 2, 1], {}, r"returned the label 2, which is not among classes=\[0, 1\]"),
        (["yes", "no"], {}, r"returned the label 'yes', which is not among classes=\[0, 1\]"),
        ([0.2, 0.3], {"classes": [0, 1, 2]}, "numbers like 0.2, 0.3 where class labels are exp"),
        ([0.2, 0.3], {"method": "predict"}, "as_classifier with method='auto' makes labels of"),
        ([0.2], {"classes": [0, 1, 2], "method": "predict_proba"}, r"shape \(1,\) for the 3"),
    ],
)
def test_answers_that_do_not_fit(answer, settings, message):
    model = as_classifier(lambda _: np.array(answer), **{"classes": [0, 1], **settings})
    with pytest.raises(ValueError, match=message):
        model.predict(None)

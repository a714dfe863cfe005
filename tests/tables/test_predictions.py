"""What predict returns is labels, or refused: scores are nobody's labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import as_classifier
from specreg_sklearn.attacks import CGBA, RayS
from specreg_sklearn.inspection import (
    RobustnessCurveDisplay,
    instance_margins,
)
from specreg_sklearn.metrics import (
    adversarial_distances,
    make_robust_scorer,
    robust_accuracy,
    robust_accuracy_score,
)

QUICK = CGBA(max_queries=100)


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return X, y, make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)


class Returns:
    """Predicts what a function makes of the rows."""

    def __init__(self, function):
        self.function = function

    def predict(self, X):
        return self.function(X)


SHAPES = {
    "flat": lambda p: p[:, 1],
    "column": lambda p: p[:, 1:],
    "float32": lambda p: p[:, 1].astype(np.float32),
    "float16": lambda p: p[:, 1:].astype(np.float16),
    "list": lambda p: p[:, 1].tolist(),
    "objects": lambda p: p[:, 1].astype(object),
    "series": lambda p: pd.Series(p[:, 1]),
    "frame": lambda p: pd.DataFrame({"p": p[:, 1]}),
    "scores": lambda p: np.log(p[:, 1] / p[:, 0]),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("names", [np.array([0, 1]), np.array([0.0, 1.0]), np.array(["m", "b"])])
def test_probabilities_are_refused(cancer, shape, names):
    X, y, model = cancer
    keras = Returns(lambda Z: SHAPES[shape](np.clip(model.predict_proba(Z), 1e-9, 1)))
    look = "scores" if shape == "scores" else "probabilities"
    message = rf"numbers like .*shape \(\d+.*They look like {look} of one class.*as_classifier\("
    with pytest.raises(ValueError, match=message):
        robust_accuracy_score(keras, X, names[y], eps=[0, 0.3], max_samples=20)
    with pytest.raises(ValueError, match=message):
        robust_accuracy_score(keras, X, names[y], eps=0, max_samples=20)


@pytest.mark.parametrize(
    "use",
    [
        lambda m, X, y: adversarial_distances(m, X, y, max_samples=9),
        lambda m, X, y: RayS().run(m, X[:9], y[:9], pool=X),
        lambda m, X, y: robust_accuracy(m, X, y),
        lambda m, X, y: make_robust_scorer("median_adversarial_distance")(m, X, y),
        lambda m, X, y: instance_margins(m, X[:20], method="attack"),
        lambda m, X, y: RobustnessCurveDisplay.from_estimator(m, X, y, max_samples=9),
    ],
)
def test_probabilities_are_refused_everywhere(cancer, use):
    X, y, model = cancer
    with pytest.raises(ValueError, match="look like probabilities of one class"):
        use(Returns(lambda Z: model.predict_proba(Z)[:, 1]), X, y)


def test_probabilities_that_show_in_the_search_only(cancer):
    """On the clean rows they are 0 and 1 within rounding, which looks like labels."""
    X, y, model = cancer
    known = {row.tobytes() for row in X}

    def saturated(Z):
        p = model.predict_proba(Z)[:, 1]
        return np.where([row.tobytes() in known for row in Z], np.rint(p), p)

    with pytest.raises(ValueError, match="look like probabilities") as caught:
        QUICK.run(Returns(saturated), X[:9], y[:9], pool=X)
    assert "changes of rows" in caught.value.__notes__[0]


@pytest.mark.parametrize("kind", ["probabilities", "one hot"])
def test_columns_of_scores_are_refused(cancer, kind):
    X, y, model = cancer

    def columns(Z):
        return model.predict_proba(Z) if kind == "probabilities" else np.eye(2)[model.predict(Z)]

    message = (
        r"estimator.predict must hold one class label per row, got an array of shape \(20, 2\)"
    )
    with pytest.raises(ValueError, match=f"{message}.*as_classifier.*label of the largest"):
        robust_accuracy_score(Returns(columns), X, y, eps=0.3, max_samples=20)
    wrapped = as_classifier(columns, classes=[0, 1])
    options = {"eps": [0, 0.3], "max_samples": 20, "attack": QUICK}
    np.testing.assert_array_equal(
        robust_accuracy_score(wrapped, X, y, **options),
        robust_accuracy_score(model, X, y, certify=False, **options),
    )


def test_whole_numbers_in_floats_are_labels(cancer):
    X, y, model = cancer
    floats = Returns(lambda Z: model.predict(Z).astype(np.float32)[:, None])
    options = {"max_samples": 10, "attack": QUICK}
    np.testing.assert_array_equal(
        adversarial_distances(floats, X, y, **options),
        adversarial_distances(model, X, y, certify=False, **options),
    )


class HasProba:
    def predict_proba(self, X):
        return np.column_stack([1 - X[:, 0], X[:, 0]])


class HasScores:
    def decision_function(self, X):
        return X[:, 0]


def a_function(X):
    return X[:, 0] > 0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (a_function, "estimator=a_function is a function.*without a method predict.*as_classifier"),
        (lambda X: X[:, 0], "estimator=<lambda> is a function.*as_classifier"),
        (HasProba(), "estimator=HasProba has no method predict, but predict_proba.*as_classifier"),
        (HasScores(), "has no method predict, but decision_function.*as_classifier"),
        (object(), "estimator=object has no method predict; a fitted classifier is needed"),
    ],
)
@pytest.mark.parametrize(
    "use",
    [
        lambda m, X, y: robust_accuracy_score(m, X, y, eps=0.1),
        lambda m, X, y: robust_accuracy_score(m, X, y, eps=0),
        lambda m, X, y: CGBA().run(m, X, y),
        lambda m, X, y: make_robust_scorer(eps=0.1)(m, X, y),
        lambda m, X, y: instance_margins(m, X, method="attack"),
    ],
)
def test_what_cannot_be_asked_for_labels(cancer, model, message, use):
    X, y, _ = cancer
    with pytest.raises(TypeError, match=message):
        use(model, X, y)


@pytest.mark.parametrize("names", [[0, 1, 2], ["a", "b", "c"], [2**62, 2**62 + 1, 2**62 + 2]])
@pytest.mark.parametrize("says", [True, False])
def test_a_target_label_that_the_model_does_not_know(names, says):
    """It knows those of its classes_, and what it predicts for X and pool."""
    names = np.array(names)
    X = np.linspace(-1, 1, 21)[:, None]

    class Halves:
        def predict(self, Z):
            return names[(Z[:, 0] > 0).astype(int)]

    model = Halves()
    if says:
        model.classes_ = names
    attack = CGBA(targeted=True, max_queries=100)
    result = attack.run(model, X[-3:], np.repeat(names[:1], 3), pool=X)
    assert (result.status == "found").all()
    strange = np.array(["x"] * 3) if names.dtype.kind == "U" else np.full(3, names[2] + 7)
    listed = ", ".join(map(repr, names[: 3 if says else 2].tolist()))
    with pytest.raises(ValueError, match=rf"Halves does not know: .*Known are \[{listed}\], "):
        attack.run(model, X[:3], strange, pool=X)
    if says:
        # A class that it could give, and does not for these rows, is a target like others.
        with pytest.warns(UserWarning, match="no adversarial row to start from for 3 of 3"):
            attack.run(model, X[:3], np.repeat(names[2:], 3), pool=X)
    else:
        with pytest.raises(ValueError, match="what it predicts for X and pool"):
            attack.run(model, X[:3], np.repeat(names[2:], 3), pool=X)

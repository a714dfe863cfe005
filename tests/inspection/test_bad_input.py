"""Every diagnostic refuses what it cannot read, and says what and why."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder, inspection

# (function of estimator, X, y; whether labels are compared)
CALLS = {
    "logit_margins": (inspection.logit_margins, True),
    "feature_margins": (lambda e, X, y: inspection.feature_margins(e, X), False),
    "instance_margins": (lambda e, X, y: inspection.instance_margins(e, X), False),
    "singular_value_spectrum": (lambda e, X, y: inspection.singular_value_spectrum(e), None),
    "layer_stretch": (lambda e, X, y: inspection.layer_stretch(e, X, radius=0.1), False),
    "feature_jacobian_spectrum": (
        lambda e, X, y: inspection.feature_jacobian_spectrum(e, X), False,
    ),
    "local_linearity": (partial(inspection.local_linearity, eps=0.1), True),
    "loss_curvature": (partial(inspection.loss_curvature, h=0.1), True),
    "spectral_complexity": (lambda e, X, y: inspection.spectral_complexity(e), None),
    "normalized_margins": (inspection.normalized_margins, True),
    "gradient_masking_report": (
        partial(inspection.gradient_masking_report, eps=0.1, max_samples=10), True,
    ),
}  # fmt: skip
WITH_PROBABILITIES = {
    "confidence_profile": (inspection.confidence_profile, True),
    "generalization_gap": (lambda e, X, y: inspection.generalization_gap(e, X, y, X, y), True),
}
EVERY = {**CALLS, **WITH_PROBABILITIES}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(24, 3)), np.arange(24) % 3


@pytest.mark.parametrize("name", EVERY)
def test_labels_of_another_length(name, rows):
    call, reads_labels = EVERY[name]
    X, y = rows
    if not reads_labels:
        call(LogisticRegression().fit(X, y), X, y[:-1])  # labels are not looked at
        return
    with pytest.raises(ValueError, match="X has 24 rows, y has 23 labels"):
        call(LogisticRegression().fit(X, y), X, y[:-1])


# Trees have no logits, but distances, which a search of their boxes finds.
@pytest.mark.parametrize("name", sorted(CALLS.keys() - {"instance_margins"}))
def test_a_model_without_logits_is_named(name, rows):
    X, y = rows
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    with pytest.raises(TypeError, match="DecisionTreeClassifier has no logits"):
        CALLS[name][0](tree, X, y)
    piped = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)).fit(X, y)
    with pytest.raises(TypeError, match=r"step 'decisiontreeclassifier': DecisionTree.* no logits"):
        CALLS[name][0](piped, X, y)


@pytest.mark.parametrize("name", WITH_PROBABILITIES)
def test_a_model_with_neither_logits_nor_probabilities_is_named(name, rows):
    X, y = rows
    with pytest.raises(TypeError, match="SVC has no logits"):
        WITH_PROBABILITIES[name][0](SVC(random_state=0).fit(X, y), X, y)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    "model",
    [SpectrallyRegularizedEncoder(), RobustLinearProbe(), MLPClassifier(), LogisticRegression(),
     make_pipeline(StandardScaler(), LogisticRegression())],
    ids=lambda m: type(m).__name__,
)  # fmt: skip
def test_an_unfitted_model(name, model, rows):
    with pytest.raises(NotFittedError):
        EVERY[name][0](model, *rows)


@pytest.mark.parametrize("name", EVERY)
def test_what_is_no_classifier(name, rows):
    X, y = rows
    reason = "LinearRegression (has no logits: it is not a classifier|is a regressor)"
    with pytest.raises(TypeError, match=reason):
        EVERY[name][0](LinearRegression().fit(X, y), X, y)
    with pytest.raises(TypeError, match="LogisticRegression is a class; pass a fitted instance"):
        EVERY[name][0](LogisticRegression, X, y)


@pytest.mark.parametrize("name", CALLS)
def test_a_step_that_cannot_be_followed_is_named(name, rows):
    X, y = rows
    model = make_pipeline(StandardScaler(), PolynomialFeatures(), LogisticRegression()).fit(X, y)
    reason = "step 'polynomialfeatures': PolynomialFeatures (cannot be|has no certificate)"
    with pytest.raises(TypeError, match=reason):
        CALLS[name][0](model, X, y)


def test_calibrated_models_are_refused_with_the_reason(rows):
    X, y = rows
    model = CalibratedClassifierCV(LogisticRegression(), cv=2).fit(X, y)
    with pytest.raises(TypeError, match=r"has no logits.*averages probabilities of several models"):
        inspection.logit_margins(model, X)
    assert inspection.confidence_profile(model, X, y).source == "predict_proba"


@pytest.mark.parametrize("name", [name for name, (_, reads) in EVERY.items() if reads is not None])
@pytest.mark.parametrize(("bad", "message"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_rows_that_are_not_finite(name, bad, message, rows):
    X, y = rows[0].copy(), rows[1]
    model = LogisticRegression().fit(X, y)
    X[3, 1] = bad
    with pytest.raises(ValueError, match=message):
        EVERY[name][0](model, X, y)


@pytest.mark.parametrize("name", [name for name, (_, reads) in EVERY.items() if reads is not None])
def test_rows_of_another_width(name, rows):
    X, y = rows
    model = LogisticRegression().fit(X, y)
    with pytest.raises(ValueError, match="X has 2 features, but LogisticRegression is expecting 3"):
        EVERY[name][0](model, X[:, :2], y)


@pytest.mark.parametrize("name", [name for name, (_, reads) in CALLS.items() if reads])
def test_labels_that_the_model_does_not_know(name, rows):
    X, y = rows
    with pytest.raises(ValueError, match="y holds labels that the model was not fitted on: 9"):
        CALLS[name][0](LogisticRegression().fit(X, y), X, np.where(y == 2, 9, y))


@pytest.mark.parametrize("bad", [0, -1.0, np.nan, np.inf, "0.1", True, None])
@pytest.mark.parametrize(
    ("parameter", "call"),
    [
        ("radius", lambda m, X, bad: inspection.layer_stretch(m, X, radius=bad)),
        ("eps", lambda m, X, bad: inspection.local_linearity(m, X, eps=bad)),
        ("h", lambda m, X, bad: inspection.loss_curvature(m, X, h=bad)),
        ("eps", lambda m, X, bad: inspection.gradient_masking_report(m, X, [0] * 24, eps=bad)),
        ("gamma", lambda m, X, bad: inspection.ramp_risk([1.0], bad)),
        ("threshold", lambda m, X, bad: inspection.boundary_mass([1.0], bad)),
    ],
)
def test_sizes_must_be_positive(parameter, call, bad, rows):
    X, y = rows
    with pytest.raises(ValueError, match=f"{parameter}=.*give a positive, finite number"):
        call(LogisticRegression().fit(X, y), X, bad)


@pytest.mark.parametrize("bad", [[0.1, 0.1], [0.3, 0.2]])
def test_sizes_must_increase(bad, rows):
    X, y = rows
    model = LogisticRegression().fit(X, y)
    for call in (
        lambda: inspection.gradient_masking_report(model, X, y, eps=bad),
        lambda: inspection.ramp_risk([1.0], bad),
        lambda: inspection.boundary_mass([1.0], bad),
    ):
        with pytest.raises(ValueError, match="is not increasing"):
            call()
    with pytest.raises(ValueError, match="give a positive number or a list"):
        inspection.gradient_masking_report(model, X, y, eps=[])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_directions": 0}, "n_directions=0 is not accepted"),
        ({"n_steps": -1}, "n_steps=-1 is not accepted"),
        ({"layers": "hidden7"}, "has no layer 'hidden7', only"),
        ({"scale": "spread"}, "scale='spread' is not one of"),
        ({"scale": -1.0}, "must be positive"),
        ({"random_state": "one"}, "random_state='one' is not accepted"),
    ],
)
def test_settings_of_layer_stretch(settings, message, rows):
    X, y = rows
    with pytest.raises(ValueError, match=message):
        inspection.layer_stretch(LogisticRegression().fit(X, y), X, radius=0.1, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"norm": 1}, "norm=1 is not supported by gradient_masking_report"),
     ({"tolerance": 1.0}, "tolerance=1.0 is not accepted"),
     ({"n_steps": 0}, "n_steps=0"), ({"n_restarts": 0}, "n_restarts=0")],
)  # fmt: skip
def test_settings_of_the_masking_report(settings, message, rows):
    X, y = rows
    with pytest.raises(ValueError, match=message):
        inspection.gradient_masking_report(
            LogisticRegression().fit(X, y), X, y, eps=0.1, **settings
        )


@pytest.mark.parametrize("call", [inspection.boundary_mass, inspection.ramp_risk])
def test_margins_that_are_none(call):
    with pytest.raises(ValueError, match="margins holds NaN in 1 rows"):
        call([1.0, np.nan], 1.0)
    with pytest.raises(ValueError, match="margins has shape"):
        call([[1.0]], 1.0)
    with pytest.raises(ValueError, match="margins must hold numbers"):
        call(["a"], 1.0)
    with pytest.raises(ValueError, match="infinite"):
        inspection.margin_concentration([np.inf, 1.0])


def test_text_columns_are_named(iris_rows):
    X, y = iris_rows
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = LogisticRegression().fit(frame, y)
    with pytest.raises(TypeError, match=r"Column 'b'.* does not hold numbers"):
        inspection.logit_margins(model, frame.assign(b="text"))
    with pytest.raises(ValueError, match="order"):
        inspection.logit_margins(model, frame[list("bacd")])

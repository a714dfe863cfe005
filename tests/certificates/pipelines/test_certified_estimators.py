"""Estimators that bring their own stages: who is asked, who is refused, and what comes out."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import RobustLinearProbe, SelfSupervisedEncoder, SpectrallyRegularizedEncoder
from specreg_sklearn.certificates import (
    Affine,
    CertifiedEstimator,
    NoCertificateError,
    classifier_stages,
    register_certified_step,
    transformer_stages,
)
from specreg_sklearn.certificates.pipelines._registry import _rules
from specreg_sklearn.metrics import certified_radius, lipschitz_bound


@pytest.fixture(autouse=True)
def _rules_stay_as_they_are(monkeypatch):
    transformer_stages(StandardScaler().fit([[0.0], [1.0]]))  # loads those of scikit-learn
    for role in _rules:
        monkeypatch.setitem(_rules, role, dict(_rules[role]))


class Factor(TransformerMixin, BaseEstimator):
    """Multiply all columns, and say so."""

    def __init__(self, factor=2.0):
        self.factor = factor

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return self.factor * np.asarray(X)

    def __certified_stages__(self, role):
        if role != "transformer":
            raise NoCertificateError("Factor has no scores.")
        if self.factor > 100:
            raise TypeError(f"factor={self.factor} is not covered.")
        return [Affine(np.full(self.n_features_in_, self.factor))]


class Sign(ClassifierMixin, BaseEstimator):
    """The sign of the first column: a single score, positive for the second class."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return self.classes_[(np.asarray(X)[:, 0] > 0).astype(int)]

    def __certified_stages__(self, role):
        assert role == "classifier"
        return [Affine(np.eye(self.n_features_in_)[:1])]


@pytest.fixture(scope="module")
def rows():
    X = np.random.default_rng(0).normal(size=(40, 3))
    return X, np.where(X[:, 0] > 0, "right", "left")


def test_the_radius_of_a_model_that_speaks_for_itself_is_the_distance(rows):
    X, y = rows
    model = make_pipeline(Factor(3.0), Sign()).fit(X, y)
    models = [
        model,
        FrozenEstimator(model),
        GridSearchCV(model, {"factor__factor": [3.0]}, cv=2).fit(X, y),
        make_pipeline(FrozenEstimator(model[0]), model[1]),
    ]
    for model in models:
        np.testing.assert_allclose(
            certified_radius(model, X, scale=None), np.abs(X[:, 0]), rtol=1e-8
        )
    assert lipschitz_bound(Factor(5.0).fit(X)) == pytest.approx(5.0, rel=1e-12)


def test_refusals_of_the_method_bear_the_name_of_the_step(rows):
    X, y = rows
    model = Pipeline([("x", Factor(1000.0)), ("model", LogisticRegression())]).fit(X, y)
    with pytest.raises(TypeError, match=r"step 'x': factor=1000\.0 is not covered"):
        certified_radius(model, X, scale=None)
    with pytest.raises(NoCertificateError, match="Factor has no scores"):
        classifier_stages(Factor().fit(X))


def test_an_estimator_that_is_not_fitted_is_not_asked():
    class Unfitted(Factor):
        def __certified_stages__(self, role):
            raise AssertionError("asked before fit")

    with pytest.raises(NotFittedError):
        transformer_stages(Unfitted())


def factor_of(step):
    (stage,) = transformer_stages(step)
    return stage.lipschitz()


class ScalerOfMine(StandardScaler):
    """A class with the method, below one with a rule."""

    def __certified_stages__(self, role):
        return [Affine(np.full(self.n_features_in_, 7.0))]


def test_the_method_goes_before_a_rule_of_the_parent(rows):
    assert factor_of(ScalerOfMine().fit(rows[0])) == 7.0


def test_a_rule_for_exactly_this_class_goes_before_its_method(rows):
    X, _ = rows

    class Child(Factor):
        pass

    class Talkative(Factor):
        def __certified_stages__(self, role):
            return super().__certified_stages__(role)

    register_certified_step(Factor)(lambda step: [Affine(np.full(step.n_features_in_, 11.0))])
    assert factor_of(Factor().fit(X)) == factor_of(Child().fit(X)) == 11.0
    assert factor_of(Talkative().fit(X)) == 2.0  # nearer than the rule of its parent
    register_certified_step(Child)(lambda step: [Affine(np.full(step.n_features_in_, 13.0))])
    assert factor_of(Child().fit(X)) == 13.0
    # A rule is for one role: for the other one the method is still asked.
    with pytest.raises(NoCertificateError, match="Factor has no scores"):
        classifier_stages(Factor().fit(X))


class Cube(Factor):
    """Another function than its parent's."""

    def transform(self, X):
        return super().transform(X) ** 3


class Doubled(Factor):
    """Another function than its parent's, which says so."""

    def transform(self, X):
        return 2 * super().transform(X)

    def __certified_stages__(self, role):
        return [*super().__certified_stages__(role), Affine(np.full(self.n_features_in_, 2.0))]


class Opposite(Sign):
    """Predicts by another rule than its scores."""

    def predict(self, X):
        return self.classes_[::-1][(np.asarray(X)[:, 0] > 0).astype(int)]


def test_overridden_methods_are_refused(rows):
    X, y = rows
    with pytest.raises(TypeError, match=r"Cube.*overrides transform of Factor.*Factor do not"):
        lipschitz_bound(Cube().fit(X))
    assert lipschitz_bound(Doubled(3.0).fit(X)) == pytest.approx(6.0, rel=1e-12)
    with pytest.raises(TypeError, match=r"Opposite.*overrides predict of Sign"):
        certified_radius(Opposite().fit(X, y), X, scale=None)
    for name, model in (("predict", Sign().fit(X, y)), ("transform", Factor().fit(X, y))):
        setattr(model, name, lambda X: X)
        with pytest.raises(TypeError, match=f"overrides {name}"):
            lipschitz_bound(model)
    model = Factor().fit(X)
    model.__certified_stages__ = lambda role: []  # methods of Python's protocols are the class's
    assert factor_of(model) == 2.0


def test_none_takes_the_certificate_away(rows):
    class Silent(ScalerOfMine):
        __certified_stages__ = None

    with pytest.raises(NoCertificateError, match="Silent has no certificate"):
        transformer_stages(Silent().fit(rows[0]))


def test_a_step_made_of_steps_asks_its_parts(rows):
    class Twice(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            self.part_ = Factor(3.0).fit(X)
            return self

        def transform(self, X):
            return self.part_.transform(self.part_.transform(X))

        def __certified_stages__(self, role):
            return 2 * transformer_stages(self.part_)

    assert lipschitz_bound(Twice().fit(rows[0])) == pytest.approx(9.0, rel=1e-12)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_encoders_and_probe_bring_their_own_stages(rows):
    X, y = rows
    settings = {"hidden_layer_sizes": (5,), "max_iter": 2, "random_state": 0}
    encoder = SpectrallyRegularizedEncoder(**settings).fit(X, y)
    weight, bias = (
        encoder.module_.backbone.hidden1.weight.detach().double().numpy(),
        encoder.module_.backbone.hidden1.bias.detach().double().numpy(),
    )
    blind = SelfSupervisedEncoder(**settings).fit(X)
    probe = RobustLinearProbe().fit(X, y)
    stages: CertifiedEstimator = encoder
    first = stages.__certified_stages__("transformer")[0]
    np.testing.assert_array_equal(first.weight, weight)
    np.testing.assert_array_equal(first.bias, bias)
    for step in (encoder, blind):
        assert [type(s).__name__ for s in transformer_stages(step)] == ["Affine", "Elementwise"]
    assert len(classifier_stages(encoder)) == 3
    with pytest.raises(NoCertificateError, match="SelfSupervisedEncoder has no certificate"):
        classifier_stages(blind)
    with pytest.raises(NoCertificateError, match="RobustLinearProbe has no certificate"):
        transformer_stages(probe)

    class Rounded(RobustLinearProbe):
        def _logits(self, X):
            return super()._logits(X).round(1)

    class Noisy(SpectrallyRegularizedEncoder):
        def transform(self, X):
            return super().transform(X) + 1

    class Renamed(SpectrallyRegularizedEncoder):
        pass

    with pytest.raises(TypeError, match=r"Rounded.*overrides _logits of RobustLinearProbe"):
        lipschitz_bound(Rounded().fit(X, y))
    noisy = Noisy(**settings).fit(X, y)
    with pytest.raises(TypeError, match=r"Noisy.*overrides transform of SpectrallyRegularized"):
        transformer_stages(noisy)
    assert len(classifier_stages(noisy)) == 3  # its scores are those of its parent
    assert lipschitz_bound(Renamed(**settings).fit(X, y)) == lipschitz_bound(encoder)

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from specreg_sklearn import (
    RobustLinearProbe,
    SelfSupervisedEncoder,
    SpectrallyRegularizedEncoder,
)
from specreg_sklearn.attacks import CGBA, FeatureSpace, GradientAttack, Strongest, resolve_attack


@pytest.fixture(scope="module")
def raw_cancer_rows():
    X, y = load_breast_cancer(return_X_y=True)
    return X, y


@pytest.fixture(scope="module")
def network(raw_cancer_rows):
    X, y = raw_cancer_rows
    encoder = SpectrallyRegularizedEncoder(
        hidden_layer_sizes=(16, 16), random_state=0, max_iter=40, learning_rate_init=1e-2
    )
    return make_pipeline(StandardScaler(), encoder).fit(X[::2], y[::2])


def chosen(model, X, y, step):
    return np.flatnonzero(model.predict(X) == y)[::step]


@pytest.mark.parametrize(("order", "dual"), [(2, 2), (np.inf, 1), (1, np.inf)])
@pytest.mark.parametrize("scaler", [None, StandardScaler(), PCA(whiten=True)])
def test_exact_on_linear_models(raw_cancer_rows, order, dual, scaler):
    X, y = raw_cancer_rows
    probe = RobustLinearProbe(epsilon=0.01)
    if scaler is None:
        X = StandardScaler().fit_transform(X)
        model, coef = probe.fit(X, y), probe.coef_[0]
    else:
        model = make_pipeline(scaler, probe).fit(X, y)
        slope = 1 / scaler.scale_ if isinstance(scaler, StandardScaler) else None
        coef = (
            probe.coef_[0] * slope
            if slope is not None
            else probe.coef_[0]
            @ (scaler.components_ / np.sqrt(scaler.explained_variance_)[:, None])
        )
    rows = chosen(model, X, y, 40)
    space = FeatureSpace.from_data(X, bounds=None)
    found = GradientAttack(norm=order).run(model, X[rows], y[rows], pool=X, space=space)
    exact = np.abs(model.decision_function(X[rows])) / np.linalg.norm(coef * X.std(axis=0), dual)
    np.testing.assert_allclose(found.distances, exact, rtol=2e-2 if order == 1 else 5e-3)
    assert (found.distances > exact * (1 - 1e-9)).all()


def test_as_near_as_two_thousand_labels(raw_cancer_rows, network):
    X, y = raw_cancer_rows
    rows = chosen(network, X, y, 60)
    run = {"pool": X, "space": FeatureSpace.from_data(X)}
    gradients = GradientAttack().run(network, X[rows], y[rows], **run)
    labels = CGBA(max_queries=2000).run(network, X[rows], y[rows], **run)
    assert (gradients.distances < 1.01 * labels.distances).all()
    assert gradients.n_queries.max() < 40
    assert set(gradients.found_by) == {"gradients"}


def test_inside_the_space(raw_cancer_rows, network):
    X, y = raw_cancer_rows
    X = X.round(0)
    space = FeatureSpace.from_data(
        X, mutable=range(20), types=dict.fromkeys(range(0, 20, 2), "integer")
    )
    rows = chosen(network, X, y, 40)
    found = GradientAttack(norm=np.inf).run(network, X[rows], y[rows], space=space)
    assert found.success.any()
    assert (found.X_adv[:, 20:] == X[rows][:, 20:]).all()
    assert (found.X_adv[:, 0:20:2] % 1 == 0).all()
    assert (found.X_adv >= X.min(axis=0) - 1e-9).all()
    assert (found.X_adv <= X.max(axis=0) + 1e-9).all()
    wrong = network.predict(found.X_adv) != y[rows]
    np.testing.assert_array_equal(wrong, found.success)


def test_encoder_and_probe_with_many_classes():
    X, y = load_iris(return_X_y=True)
    encoder = SelfSupervisedEncoder(hidden_layer_sizes=(8,), random_state=0, max_iter=20)
    model = make_pipeline(StandardScaler(), encoder, RobustLinearProbe()).fit(X, y)
    rows = chosen(model, X, y, 10)
    found = GradientAttack().run(model, X[rows], y[rows], pool=X)
    labels = CGBA().run(model, X[rows], y[rows], pool=X)
    assert np.median(found.distances / labels.distances) < 1.001
    assert found.success.all()


def test_frames_with_text_and_steps_that_bend(raw_cancer_rows):
    X, y = raw_cancer_rows
    frame = pd.DataFrame(X[:, :6], columns=list("abcdef"))
    frame["kind"] = np.where(X[:, 7] > 0.05, "x", "y")
    front = make_column_transformer(
        (make_pipeline(FunctionTransformer(np.log1p), StandardScaler()), list("abc")),
        (StandardScaler(), list("def")),
        (OneHotEncoder(), ["kind"]),
    )
    encoder = SpectrallyRegularizedEncoder(
        hidden_layer_sizes=(8,), random_state=0, max_iter=40, learning_rate_init=1e-2
    )
    model = make_pipeline(front, encoder).fit(frame, y)
    rows = chosen(model, frame, y, 120)
    part = frame.iloc[rows]
    found = GradientAttack().run(model, part, y[rows], pool=frame)
    labels = CGBA(max_queries=1000).run(model, part, y[rows], pool=frame)
    assert (found.X_adv["kind"] == part["kind"]).all()
    assert np.median(found.distances / labels.distances) < 1.02


def test_a_search_and_a_frozen_model_are_looked_into(raw_cancer_rows):
    X, y = raw_cancer_rows
    search = GridSearchCV(RobustLinearProbe(), {"epsilon": [0.0, 0.1]}, cv=2)
    model = make_pipeline(StandardScaler(), search).fit(X, y)
    rows = chosen(model, X, y, 100)
    assert GradientAttack().run(model, X[rows], y[rows], pool=X).success.all()


def test_the_model_stays_as_it_was(raw_cancer_rows, network):
    X, y = raw_cancer_rows
    module = network[-1].module_
    module.train()
    module.zero_grad(set_to_none=True)
    before = copy.deepcopy(module.state_dict())
    rows = chosen(network, X, y, 100)
    with torch.no_grad():
        found = GradientAttack().run(network, X[rows], y[rows], pool=X)
    assert found.success.all()
    assert module.training
    assert all(p.grad is None for p in module.parameters())
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    module.eval()


def test_models_without_gradients_are_refused(raw_cancer_rows):
    X, y = raw_cancer_rows
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    with pytest.raises(TypeError, match="Pipeline has no gradients: LogisticRegression does not"):
        GradientAttack().run(model, X[:5], y[:5])


@pytest.mark.parametrize("attack", [GradientAttack(), Strongest()], ids=repr)
def test_models_that_are_not_fitted_are_refused(raw_cancer_rows, attack):
    X, y = raw_cancer_rows
    for model in (
        RobustLinearProbe(),
        make_pipeline(StandardScaler(), SpectrallyRegularizedEncoder()),
    ):
        with pytest.raises(NotFittedError):
            attack.run(model, X[:5], y[:5])


def test_logits_of_no_known_labels_are_refused(raw_cancer_rows):
    X, y = raw_cancer_rows
    probe = RobustLinearProbe().fit(X, y)

    class Nameless:
        predict = staticmethod(probe.predict)
        __differentiable__ = staticmethod(probe.__differentiable__)

    message = "estimator=Nameless has no attribute classes_, .* columns of its logits stand for"
    with pytest.raises(ValueError, match=message):
        GradientAttack().run(Nameless(), X[:5], y[:5])
    assert [part._name() for part in Strongest().parts_for(Nameless())] == ["cgba"]


def test_strongest_uses_gradients(raw_cancer_rows, network):
    X, y = raw_cancer_rows
    rows = chosen(network, X, y, 60)
    found = Strongest(max_queries=100).run(network, X[rows], y[rows], pool=X)
    assert (found.found_by == "gradients").mean() > 0.5


def test_registered():
    assert isinstance(resolve_attack("gradients", norm=1), GradientAttack)

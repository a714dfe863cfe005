"""What white-box attacks know of a model, and the steps that they share."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import LinearSVC

from benchmarks.common import floor, foot_in_box, layers_of, scores_of, to_boundary
from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder

DATA = {"iris": load_iris(return_X_y=True), "cancer": load_breast_cancer(return_X_y=True)}
ACTIVATIONS = ("relu", "tanh", "logistic", "identity")


def mlp(activation):
    return MLPClassifier((8, 6), activation=activation, max_iter=30, random_state=0)


def encoder():
    return SpectrallyRegularizedEncoder(hidden_layer_sizes=(8,), max_iter=5, random_state=0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(MinMaxScaler(), PCA(3), LinearSVC(random_state=0)),
        make_pipeline(PCA(2, whiten=True), LogisticRegression()),
        *(
            make_pipeline(StandardScaler(), mlp(a))
            for a in ("relu", "tanh", "logistic", "identity")
        ),
        make_pipeline(StandardScaler(), encoder()),
        make_pipeline(StandardScaler(), encoder(), RobustLinearProbe()),
    ],
    ids=lambda model: "+".join(type(step).__name__ for step in model),
)
def test_scores_are_those_of_the_estimator(data, model):
    X, y = DATA[data]
    model.fit(X, y)
    scores = scores_of(model)(torch.as_tensor(X)).detach().numpy()
    last = model[-1]
    if hasattr(model, "decision_function"):
        own = model.decision_function(X)
        if own.ndim == 1:
            own = np.column_stack([0 * own, own])
    else:  # the network of scikit-learn: up to a number for each row
        own = np.log(model.predict_proba(X))
    apart = (scores - scores[:, :1]) - (own - own[:, :1])
    assert scores.shape == (len(X), len(last.classes_))
    np.testing.assert_allclose(apart, 0, atol=1e-4 * np.abs(own).max())


def test_frozen_steps_are_followed():
    X, y = DATA["iris"]
    inner = encoder().set_params(max_iter=60).fit(X, y)
    probe = RobustLinearProbe().fit(inner.transform(X), y)
    frozen = make_pipeline(FrozenEstimator(inner), FrozenEstimator(probe))
    rows = torch.as_tensor(X)
    torch.testing.assert_close(
        scores_of(frozen)(rows), scores_of(make_pipeline(inner, probe))(rows)
    )


def test_an_unknown_step_is_named():
    X, y = DATA["iris"]
    model = make_pipeline(KNeighborsClassifier(), LogisticRegression())
    model.steps[0] = ("k", KNeighborsClassifier().fit(X, y))
    with pytest.raises(TypeError, match="do not know KNeighborsClassifier"):
        scores_of(model)


def test_bisection_ends_just_beyond_the_boundary():
    rng = np.random.default_rng(0)
    x, far = rng.uniform(-1, 0.4, size=(20, 3)), rng.uniform(0.6, 2, size=(20, 3))
    ends = to_boundary(lambda z: z[:, 0] > 0.5, x, far, halvings=40)
    share = (0.5 - x[:, 0]) / (far[:, 0] - x[:, 0])
    np.testing.assert_allclose(ends, x + share[:, None] * (far - x), rtol=1e-9)
    assert (ends[:, 0] > 0.5).all()
    nobody = to_boundary(lambda z: z[:, 0] > 0.5, x[:0], far[:0], halvings=40)
    assert nobody.shape == (0, 3)


def test_foot_is_the_nearest_point_of_the_plane_in_the_box():
    rng = np.random.default_rng(0)
    x, z = rng.uniform(size=(10, 4)), rng.uniform(size=(10, 4))
    normal = rng.normal(size=(10, 4))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    normal *= np.sign((normal * (z - x)).sum(axis=1, keepdims=True))
    found = foot_in_box(x, z, normal, 0.0, 1.0)
    assert (found >= 0).all()
    assert (found <= 1).all()
    np.testing.assert_allclose((normal * (found - z)).sum(axis=1), 0, atol=1e-12)
    for i in range(10):
        plane = {"type": "eq", "fun": lambda p, i=i: normal[i] @ (p - z[i])}
        nearest = minimize(
            lambda p, i=i: ((p - x[i]) ** 2).sum(),
            z[i],
            bounds=[(0, 1)] * 4,
            constraints=plane,
            options={"ftol": 1e-14},
        )
        np.testing.assert_allclose(((found[i] - x[i]) ** 2).sum(), nearest.fun, rtol=1e-6)


def test_the_floor_of_a_linear_model_is_the_distance_of_its_hyperplane():
    X, y = DATA["cancer"]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    rows = np.flatnonzero(model.predict(X) == y)[:15]
    X, pool = X[rows], X
    ((W, b),) = layers_of(model)
    exact = np.abs(X @ (W[:, 1] - W[:, 0]) + b[1] - b[0]) / np.linalg.norm(W[:, 1] - W[:, 0])
    found = floor(layers_of(model), model, X, y[rows], pool, -np.inf, np.inf)
    np.testing.assert_allclose(found, exact, rtol=1e-4)
    assert (found >= exact * (1 - 1e-9)).all()

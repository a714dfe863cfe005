"""Where the whole model is affine, the certificate is the distance."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import (
    LogisticRegression,
    Perceptron,
    RidgeClassifier,
    RidgeClassifierCV,
    SGDClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import LinearSVC

from specreg_sklearn import RobustLinearProbe
from specreg_sklearn.certificates.pipelines import CertifiedModel
from specreg_sklearn.inspection import logit_margins
from specreg_sklearn.metrics import certified_radius
from specreg_sklearn.space import FeatureSpace

MODELS = [
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(MinMaxScaler(), LinearSVC(random_state=0)),
    make_pipeline(StandardScaler(), PCA(5, whiten=True), LinearDiscriminantAnalysis()),
    make_pipeline(StandardScaler(), RobustLinearProbe(epsilon=0.1)),
    LinearDiscriminantAnalysis(),
]
DUAL = {1: np.inf, 2: 2, np.inf: 1}


def closed_form(model, X, norm):
    """Return the distances of rows by the scores of an affine model, whatever its bounds are."""

    def scores(Z):
        values = model.decision_function(Z)
        return np.column_stack([0 * values, values]) if values.ndim == 1 else values

    # An affine function is its differences between rows, in steps of the size of the columns.
    unit, centre = X.std(axis=0), X.mean(axis=0)
    slopes = (scores(centre + np.diag(unit)) - scores(centre - np.diag(unit))).T / (2 * unit)
    values = scores(X)
    rows, top = np.arange(len(X)), values.argmax(axis=1)
    size = np.linalg.norm(slopes[:, None] - slopes[None], DUAL[norm], axis=2)
    np.fill_diagonal(size, 1.0)
    exact = (values[rows, top][:, None] - values) / size[top]
    exact[rows, top] = np.inf
    return exact.min(axis=1)


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model)[:60])
def test_certified_is_the_closed_form(load, model):
    X, y = load(return_X_y=True)
    model.fit(X, y)
    for norm in DUAL:
        radius = certified_radius(model, X, norm=norm, scale=None)
        np.testing.assert_allclose(radius, closed_form(model, X, norm), rtol=1e-6)


@pytest.mark.parametrize("model", [MODELS[0], MODELS[3]], ids=["logistic", "probe"])
def test_constants_are_the_closed_form(model):
    """They say the same as the proof that knows bounds, but know none."""
    X, y = load_wine(return_X_y=True)
    model.fit(X, y)
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    for norm in DUAL:
        radii, _ = CertifiedModel(model).radii(X, space, norm=norm)
        np.testing.assert_allclose(radii, closed_form(model, X, norm), rtol=1e-6)


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
def test_rows_fall_right_behind_the_radius(load):
    """One step along the weights: nothing at 0.999999 of the radius, the label at 1.000001."""
    X, y = load(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    coef = np.atleast_2d(model[1].coef_) / model[0].scale_
    slopes = np.vstack([0 * coef, coef]) if len(coef) == 1 else coef
    radius, own = certified_radius(model, X, scale=None), model.predict(X)
    fell = np.zeros(len(X), dtype=bool)
    for slope in slopes:
        way = slope - slopes[own]
        size = np.linalg.norm(way, axis=1, keepdims=True)
        way = np.divide(way, size, out=np.zeros_like(way), where=size > 0)
        inside = model.predict(X + 0.999999 * radius[:, None] * way)
        np.testing.assert_array_equal(inside, own)
        fell |= model.predict(X + 1.000001 * radius[:, None] * way) != own
    assert fell.all()


WITHOUT_INTERCEPT = [
    LogisticRegression(fit_intercept=False),
    LinearSVC(fit_intercept=False, random_state=0),
    RidgeClassifier(fit_intercept=False),
    RidgeClassifierCV(fit_intercept=False),
    SGDClassifier(fit_intercept=False, random_state=0),
    Perceptron(fit_intercept=False),
    RobustLinearProbe(fit_intercept=False, epsilon=0.1),
]


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
@pytest.mark.parametrize("model", WITHOUT_INTERCEPT, ids=lambda model: type(model).__name__)
def test_models_without_an_intercept(load, model):
    """Some store one zero for all classes."""
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model.fit(X, y)
    coef = np.atleast_2d(model.coef_)
    coef = np.vstack([0 * coef, coef]) if len(coef) == 1 else coef
    values = X @ coef.T
    rows, top = np.arange(len(X)), values.argmax(axis=1)
    size = np.linalg.norm(coef[:, None] - coef[None], axis=2)
    np.fill_diagonal(size, 1.0)
    exact = (values[rows, top][:, None] - values) / size[top]
    exact[rows, top] = np.inf
    np.testing.assert_allclose(certified_radius(model, X, scale=None), exact.min(1), rtol=1e-6)
    margins = logit_margins(model, X, y)
    own = values[rows, y]
    values[rows, y] = -np.inf
    np.testing.assert_allclose(np.sign(margins), np.sign(own - values.max(axis=1)))

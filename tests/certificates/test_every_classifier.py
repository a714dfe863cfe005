"""Every classifier that scikit-learn fits by default: proved, and never beyond what is found."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.utils import all_estimators

from specreg_sklearn.certificates import NoCertificateError, distance_prover
from specreg_sklearn.space import FeatureSpace, as_norm

# Their probabilities integrate over a variance, or several labels are given to a row.
_REFUSED = {"GaussianProcessClassifier"}
# What is read as trees and not made of trees. The searches of trees have tests of their own.
_NO_TREES = {"BernoulliNB", "CategoricalNB", "DummyClassifier"}
# Fits need not be good, but quick and the same each time.
_SMALL = {
    "random_state": 0,
    "n_estimators": 5,
    "outlier_label": "most_frequent",
    "hidden_layer_sizes": (10,),
    "max_iter": 60,
    "Cs": 2,
    "cv": 2,
}


def _fitted(X, y):
    """Yield all classifiers that fit by default."""
    for name, kind in all_estimators(type_filter="classifier"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # defaults that are going to change
            try:
                model = kind()
                known = model.get_params()
                model.set_params(**{key: value for key, value in _SMALL.items() if key in known})
                model.fit(X, y)
            except (TypeError, ValueError):
                continue
        yield name, model


def _answers(model):
    """Return `predict`; rows that it refuses to label have none."""
    if not hasattr(model, "n_categories_"):
        return model.predict

    def predict(X):
        known = ((X >= 0) & (X < model.n_categories_)).all(axis=1)
        out = np.full(len(X), -1)
        out[known] = model.predict(X[known]) if known.any() else -1
        return out

    return predict


def nearest_found(predict, x, label, scale, norm, others, rng, n_directions=60):
    """Return the distance of the nearest row with another label that bisection finds.

    Towards rows of other labels and in random directions; along sparse ones, too.
    """
    steps = (others - x) / scale
    noise = rng.normal(size=(n_directions, len(x))) * (rng.random((n_directions, len(x))) < 0.5)
    corners = np.sign(rng.normal(size=(n_directions, len(x))))
    reach = as_norm(norm).length(steps).max(initial=1.0)
    noise = np.vstack([noise, corners])
    length = as_norm(norm).length(noise)
    steps = np.vstack([steps, reach * noise[length > 0] / length[length > 0][:, None]])
    answer = np.asarray(predict(x + steps * scale))
    far = (answer != label) & (answer != -1)
    steps = steps[far]
    low, high = np.zeros(len(steps)), np.ones(len(steps))
    for _ in range(22):
        if not len(steps):
            return np.inf
        middle = 0.5 * (low + high)
        answer = np.asarray(predict(x + middle[:, None] * steps * scale))
        other = (answer != label) & (answer != -1)
        low, high = np.where(other, low, middle), np.where(other, middle, high)
    return float((high * as_norm(norm).length(steps)).min())


def _check(model, X, rows, norm, rng):
    bounds = distance_prover(model, X).bounds(rows, norm=norm)
    labels = model.predict(X)
    own = model.predict(rows.raw)
    for i, x in enumerate(rows.raw):
        others = X[labels != own[i]][:40]
        found = nearest_found(_answers(model), x, own[i], rows.scale, norm, others, rng)
        assert bounds.lower[i] <= found
    some = np.isfinite(bounds.upper)
    moved = rows.build(np.where(some[:, None], bounds.witness, rows.raw), np.arange(len(rows)))
    assert (model.predict(moved)[some] != own[some]).all()
    assert (bounds.lower <= bounds.upper).all()
    assert (some | np.isinf(bounds.lower))[bounds.closed].all()
    return bounds


def test_classifiers_of_iris_have_positive_radii():
    X, y = load_iris(return_X_y=True)
    rng = np.random.default_rng(0)
    rows = FeatureSpace.from_data(X, scale="std", bounds=None).bind(X[::30])
    proved, refused = [], []
    for name, model in _fitted(X, y):
        try:
            prover = distance_prover(model, X)
        except NoCertificateError as error:
            assert name in str(error)
            refused.append(name)
            continue
        proved.append(name)
        if prover.name != "trees" or name in _NO_TREES:
            bounds = _check(model, X, rows, 2, rng)
            assert (bounds.lower > 0).mean() > 0.5, name
    assert set(refused) == _REFUSED
    assert len(proved) >= 33


@pytest.mark.slow
@pytest.mark.parametrize("norm", [1, 2, np.inf])
@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer])
def test_no_proof_exceeds_what_is_found(load, norm):
    X, y = load(return_X_y=True)
    X = MinMaxScaler().fit_transform(X)
    X = X[:, :13]
    rng = np.random.default_rng(1)
    rows = FeatureSpace.from_data(X, scale="std", bounds=None).bind(X[:: len(X) // 20])
    for name, model in _fitted(X[::2], y[::2]):
        if name not in _REFUSED and distance_prover(model, X).name != "trees":
            _check(model, X, rows, norm, rng)


@pytest.mark.parametrize("norm", [2, np.inf])
def test_steps_in_front_of_any_kind(norm):
    X, y = load_wine(return_X_y=True)
    rng = np.random.default_rng(2)
    rows = FeatureSpace.from_data(X, scale="std", bounds=None).bind(X[::45])
    for last in (KNeighborsClassifier(1), KNeighborsClassifier(), NearestCentroid(), GaussianNB()):
        model = make_pipeline(StandardScaler(), PCA(4), last).fit(X, y)
        bounds = _check(model, X, rows, norm, rng)
        assert bounds.closed.all() or (norm != 2 and isinstance(last, GaussianNB))
    bounds = _check(
        make_pipeline(StandardScaler(), SVC(random_state=0)).fit(X, y), X, rows, norm, rng
    )
    assert (bounds.lower > 0).all()

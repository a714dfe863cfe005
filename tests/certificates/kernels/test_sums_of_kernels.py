"""Distances of models that sum kernels, against every direction of a plane and closed forms."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, make_moons
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC, NuSVC

from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.space import FeatureSpace, as_norm

X, Y = make_moons(120, noise=0.2, random_state=0)
ROWS = X[::12]
MODELS = {
    "rbf": SVC(random_state=0, gamma=2.0),
    "nu": NuSVC(random_state=0, gamma=0.5),
    "degree 2": SVC(random_state=0, kernel="poly", degree=2, coef0=1.0, gamma=1.0),
    "degree 3": SVC(random_state=0, kernel="poly", degree=3, coef0=1.0, gamma=1.0),
    "degree 4": SVC(random_state=0, kernel="poly", degree=4, coef0=0.5, gamma=0.7),
    "sigmoid": SVC(random_state=0, kernel="sigmoid", gamma=0.3, coef0=-0.2),
    "Gaussian process": GaussianProcessClassifier(2.0 * RBF([0.7, 0.9]), optimizer=None),
    "label spreading": LabelSpreading(gamma=3.0),
    "three classes": SVC(random_state=0, gamma=1.5),
}


def _fitted(name):
    labels = np.where(X[:, 0] > 1.2, 2, Y) if name == "three classes" else Y
    return MODELS[name].fit(X, labels)


def _bounds(model, rows, norm, *, data=X, **options):
    space = FeatureSpace.from_data(data, scale=None, bounds=None)
    return distance_prover(model, data).bounds(space.bind(rows), norm=norm, **options)


def nearest_on_rays(model, row, norm, farthest=1.0, n_rays=180, n_steps=100):
    """Return the length of the shortest of many moves that `predict` labels otherwise."""
    angle = np.linspace(0, 2 * np.pi, n_rays, endpoint=False)
    rays = np.column_stack([np.cos(angle), np.sin(angle)])
    rays /= as_norm(norm).length(rays)[:, None]
    # The same relative distance between them, but for the shortest.
    lengths = farthest * np.linspace(0, 1, n_steps + 1)[1:] ** 2
    moves = (lengths[:, None, None] * rays).reshape(-1, 2)
    other = model.predict(row + moves) != model.predict(row[None])
    other = other.reshape(n_steps, n_rays).any(axis=1)
    return lengths[other.argmax()] if other.any() else np.inf


# Label spreading divides by sums of kernels, which are 0 far away from all rows.
@pytest.mark.filterwarnings("ignore:invalid value encountered in divide:RuntimeWarning")
@pytest.mark.parametrize("norm", [1, 2, np.inf])
@pytest.mark.parametrize("name", MODELS)
def test_lower_bounds_are_below_every_ray_and_near_the_nearest(name, norm):
    model = _fitted(name)
    bounds = _bounds(model, ROWS, norm)
    true = np.array([nearest_on_rays(model, row, norm) for row in ROWS])
    assert (bounds.lower <= true).all()
    # Witnesses are what `predict` says, and as near as the grid of rays can tell.
    found = np.isfinite(bounds.upper)
    assert (model.predict(bounds.witness[found]) != model.predict(ROWS[found])).all()
    near = true < 0.5
    assert near.sum() >= 3
    assert np.median(bounds.upper[near] / true[near]) < 1.02
    least = {1: 0.7, 2: 0.8, np.inf: 0.7}[norm]
    assert np.median(bounds.lower[near] / true[near]) > least


def test_a_quadratic_kernel_is_exact_in_l2():
    model = _fitted("degree 2")
    bounds = _bounds(model, ROWS, 2)
    assert bounds.closed.mean() > 0.9
    true = np.array([nearest_on_rays(model, row, 2) for row in ROWS])
    far = np.isfinite(true)
    np.testing.assert_allclose(bounds.upper[far], true[far], rtol=0.05)


@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_rows_do_not_depend_on_each_other(norm):
    model = _fitted("three classes")
    together = _bounds(model, ROWS, norm)
    for some in ([0], [9, 2]):
        alone = _bounds(model, ROWS[some], norm)
        np.testing.assert_array_equal(alone.lower, together.lower[some])
        np.testing.assert_array_equal(alone.upper, together.upper[some])


def test_more_nodes_never_give_less():
    model = make_pipeline(StandardScaler(), SVC(random_state=0))
    data, labels = load_breast_cancer(return_X_y=True)
    model.fit(data, labels)
    spent = [
        _bounds(model, data[::60], 2, data=data, max_nodes=n).lower for n in (1, 1000, 2000, 5000)
    ]
    for fewer, more in pairwise(spent):
        assert (more >= fewer).all()
    assert (spent[-1] > spent[0] * 1.001).any()


def test_distances_of_images_with_ten_classes_are_mostly_exact():
    data, labels = load_digits(return_X_y=True)
    data = data / 16
    model = SVC(random_state=0).fit(data[:400], labels[:400])
    bounds = _bounds(model, data[600:603], 2, data=data)
    assert (bounds.lower <= bounds.upper).all()
    assert bounds.closed.sum() >= 2
    assert (bounds.n_nodes[bounds.closed] < 20).all()


def test_columns_of_other_sizes_and_far_rows_stay_sound():
    rng = np.random.default_rng(0)
    data = X * [1e-3, 1e4] + [5.0, -3e4]
    model = make_pipeline(StandardScaler(), SVC(random_state=0, gamma=1.0)).fit(data, Y)
    far = np.repeat(data[:4], 3, axis=0) + np.tile([[0, 0], [3, 0], [0, 1e7]], (4, 1))
    space = FeatureSpace.from_data(data, scale="std", bounds=None)
    bounds = distance_prover(model, data).bounds(space.bind(far), norm=2)
    steps = rng.normal(size=(4000, 2))
    steps /= np.linalg.norm(steps, axis=1)[:, None]
    for row, lower in zip(far, bounds.lower, strict=True):
        assert np.isfinite(lower) or np.isinf(lower)
        shorter = row + steps * rng.random((4000, 1)) * min(lower, 1e3) * space.scale
        assert (model.predict(shorter) == model.predict(row[None])).all()

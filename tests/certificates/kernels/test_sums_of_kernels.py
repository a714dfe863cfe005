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
from tests.grids import diagonal

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


def _bounds(model, rows, norm, *, data=X, space=None, **options):
    space = FeatureSpace.from_data(data, scale=None, bounds=None) if space is None else space
    return distance_prover(model, data).bounds(space.bind(rows), norm=norm, **options)


def nearest_on_rays(model, row, norm, farthest=1.0, n_rays=180, n_steps=100, inside=None):
    """Return the length of the shortest of many moves that `predict` labels otherwise.

    `inside` says which rows are allowed.
    """
    angle = np.linspace(0, 2 * np.pi, n_rays, endpoint=False)
    rays = np.column_stack([np.cos(angle), np.sin(angle)])
    rays /= as_norm(norm).length(rays)[:, None]
    # The same relative distance between them, but for the shortest.
    lengths = farthest * np.linspace(0, 1, n_steps + 1)[1:] ** 2
    moves = (lengths[:, None, None] * rays).reshape(-1, 2)
    other = model.predict(row + moves) != model.predict(row[None])
    if inside is not None:
        other &= inside(row + moves)
    other = other.reshape(n_steps, n_rays).any(axis=1)
    return lengths[other.argmax()] if other.any() else np.inf


# Label spreading divides by sums of kernels, which are 0 far away from all rows.
@pytest.mark.filterwarnings("ignore:invalid value encountered in divide:RuntimeWarning")
@pytest.mark.parametrize(("name", "norm"), diagonal([*MODELS], [1, 2, np.inf]))
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


@pytest.mark.filterwarnings("ignore:invalid value encountered in divide:RuntimeWarning")
@pytest.mark.parametrize(
    ("name", "norm"),
    diagonal(["rbf", "degree 3", "sigmoid", "Gaussian process"], [1, 2, np.inf]),
)
def test_bounds_of_the_space_make_distances_larger(name, norm):
    model = _fitted(name)
    low, high = np.quantile(X, [0.1, 0.9], axis=0)
    rows = np.clip(ROWS, low, high)
    space = FeatureSpace.from_data(X, scale=None, bounds=(low, high), increase_only=[0])
    bounds, wide = _bounds(model, rows, norm, space=space), _bounds(model, rows, norm)
    found = np.isfinite(bounds.upper)
    near, lower = np.zeros(len(rows), dtype=bool), bounds.lower
    true = np.full(len(rows), np.inf)
    for i, row in enumerate(rows):

        def inside(moved, row=row):
            return ((moved >= [row[0], low[1]]) & (moved <= high)).all(axis=1)

        true[i] = nearest_on_rays(model, row, norm, inside=inside)
        assert inside(bounds.witness[[i]]).all() or not found[i]
        near[i] = true[i] < 0.6
    assert (lower <= true).all()
    assert (model.predict(bounds.witness[found]) != model.predict(rows[found])).all()
    assert near.sum() >= 2
    assert np.median(bounds.upper[near] / true[near]) < 1.05
    assert np.median(lower[near] / true[near]) > 0.8
    # But for where bounds lead the search along another way.
    assert (lower >= wide.lower * 0.95).all()
    assert (lower > wide.lower * 1.01).any()


def test_a_box_that_holds_no_other_label_is_proved():
    model = _fitted("rbf")
    row = ROWS[np.argmax(np.abs(model.decision_function(ROWS)))]
    space = FeatureSpace.from_data(X, scale=None, bounds=(row - 0.05, row + 0.05))
    for norm in (1, 2, np.inf):
        bounds = _bounds(model, row[None], norm, space=space)
        assert np.isinf(bounds.lower).all()
        assert bounds.closed.all()


@pytest.mark.parametrize(("norm", "least"), [(1, 0.65), (2, 0.9), (np.inf, 0.85)])
def test_both_ends_are_near_each_other_on_a_table(norm, least):
    """Derivatives of whole sums, where terms cancel, and bounds of the data."""
    data, labels = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), SVC(random_state=0)).fit(data, labels)
    space = FeatureSpace.from_data(data)
    bounds = _bounds(model, data[::80], norm, data=data, space=space)
    found = np.isfinite(bounds.upper)
    assert found.mean() > 0.7
    assert (bounds.lower <= bounds.upper).all()
    assert np.median(bounds.lower[found] / bounds.upper[found]) > least


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

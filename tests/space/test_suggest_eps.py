"""Sizes of moves that the data alone suggests."""

from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn import FeatureSpace
from specreg_sklearn.metrics import suggest_eps


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(120, 2)), rng.integers(0, 9, 120)])
    X[3, 0] = np.nan
    return X, np.where(X[:, 1] + X[:, 2] / 3 > 1.5, "high", "low")


@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_distances_to_another_class(data, norm):
    X, y = data
    cost = {1: (2.0, 0.5)}
    space = FeatureSpace.from_data(
        X, scale=[1.0, 2.0, 4.0], types=["real", "real", "integer"], cost=cost
    )
    found = suggest_eps(X, y, space, norm=norm, max_samples=None, noise={0: 0.3, 1: 0.1})
    steps = np.nan_to_num(X[None] - X[:, None]) * [1.0, 1 / 2, 1 / 4]
    steps[..., 1] *= np.where(steps[..., 1] > 0, 2.0, 0.5)
    steps[:, 3, 0] = steps[3, :, 0] = 0.0
    length = np.linalg.norm(steps, ord=norm, axis=2)
    nearest = np.where(y != y[:, None], length, np.inf).min(axis=1)
    assert np.allclose(found.distances, nearest)
    sizes = dict(zip(found.what, found.eps, strict=True))
    assert np.isclose(sizes["half way to another class: 25 %"], np.quantile(nearest, 0.25) / 2)
    assert np.isclose(found.suggested, max(0.1, np.quantile(nearest, 0.05) / 2))
    assert np.isclose(sizes["one whole step, cheapest column"], 0.25)
    noise = np.linalg.norm([0.3, 0.1], ord=norm)
    assert np.isclose(sizes["measurement noise"], noise)


def test_the_table_says_it_in_words(data):
    X, y = data
    found = suggest_eps(X, y, max_samples=40)
    assert len(found.distances) == 40 and (found.suggested > 0)
    assert found.to_frame().shape == (4, 3)
    assert f"suggested: eps={found.suggested:.3g}, {found.reason}" in str(found)
    assert found._repr_html_().count("<tr>") == 4
    assert (suggest_eps(X, y, max_samples=40).distances == found.distances).all()


@pytest.mark.parametrize(("norm", "least"), [(0, 1.0), (1, 0.1), (2, 0.1), (np.inf, 0.1)])
def test_twins_of_different_classes_do_not_bring_it_to_nothing(norm, least):
    X = np.repeat(np.arange(20.0), 2)[:, None]
    found = suggest_eps(X, np.tile([0, 1], 20), norm=norm)
    assert not found.distances.any()
    assert found.suggested == least and "rows of different classes" in found.reason


def test_far_classes_say_half_of_the_way(data):
    X = np.r_[np.zeros(20), np.full(20, 3.0)][:, None]
    found = suggest_eps(X, X[:, 0] > 1, FeatureSpace.from_data(X, scale=None))
    assert found.suggested == 1.5 and found.reason.startswith("half of the way")


def test_errors(data):
    X, y = data
    with pytest.raises(ValueError, match="single class 'low'"):
        suggest_eps(X, np.full(120, "low"))
    with pytest.raises(ValueError, match="noise names the unknown column 7"):
        suggest_eps(X, y, noise={7: 0.1})
    with pytest.raises(ValueError, match="noise of column 0 is -1; accepted"):
        suggest_eps(X, y, noise={0: -1})
    with pytest.raises(ValueError, match="column 0, which cannot move"):
        suggest_eps(X, y, FeatureSpace.from_data(X, mutable=[1]), noise={0: 1.0})
    with pytest.raises(ValueError, match="no column to move"):
        suggest_eps(X, y, FeatureSpace.from_data(X, mutable=[]))

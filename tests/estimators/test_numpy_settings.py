"""Numbers and arrays of numpy as settings, as searches over np.array and np.arange give them."""

from __future__ import annotations

import inspect
from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from specreg_sklearn import (
    RobustLinearProbe,
    SelfSupervisedEncoder,
    SpectrallyRegularizedEncoder,
    attacks,
)
from specreg_sklearn._registry import available, resolve
from specreg_sklearn.modules import ConvNet, SeededDraws, mlp, projector
from tests.grids import few_fast

SHORT = {"max_iter": 2, "random_state": 0}


def of_numpy(value):
    """Write a setting in the types of numpy, the smallest one that holds it first."""
    if isinstance(value, bool):
        return [np.bool_(value)]
    if isinstance(value, int):
        return [np.min_scalar_type(value).type(value), np.int64(value)]
    if isinstance(value, float):
        return [np.float32(value), np.float64(value)]
    if isinstance(value, tuple):
        return [np.array(value)]
    return [np.str_(value)] if isinstance(value, str) else []


def settings_of(make, *before, without=()):
    """List each default of a class in the types of numpy; small numbers have most to lose."""
    for name, parameter in inspect.signature(make).parameters.items():
        if parameter.default is not inspect.Parameter.empty and name not in without:
            yield from few_fast([(*before, {name: v}) for v in of_numpy(parameter.default)], 1)


ENCODERS = [
    case
    for make in (SpectrallyRegularizedEncoder, SelfSupervisedEncoder)
    for case in settings_of(make, make, without=["max_iter"])
]


@pytest.mark.parametrize(("make", "setting"), ENCODERS)
def test_encoders_take_numpy_for_every_setting(iris_rows, make, setting):
    (name, value), *_ = setting.items()
    plain = value.tolist() if isinstance(value, np.ndarray) else value.item()
    X, y = iris_rows
    first, second = (make(**{**SHORT, name: v}).fit(X, y) for v in (value, plain))
    np.testing.assert_array_equal(first.transform(X), second.transform(X))


@pytest.mark.parametrize(("setting",), [*settings_of(RobustLinearProbe)])
def test_the_probe_takes_numpy_for_every_setting(iris_rows, setting):
    X, y = iris_rows
    probe = RobustLinearProbe(**{"epsilon": 0.1, **setting}).fit(X, y)
    assert probe.predict(X).shape == y.shape


PARTS = [
    case
    for axis in ("penalties", "constraints", "objectives")
    for name in available(axis)
    for case in settings_of(resolve(axis, name), axis, name)
]


@pytest.mark.parametrize(("axis", "name", "setting"), PARTS)
def test_penalties_constraints_and_objectives_take_numpy(iris_rows, axis, name, setting):
    X, y = iris_rows
    part = resolve(axis, name)(**setting)
    parameter = {"penalties": "penalty"}.get(axis, axis[:-1])
    labels = getattr(part, "uses_labels", True)
    make = SpectrallyRegularizedEncoder if labels else SelfSupervisedEncoder
    assert make(hidden_layer_sizes=6, **SHORT, **{parameter: part}).fit(X, y).n_iter_ == 2


ATTACKS = [
    case for name in available("attacks") for case in settings_of(resolve("attacks", name), name)
]


@cache
def found_by(name, **settings):
    """Attack three rows of iris, once for each way to write the settings in Python's own types."""
    X, y = load_iris(return_X_y=True)
    X = scale(X)
    # Gradients are those of the networks and probes of this package.
    model = (RobustLinearProbe if name == "gradients" else LogisticRegression)().fit(X, y)
    attack = resolve("attacks", name)(**{"max_queries": 60, **settings})
    return attack, attack.run(model, X[::50], y[::50], eps=0.4, pool=X)


@pytest.mark.parametrize(("name", "setting"), ATTACKS)
def test_attacks_take_numpy(name, setting):
    ((parameter, value),) = setting.items()
    attack, found = found_by.__wrapped__(name, **setting)
    assert getattr(attack, parameter) is value
    default = inspect.signature(resolve("attacks", name)).parameters[parameter].default
    same = value.item() == default and parameter != "max_queries"
    _, expected = found_by(name, **({} if same else {parameter: value.item()}))
    np.testing.assert_array_equal(found.distances, expected.distances)
    np.testing.assert_array_equal(found.n_queries, expected.n_queries)


@pytest.mark.parametrize("widths", [np.int64(4), np.array(4), np.array([4]), np.array([4], "u1")])
def test_one_width(widths, generator):
    with SeededDraws(generator):
        _compare_one_width(widths)


def _compare_one_width(widths):
    assert str(mlp((3,), hidden_layer_sizes=widths)) == str(mlp((3,), hidden_layer_sizes=4))
    assert str(projector(widths)(3)) == str(projector(4)(3))
    assert str(ConvNet(channels=widths)((1, 6, 6))) == str(ConvNet(channels=4)((1, 6, 6)))


def test_wide_layers_of_small_integers(generator):
    with SeededDraws(generator):
        network = mlp((3,), hidden_layer_sizes=np.array([200, 100], dtype=np.uint8))
    assert network.hidden2.weight.shape == (100, 200)


@pytest.mark.parametrize("widths", [0, np.int64(0), np.array([4, 0]), [], np.array([]), 2.5])
def test_widths_that_are_none(widths):
    with pytest.raises(ValueError, match="must hold positive integers"):
        mlp((3,), hidden_layer_sizes=widths)


def test_input_shape_from_an_array():
    X = np.random.default_rng(0).random((20, 36))
    model = SpectrallyRegularizedEncoder(
        ConvNet(channels=2), input_shape=np.array([1, 6, 6]), **SHORT
    )
    assert model.fit(X, np.arange(20) % 2).module_.input_shape == (1, 6, 6)


def test_a_search_over_arrays(iris_rows):
    X, y = iris_rows
    grid = {
        "hidden_layer_sizes": np.array([4, 8]),
        "alpha": np.logspace(-3, -2, 2).astype(np.float32),
        "max_iter": np.arange(1, 3),
    }
    model = SpectrallyRegularizedEncoder(random_state=0)
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_params_["hidden_layer_sizes"] in (4, 8)
    grid = {"epsilon": np.float32([0.01, 0.1]), "norm": np.array([1, 2, np.inf])}
    search = GridSearchCV(RobustLinearProbe(), grid, cv=2, error_score="raise").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_numbers_of_an_attack_stay_what_they_were(iris_rows):
    X, y = iris_rows
    attack = attacks.CGBA(n_starts=np.int8(9), max_queries=np.int16(150))
    attack.run(LogisticRegression().fit(X, y), X[::80], y[::80], pool=X)
    assert isinstance(attack.n_starts, np.int8) and isinstance(attack.max_queries, np.int16)

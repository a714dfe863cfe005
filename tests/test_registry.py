"""Names of the plug-in axes: built-in, registered, installed."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import numpy as np
import pytest
import torch

from specreg_sklearn import SpectrallyRegularizedEncoder, _registry
from specreg_sklearn._registry import available, is_known, register, resolve
from specreg_sklearn.constraints import SpectralNorm
from specreg_sklearn.modules import ConvNet, mlp
from specreg_sklearn.objectives import CrossEntropy
from specreg_sklearn.penalties import L2, BoundPenalty, LLSpectral, Penalty, RepSpectral

AXES = ["modules", "penalties", "objectives", "constraints", "attacks"]


class HeadOnly(Penalty):
    """A third party's penalty: the sum of squares of the readout."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def bind(self, backbone, head, *, generator):
        return BoundHeadOnly(head, self.factor)


class BoundHeadOnly(BoundPenalty):
    layer_names = ("head",)

    def __init__(self, head, factor):
        self.head, self.factor = head, factor

    def value(self):
        return self.factor * self.head.weight.square().sum()


@pytest.fixture(autouse=True)
def names_added_by_a_test_are_forgotten(monkeypatch):
    monkeypatch.setattr(_registry, "_ADDED", {axis: {} for axis in AXES})


@pytest.fixture
def installed(monkeypatch):
    """Pretend that a package with one entry point is installed."""

    def install(axis, name, target):
        entry = EntryPoint(name, target, f"specreg_sklearn.{axis}")

        def entry_points(*, group):
            return [entry] if group == entry.group else []

        monkeypatch.setattr(_registry, "entry_points", entry_points)

    return install


@pytest.mark.parametrize(
    ("axis", "name", "expected"),
    [
        ("modules", "mlp", mlp),
        ("penalties", "rep_spectral", RepSpectral),
        ("penalties", "ll_spectral", LLSpectral),
        ("penalties", "l2", L2),
        ("objectives", "cross_entropy", CrossEntropy),
        ("constraints", "spectral_norm", SpectralNorm),
    ],
)
def test_built_in_names(axis, name, expected):
    assert resolve(axis, name) is expected
    assert name in available(axis)


@pytest.mark.parametrize("axis", AXES)
def test_every_name_that_is_listed_resolves(axis):
    names = available(axis)
    assert names == sorted(set(names))
    assert all(callable(resolve(axis, name)) for name in names)


def test_registered_names_resolve_and_are_listed():
    register("penalties", "head_only", HeadOnly)
    assert resolve("penalties", "head_only") is HeadOnly
    assert "head_only" in available("penalties")
    assert "head_only" not in available("modules")


def test_a_registered_name_can_be_replaced():
    register("penalties", "head_only", RepSpectral)
    register("penalties", "head_only", HeadOnly)
    assert resolve("penalties", "head_only") is HeadOnly


@pytest.mark.parametrize(("axis", "name"), [("penalties", "l2"), ("modules", "mlp")])
def test_a_built_in_name_cannot_be_replaced(axis, name):
    before = resolve(axis, name)
    with pytest.raises(ValueError, match=rf"'{name}' is a built-in name of {axis}"):
        register(axis, name, HeadOnly)
    assert resolve(axis, name) is before


def test_unknown_names_list_the_valid_ones_with_the_parameter():
    register("penalties", "head_only", HeadOnly)
    with pytest.raises(ValueError, match=r"^penalty='l3' is not known.*'head_only', 'jacobian'"):
        resolve("penalties", "l3")
    with pytest.raises(ValueError, match=r"^module='cnn' is not known.*'mlp'"):
        resolve("modules", "cnn")
    with pytest.raises(ValueError, match=r"^regulariser='l3' is not known"):
        resolve("penalties", "l3", parameter="regulariser")
    with pytest.raises(ValueError, match=r"^constraint='l3' is not known.*'spectral_norm'"):
        resolve("constraints", "l3")


@pytest.mark.parametrize(
    "call",
    [
        lambda: resolve("colours", "red"),
        lambda: available("colours"),
        lambda: register("colours", "red", dict),
    ],
)
def test_unknown_axis_lists_the_valid_ones(call):
    with pytest.raises(
        ValueError, match=r"axis='colours'.*'attacks', 'constraints', 'modules', 'objectives'"
    ):
        call()


def test_entry_points_of_installed_packages(installed):
    installed("penalties", "elsewhere", "specreg_sklearn.penalties:LLSpectral")
    assert resolve("penalties", "elsewhere") is LLSpectral
    assert "elsewhere" in available("penalties")
    assert "elsewhere" not in available("modules")
    with pytest.raises(ValueError, match=r"'elsewhere', 'jacobian'"):
        resolve("penalties", "unknown")


def test_installed_packages_are_asked_last(monkeypatch):
    """It takes milliseconds, and many more in an environment with hundreds of packages."""

    def refuse(*, group):
        raise AssertionError(group)

    monkeypatch.setattr(_registry, "entry_points", refuse)
    assert is_known("objectives", "cross_entropy")
    model = SpectrallyRegularizedEncoder(penalty="ll_spectral", max_iter=1)
    assert model.fit([[0.0], [1.0]] * 5, [0, 1] * 5).n_iter_ == 1


def test_installed_names_are_known(installed):
    installed("penalties", "elsewhere", "specreg_sklearn.penalties:LLSpectral")
    assert is_known("penalties", "elsewhere")
    assert not is_known("modules", "elsewhere")


def test_an_installed_name_does_not_hide_a_built_in_one(installed):
    installed("penalties", "l2", "specreg_sklearn.penalties:RepSpectral")
    assert resolve("penalties", "l2") is L2
    assert available("penalties").count("l2") == 1


def test_a_registered_name_goes_before_an_installed_one(installed):
    installed("penalties", "mine", "specreg_sklearn.penalties:RepSpectral")
    register("penalties", "mine", HeadOnly)
    assert resolve("penalties", "mine") is HeadOnly


def test_a_third_party_penalty_works_by_name_in_the_encoder(iris_rows):
    register("penalties", "head_only", HeadOnly)
    settings = {"hidden_layer_sizes": 8, "max_iter": 60, "random_state": 0, "alpha": 0.5}
    settings["learning_rate_init"] = 1e-2
    by_name = SpectrallyRegularizedEncoder(penalty="head_only", **settings).fit(*iris_rows)
    plain = SpectrallyRegularizedEncoder(penalty=None, **settings).fit(*iris_rows)
    assert by_name.spectral_norms_["head"] < 0.6 * plain.spectral_norms_["head"]
    squares = float(by_name.module_.head.weight.detach().square().sum())
    assert by_name.penalty_curve_[-1] == pytest.approx(squares)
    by_object = SpectrallyRegularizedEncoder(penalty=HeadOnly(), **settings).fit(*iris_rows)
    np.testing.assert_array_equal(
        by_name.predict_proba(iris_rows[0]), by_object.predict_proba(iris_rows[0])
    )


def test_a_third_party_module_and_objective_work_by_name(iris_rows):
    def two_layers(input_shape):
        return torch.nn.Sequential(
            torch.nn.Linear(*input_shape, 6), torch.nn.Tanh(), torch.nn.Linear(6, 5)
        )

    class Brier(CrossEntropy):
        def per_sample_loss(self, network, X, y):
            wrong = network(X).softmax(dim=1) - torch.nn.functional.one_hot(y, 3)
            return wrong.square().sum(dim=1)

    register("modules", "two_layers", two_layers)
    register("objectives", "brier", Brier)
    X, y = iris_rows
    model = SpectrallyRegularizedEncoder(
        "two_layers", objective="brier", max_iter=50, learning_rate_init=0.02, random_state=0
    ).fit(X, y)
    assert model.transform(X).shape == (150, 5)
    assert list(model.spectral_norms_) == ["backbone.0", "backbone.2", "head"]
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", [None, 3, ("a",), b"mine", L2])
def test_a_name_is_a_string(axis, name):
    with pytest.raises(TypeError, match=r"name=.* must be a string"):
        register(axis, name, L2)
    assert name not in available(axis)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", ["", " ", " mine", "mine\n"])
def test_a_name_is_not_empty(axis, name):
    with pytest.raises(ValueError, match="must not be empty, nor begin or end with a blank"):
        register(axis, name, L2)
    assert name not in available(axis)


def test_names_of_art_are_taken():
    with pytest.raises(ValueError, match="'art/' stands for attacks of ART"):
        register("attacks", "art/Mine", L2)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("factory", [None, 3, "mlp", L2(), {"a": 1}, torch.nn.Identity()])
def test_what_cannot_make_anything_is_refused_at_once(axis, factory):
    with pytest.raises(TypeError, match=r"of 'mine' must be a class or a function that makes one"):
        register(axis, "mine", factory)
    assert "mine" not in available(axis)


@pytest.mark.parametrize("axis", AXES)
def test_a_factory_is_called_without_settings(axis):
    how = "the shape of a row, or with nothing" if axis == "modules" else "no arguments"
    with pytest.raises(TypeError, match=f"of 'mine' must be callable with {how}"):
        register(axis, "mine", lambda first, second: None)
    assert "mine" not in available(axis)


def test_every_kind_of_factory_is_taken():
    class Sized(torch.nn.Linear):
        def __init__(self, input_shape):
            super().__init__(input_shape[0], 3)

    factories = [Sized, mlp, ConvNet, ConvNet(channels=2), lambda input_shape: Sized(input_shape)]
    for number, factory in enumerate(factories):
        register("modules", f"module{number}", factory)
    register("penalties", "with_settings", lambda: L2())
    register("penalties", "compiled", dict)
    assert resolve("penalties", "with_settings")() is not None

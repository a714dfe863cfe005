"""A proof covers backbone and head; whatever else stands in the way is refused by name."""

from __future__ import annotations

import types

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from specreg_sklearn import SelfSupervisedEncoder, SpectrallyRegularizedEncoder
from specreg_sklearn.certificates import (
    Affine,
    CertifiedMap,
    NoCertificateError,
    torch_stages,
)
from specreg_sklearn.inspection import logit_margins
from specreg_sklearn.metrics import certified_radius, lipschitz_bound
from specreg_sklearn.modules import Network, SeededDraws

X, y = load_iris(return_X_y=True)
ROWS = X[::30]


def encoder(kind=SpectrallyRegularizedEncoder):
    return kind(hidden_layer_sizes=(6,), max_iter=2, random_state=0)


pytestmark = pytest.mark.filterwarnings("ignore")


def rounded(module, inputs):
    return (inputs[0].round(),)


def tripled(module, inputs, output):
    return 3 * output


PARTS = {
    "module_": lambda net: net,
    "backbone": lambda net: net.backbone,
    "layer": lambda net: net.backbone[0],
    "head": lambda net: net.head,
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", ["pre-hook", "forward hook"])
def test_hooks_anywhere(part, kind):
    model = encoder().fit(X, y)
    net = PARTS[part](model.module_)
    if kind == "pre-hook":
        net.register_forward_pre_hook(rounded)
    else:
        net.register_forward_hook(tripled)
    for ask in (lambda: certified_radius(model, ROWS, scale=None), lambda: lipschitz_bound(model)):
        with pytest.raises(TypeError, match=f"{kind} .*remove it, or write it as a layer"):
            ask()


def test_hooks_inside_a_pipeline_name_the_step():
    model = make_pipeline(StandardScaler(), encoder()).fit(X, y)
    model[-1].module_.register_forward_pre_hook(rounded)
    with pytest.raises(TypeError, match=r"spectrallyregularizedencoder.*pre-hook .rounded"):
        certified_radius(model, ROWS, scale=None)


class OwnFeatures(Network):
    def features(self, X):
        return super().features(X.round())


class OwnForward(Network):
    def forward(self, X):
        return 3 * super().forward(X)


class OwnCall(Network):
    def __call__(self, X):
        return super().__call__(X.round())


@pytest.mark.parametrize(
    ("kind", "method"),
    [(OwnFeatures, "features"), (OwnForward, "forward"), (OwnCall, "__call__")],
)
def test_a_network_with_its_own_methods(kind, method):
    model = encoder().fit(X, y)
    model.module_.__class__ = kind
    for ask in (
        lambda: certified_radius(model, ROWS, scale=None),
        lambda: lipschitz_bound(model),
        lambda: logit_margins(model, ROWS, y[::30]),
    ):
        with pytest.raises(TypeError, match=f"its module_ overrides {method}.*into the backbone"):
            ask()


@pytest.mark.parametrize("method", ["features", "forward"])
def test_a_network_with_methods_set_on_it(method):
    model = encoder().fit(X, y)
    old = getattr(model.module_, method)
    setattr(
        model.module_, method, types.MethodType(lambda self, rows: old(rows.round()), model.module_)
    )
    with pytest.raises(NoCertificateError, match=f"its module_ overrides {method}"):
        certified_radius(model, ROWS, scale=None)


def test_another_network():
    model = encoder().fit(X, y)
    model.net_.module_ = nn.Sequential(model.module_, nn.Tanh())
    with pytest.raises(NoCertificateError, match="its module_ is a Sequential, not the network"):
        lipschitz_bound(model)


def test_another_backbone_is_read():
    model = encoder().fit(X, y)
    before = lipschitz_bound(model)
    old = model.module_.backbone
    layer = nn.utils.skip_init(nn.Linear, 6, 6, bias=False)
    nn.init.eye_(layer.weight).data.mul_(5)
    model.module_.backbone = nn.Sequential(old, layer)
    assert lipschitz_bound(model) > 4 * before


METHODS = ("predict", "decision_function", "_logits", "_validated", "_apply")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("where", ["subclass", "object"])
def test_methods_of_the_encoder(method, where):
    def replaced(self, rows, *others):
        if method != "_apply":
            rows = np.round(rows)
        return getattr(SpectrallyRegularizedEncoder, method)(self, rows, *others)

    if where == "subclass":
        model = encoder(type("Own", (SpectrallyRegularizedEncoder,), {method: replaced}))
        model.fit(X, y)
    else:
        model = encoder().fit(X, y)
        setattr(model, method, types.MethodType(replaced, model))
    with pytest.raises(NoCertificateError, match=f"overrides {method} of Spectrally"):
        certified_radius(model, ROWS, scale=None)


@pytest.mark.parametrize("method", ["transform", "_validated", "_apply"])
def test_methods_of_the_other_encoder(method):
    def replaced(self, rows, *others):
        return getattr(SelfSupervisedEncoder, method)(self, rows, *others)

    model = encoder(type("Own", (SelfSupervisedEncoder,), {method: replaced})).fit(X)
    with pytest.raises(NoCertificateError, match=f"overrides {method} of SelfSupervised"):
        lipschitz_bound(model)


def test_a_subclass_that_brings_its_own_stages_may_override():
    class Scaled(SpectrallyRegularizedEncoder):
        def transform(self, rows):
            return 2 * super().transform(rows)

        def __certified_stages__(self, role):
            stages = super().__certified_stages__(role)
            return [*stages, Affine(np.full(6, 2.0))] if role == "transformer" else stages

    model = encoder(Scaled).fit(X, y)
    assert (certified_radius(model, ROWS, scale=None) >= 0).all()


def test_a_subclass_that_adds_and_changes_nothing_is_certified():
    class Named(SpectrallyRegularizedEncoder):
        def summary(self):
            return "mine"

    one, other = encoder(Named).fit(X, y), encoder().fit(X, y)
    np.testing.assert_array_equal(
        certified_radius(one, ROWS, scale=None), certified_radius(other, ROWS, scale=None)
    )


def test_rows_of_the_user_are_compared_with_the_network(generator):
    model = encoder().fit(X, y)
    stages = torch_stages(model.module_.backbone, (4,))
    function = CertifiedMap(stages)
    function.compare(X)
    with SeededDraws(generator):
        stages[0].comparison._runs = nn.Linear(4, 6).double()
    with pytest.raises(TypeError, match="computes something else"):
        function.compare(X)

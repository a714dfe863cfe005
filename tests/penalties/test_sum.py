"""Sums of penalties against their parts, and the closed form of the Jacobian they are made for."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch import nn
from torch.func import jacrev

from specreg_sklearn import SpectrallyRegularizedEncoder, register
from specreg_sklearn.modules import Network, SeededDraws, build_network, readout
from specreg_sklearn.penalties import (
    L2,
    CrossLipschitz,
    Jacobian,
    LLSpectral,
    RepSpectral,
    Sum,
    resolve_penalty,
)


def encoder(penalty, **changes):
    settings = {"hidden_layer_sizes": (12, 8), "max_iter": 6, "random_state": 0, "alpha": 0.03}
    settings |= {"batch_size": 32, "learning_rate_init": 1e-2}
    return SpectrallyRegularizedEncoder(penalty=penalty, **{**settings, **changes})


def weights_of(model):
    return torch.cat([p.detach().flatten() for p in model.module_.parameters()]).numpy()


def relu_network(hidden=(6, 5), dtype=torch.float64, activation="relu"):
    return build_network(
        "mlp",
        input_shape=(4,),
        head=readout(3),
        settings={"hidden_layer_sizes": hidden, "activation": activation},
        dtype=dtype,
        generator=torch.Generator().manual_seed(3),
    )


def bound(penalty, network, weight=None):
    made = penalty.bind(network.backbone, network.head, generator=torch.Generator().manual_seed(2))
    X = torch.randn(7, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    made.see_batch(network, X.to(network.dtype), torch.zeros(7, dtype=torch.int64), weight)
    return made


@pytest.mark.parametrize("part", [RepSpectral(), LLSpectral(), L2(), Jacobian(), CrossLipschitz()])
def test_a_sum_of_one_is_that_one_bit_for_bit_and_weight_zero_is_absence(iris_rows, part):
    alone = weights_of(encoder(part).fit(*iris_rows))
    for same in (
        Sum(part),
        Sum(part, weights=(1,)),
        Sum(Jacobian(), part, weights=(0, 1)),
        Sum(part, "orthogonal", weights=np.array([1.0, 0.0])),
    ):
        np.testing.assert_array_equal(weights_of(encoder(same).fit(*iris_rows)), alone)
    halves = encoder(Sum(part, part, weights=(0.5, 0.5))).fit(*iris_rows)
    if not isinstance(part, Jacobian):  # two of them draw two directions
        np.testing.assert_allclose(weights_of(halves), alone, rtol=1e-6, atol=1e-9)
    assert [*halves.penalty_curves_] == [
        f"{name}-{k}" for name in [_registered(part)] for k in (1, 2)
    ]


def _registered(part):
    kinds = {RepSpectral: "rep_spectral", LLSpectral: "ll_spectral", L2: "l2"}
    kinds |= {Jacobian: "jacobian", CrossLipschitz: "cross_lipschitz"}
    return kinds[type(part)]


def test_values_and_gradients_add_with_their_weights():
    network = relu_network()
    factors = {L2(): 0.5, Jacobian(n_projections=None): 3.0}
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    whole = bound(Sum(*factors, weights=(*factors.values(),)), network)
    parts = [bound(part, network) for part in factors]
    expected = sum(f * p.value() for f, p in zip(factors.values(), parts, strict=True))
    assert float(whole.value().detach()) == pytest.approx(float(expected.detach()), rel=1e-13)
    gradients = torch.autograd.grad(expected, [*network.parameters()], allow_unused=True)
    whole.add_gradient(0.7)
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        wanted = torch.zeros_like(parameter) if gradient is None else 0.7 * gradient
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-12, atol=1e-14)
    report = whole.report()
    values = {name: part.value for name, part in report.parts.items()}
    assert report.value == pytest.approx(0.5 * values["l2"] + 3 * values["jacobian"], rel=1e-13)
    assert values["l2"] == pytest.approx(float(parts[0].value().detach()))
    assert whole.layer_names == parts[0].layer_names


def test_curves_tell_every_part_and_add_up(iris_rows):
    model = encoder(Sum("ll_spectral", Jacobian(), weights=(1, 0.3)), burn_in=0.5).fit(*iris_rows)
    curves = model.penalty_curves_
    assert [*curves] == ["ll_spectral", "jacobian"]
    added = np.array(curves["ll_spectral"]) + 0.3 * np.array(curves["jacobian"])
    np.testing.assert_allclose(model.penalty_curve_, added, rtol=1e-12)
    norms = sum(norm**2 for norm in model.spectral_norms_.values())
    assert curves["ll_spectral"][-1] == pytest.approx(norms, rel=1e-5)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(iris_rows[0]), model.predict(iris_rows[0]))
    assert encoder("l2").fit(*iris_rows).penalty_curves_ == {}


def test_names_joined_by_a_plus(iris_rows):
    joined = encoder("ll_spectral+jacobian").fit(*iris_rows)
    spelled = encoder(Sum(LLSpectral(), Jacobian())).fit(*iris_rows)
    np.testing.assert_array_equal(weights_of(joined), weights_of(spelled))
    with pytest.raises(ValueError, match=r"'jakobian' is not known\. Valid names: .*'jacobian'"):
        encoder("ll_spectral + jakobian").fit(*iris_rows)
    register("penalties", "mine+yours", RepSpectral)  # a name of its own comes first
    assert isinstance(resolve_penalty("mine+yours"), RepSpectral)
    with pytest.raises(ValueError, match="a self-supervised encoder"):
        resolve_penalty("rep_spectral+jacobian", has_readout=False)
    assert resolve_penalty(Sum("rep_spectral"), has_readout=False) is not None


def test_parts_are_cloned_set_and_searched(iris_rows):
    penalty = Sum("ll_spectral", Jacobian(), weights=(1, 1))
    copy = clone(penalty).set_params(jacobian__n_projections=2, ll_spectral__n_vectors=4)
    assert repr(copy) == "Sum(LLSpectral(n_vectors=4), Jacobian(n_projections=2), weights=(1, 1))"
    assert repr(penalty) == "Sum('ll_spectral', Jacobian(), weights=(1, 1))"
    assert clone(penalty).set_params(**penalty.get_params()).get_params(deep=False).keys() == {
        "penalties",
        "weights",
    }
    assert copy.set_params(jacobian=L2()).parts.keys() == {"ll_spectral", "l2"}
    with pytest.raises(ValueError, match=r"Invalid parameter 'l3' for Sum.*'ll_spectral', 'l2'"):
        copy.set_params(l3=1)
    grid = {
        "alpha": [1e-3],
        "penalty__weights": [(1, 0), (0, 1)],
        "penalty__jacobian__n_projections": [1, None],
    }
    search = GridSearchCV(encoder(penalty, max_iter=2), grid, cv=2, error_score="raise")
    results = search.fit(*iris_rows).cv_results_
    scores = dict(zip(map(repr, results["params"]), results["mean_test_score"], strict=True))
    assert len(scores) == 4
    best = search.best_estimator_.penalty
    assert best.weights == search.best_params_["penalty__weights"]


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (Sum(), r"Sum\(\) has no parts: give it penalties"),
        (Sum("l2", "jacobian", weights=(1,)), r"weights=\(1,\) holds 1 numbers for 2 penalties"),
        (Sum("l2", weights=(-1,)), r"weights\[0\]=-1 must be a finite number, 0 or more"),
        (Sum("l2", weights=(float("nan"),)), r"weights\[0\]=nan must be"),
    ],
)
def test_bad_sums_name_themselves(iris_rows, penalty, message):
    with pytest.raises(ValueError, match=message):
        encoder(penalty).fit(*iris_rows)


def test_parts_that_are_no_penalties(iris_rows):
    with pytest.raises(TypeError, match=r"Sum adds penalties: 3 must be one of"):
        encoder(Sum("l2", 3)).fit(*iris_rows)


def test_all_weights_zero_is_no_penalty(iris_rows):
    nothing = encoder(Sum("l2", "jacobian", weights=(0, 0))).fit(*iris_rows)
    np.testing.assert_array_equal(weights_of(nothing), weights_of(encoder(None).fit(*iris_rows)))


@pytest.mark.parametrize("outputs", ["logits", "features"])
@pytest.mark.parametrize("n_projections", [1, 2, None])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_closed_form_of_the_jacobian_equals_differentiation(outputs, n_projections, dtype):
    """A wrapped backbone computes the same, and is not read as a chain."""
    tolerance = {torch.float32: 3e-6, torch.float64: 1e-13}[dtype]
    weight = torch.arange(1.0, 8.0, dtype=dtype)
    found = []
    for wrap in (False, True):
        network = relu_network(dtype=dtype)
        if wrap:
            network.backbone.append(nn.Threshold(-1.0, 0.0))  # does nothing after a rectifier
        made = bound(Jacobian(n_projections=n_projections, outputs=outputs), network, weight)
        assert (made._chain is None) == wrap
        made.add_gradient(0.6)
        gradients = [p.grad for p in network.parameters() if p.ndim > 1 and p.grad is not None]
        found.append((float(made.value().detach()), made.report().value, gradients))
    assert found[0][:2] == pytest.approx(found[1][:2], rel=tolerance)
    assert len(found[0][2]) == (3 if outputs == "logits" else 2)
    for ours, theirs in zip(found[0][2], found[1][2], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def test_the_closed_form_equals_the_jacobian_of_torch():
    network = relu_network(hidden=(9, 7, 5))
    made = bound(Jacobian(n_projections=None), network)
    _, X, _ = made._seen()
    rows = [jacrev(lambda x: network(x[None])[0])(row).square().sum() for row in X]
    assert float(made.value().detach()) == pytest.approx(
        float(torch.stack(rows).mean().detach()), rel=1e-13
    )


def test_a_linear_network_has_the_jacobian_of_its_matrix():
    network = relu_network(activation="identity")
    matrix = network.head.weight @ network.backbone.hidden2.weight @ network.backbone.hidden1.weight
    value = float(bound(Jacobian(n_projections=None), network).value().detach())
    assert value == pytest.approx(float(matrix.square().sum()), rel=1e-13)


def test_chains_that_compute_something_else_are_differentiated():
    with SeededDraws(torch.Generator().manual_seed(5)):
        networks = _look_alikes()
    for network, is_chain in networks:
        made = bound(Jacobian(n_projections=None), network)
        assert (made._chain is not None) == is_chain
        network.eval()
        _, X, _ = made._seen()
        value = torch.stack(
            [jacrev(lambda x, f=network: f(x[None])[0])(row).square().sum() for row in X]
        ).mean()
        learning = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
        expected = torch.autograd.grad(value, learning, allow_unused=True)
        made.add_gradient(1.0)
        for parameter, gradient in zip(learning, expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient)
        first = network.backbone[0].weight
        assert first.requires_grad or first.grad is None


def _look_alikes():
    """Return networks of linear layers, and whether they are plain chains with rectifiers."""
    tied = nn.Linear(4, 4)
    hooked = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    hooked[0].register_forward_hook(lambda module, args, output: 2 * output)
    frozen = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Dropout())
    frozen[0].requires_grad_(False)
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
    backbones = {
        hooked: False,
        nn.Sequential(normed, nn.ReLU()): False,
        nn.Sequential(nn.Linear(4, 4), nn.Tanh()): False,
        nn.Sequential(tied, nn.ReLU(), tied, nn.ReLU()): True,
        frozen: True,
    }
    return [
        (Network(backbone, nn.Linear(4, 3), (4,)).double(), is_chain)
        for backbone, is_chain in backbones.items()
    ]

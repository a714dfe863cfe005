"""The spectral penalties against exact singular values and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from specreg_sklearn.modules import build_network, readout
from specreg_sklearn.penalties import LLSpectral, RepSpectral

BOTH = [RepSpectral, LLSpectral]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def network_of(hidden=(12, 9), n_features=7, n_classes=4, seed=0):
    return build_network(
        "mlp",
        input_shape=(n_features,),
        head=readout(n_classes),
        settings={"hidden_layer_sizes": hidden, "activation": "relu"},
        dtype=torch.float64,
        generator=seeded(seed),
    )


def bind(penalty, network):
    return penalty.bind(network.backbone, network.head, generator=seeded(1))


def linear_layers(network):
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


def squared_norm(weight):
    return float(np.linalg.svd(weight.detach().numpy(), compute_uv=False)[0] ** 2)


def zero_gradients(network):
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)


def separate_spectra(network):
    """Give every layer singular values 2, 1.4, 0.98, ...: simple tops, which converge fast."""
    with torch.no_grad():
        for layer in linear_layers(network):
            left, values, right = torch.linalg.svd(layer.weight, full_matrices=False)
            ladder = 2 * 0.7 ** torch.arange(len(values), dtype=torch.float64)
            layer.weight.copy_(left @ torch.diag(ladder) @ right)
    return network


def settle(bound, n_steps=60):
    for _ in range(n_steps):
        value = float(bound.value().detach())
    return value


@pytest.mark.parametrize("hidden", [(5,), (12, 9), (6, 6, 6)])
def test_exact_values_are_sums_of_squared_norms(hidden):
    network = network_of(hidden)
    *inner, head = [squared_norm(layer.weight) for layer in linear_layers(network)]
    rep = bind(RepSpectral(), network).report().value
    ll = bind(LLSpectral(), network).report().value
    assert rep == pytest.approx(sum(inner), rel=1e-12)
    assert ll - rep == pytest.approx(head, rel=1e-10)


def test_training_values_differ_by_the_squared_norm_of_the_readout():
    network = separate_spectra(network_of())
    difference = settle(bind(LLSpectral(), network)) - settle(bind(RepSpectral(), network))
    assert difference == pytest.approx(squared_norm(network.head.weight), rel=1e-9)


@pytest.mark.parametrize(
    ("penalty", "names"),
    [
        (RepSpectral(), ("backbone.hidden1", "backbone.hidden2")),
        (LLSpectral(), ("backbone.hidden1", "backbone.hidden2", "head")),
    ],
)
def test_layer_names_say_what_is_covered(penalty, names):
    assert bind(penalty, network_of()).layer_names == names


@pytest.mark.parametrize("hidden", [(5,), (12, 9), (6, 6, 6)])
@pytest.mark.parametrize("closed_form", [True, False])
def test_every_layer_feels_the_penalty_on_all_layers(hidden, closed_form):
    network = network_of(hidden)
    zero_gradients(network)
    bound = bind(LLSpectral(), network)
    if closed_form:
        bound.add_gradient(1.0)
    else:
        bound.value().backward()
    for layer in linear_layers(network):
        assert float(layer.weight.grad.norm()) > 0.1
        assert float(layer.bias.grad.norm()) == 0


@pytest.mark.parametrize("hidden", [(5,), (12, 9)])
@pytest.mark.parametrize("closed_form", [True, False])
def test_the_readout_is_free_under_rep_spectral(hidden, closed_form):
    network = network_of(hidden)
    zero_gradients(network)
    bound = bind(RepSpectral(), network)
    if closed_form:
        bound.add_gradient(1.0)
    else:
        bound.value().backward()
    *inner, head = linear_layers(network)
    assert all(float(layer.weight.grad.norm()) > 0.1 for layer in inner)
    assert not head.weight.grad.any()


@pytest.mark.parametrize("penalty", [RepSpectral(), LLSpectral()])
def test_gradient_equals_central_differences_of_the_exact_penalty(penalty):
    network = separate_spectra(network_of((5,), n_features=4, n_classes=3))
    bound = bind(penalty, network)
    settle(bound)
    zero_gradients(network)
    bound.value().backward()
    covered = linear_layers(network)[: len(bound.layer_names)]
    step = 1e-6
    for layer in covered:
        flat = layer.weight.data.view(-1)
        numeric = torch.empty_like(flat)
        for entry in range(len(flat)):
            kept = float(flat[entry])
            flat[entry] = kept + step
            above = squared_norm(layer.weight)
            flat[entry] = kept - step
            below = squared_norm(layer.weight)
            flat[entry] = kept
            numeric[entry] = (above - below) / (2 * step)
        torch.testing.assert_close(layer.weight.grad.view(-1), numeric, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("penalty", [RepSpectral(), LLSpectral(), RepSpectral(n_vectors=2)])
@pytest.mark.parametrize("tied", [False, True])
def test_closed_form_gradient_equals_automatic_differentiation(penalty, tied):
    network = network_of()
    if tied:
        for layer in linear_layers(network):
            nn.init.eye_(layer.weight)
    gradients = []
    for closed_form in (True, False):
        zero_gradients(network)
        bound = bind(penalty, network)  # the same seed: the same warm block
        if closed_form:
            bound.add_gradient(0.7)
        else:
            (0.7 * bound.value()).backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-12)


def test_the_gradient_is_added_to_what_is_there():
    network = network_of()
    zero_gradients(network)
    bind(RepSpectral(), network).add_gradient(1.0)
    alone = network.backbone.hidden1.weight.grad.clone()
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    bind(RepSpectral(), network).add_gradient(1.0)
    torch.testing.assert_close(network.backbone.hidden1.weight.grad, alone + 1)


@pytest.mark.parametrize("penalty", [RepSpectral(), LLSpectral()])
def test_scaling_all_weights_scales_the_penalty_by_the_square(penalty):
    network = separate_spectra(network_of())
    reported = bind(penalty, network).report().value
    trained = settle(bind(penalty, network))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)
    assert bind(penalty, network).report().value == pytest.approx(9 * reported, rel=1e-12)
    assert settle(bind(penalty, network)) == pytest.approx(9 * trained, rel=1e-9)


def test_biases_do_not_count():
    network = network_of()
    before = bind(LLSpectral(), network).report().value
    with torch.no_grad():
        for layer in linear_layers(network):
            layer.bias.fill_(100)
    assert bind(LLSpectral(), network).report().value == before


@pytest.mark.parametrize("penalty", [RepSpectral(), LLSpectral()])
def test_the_warm_estimate_keeps_up_with_training(penalty):
    network = network_of((64, 32), n_features=40)
    bound = bind(penalty, network)
    noise = seeded(5)
    for _ in range(200):
        zero_gradients(network)
        bound.add_gradient(0.1)
        with torch.no_grad():
            for parameter in network.parameters():
                bump = torch.randn(parameter.shape, generator=noise, dtype=torch.float64)
                parameter.sub_(0.02 * parameter.grad + 1e-3 * bump)
    exact = sum(squared_norm(x.weight) for x in linear_layers(network)[: len(bound.layer_names)])
    assert exact >= float(bound.value().detach()) * (1 - 1e-6)
    assert exact == pytest.approx(float(bound.value().detach()), rel=0.05)
    report = bound.report()
    assert report.value == pytest.approx(exact, rel=1e-9)
    assert 0 <= report.error < 0.02


def test_the_report_admits_an_estimate_that_lags():
    network = network_of((40,), n_features=40)
    bound = bind(RepSpectral(n_vectors=1), network)
    with torch.no_grad():  # another matrix, of which the warm vector knows nothing
        weight = network.backbone.hidden1.weight
        weight.copy_(torch.randn(weight.shape, generator=seeded(9), dtype=torch.float64))
    assert bound.report().error > 0.2


def test_a_vanished_layer_gives_a_zero_penalty_and_finite_gradients():
    network = network_of()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    zero_gradients(network)
    bound = bind(LLSpectral(), network)
    assert float(bound.value().detach()) == 0
    bound.value().backward()
    bound.add_gradient(1.0)
    assert all(not parameter.grad.any() for parameter in network.parameters())
    assert bound.report() == (0.0, 0.0)


def test_binding_draws_from_the_generator_alone():
    network = network_of()
    same = [float(bind(RepSpectral(n_vectors=1), network).value().detach()) for _ in range(2)]
    other = RepSpectral(n_vectors=1).bind(network.backbone, network.head, generator=seeded(2))
    assert same[0] == same[1] != float(other.value().detach())


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (lambda: nn.LayerNorm(4), "LayerNorm"),
        (lambda: nn.Embedding(4, 2), "Embedding"),
        (lambda: nn.GRU(4, 2), "GRU"),
    ],
)
@pytest.mark.parametrize("penalty", BOTH)
def test_layers_without_a_known_norm_are_refused_by_name(layer, name, penalty):
    with torch.device("meta"):
        backbone = nn.Sequential(layer(), nn.Flatten())
        head = nn.Linear(8, 2)
    with pytest.raises(ValueError, match=rf"{penalty.__name__}.*'backbone\.0' \({name}\).*Linear"):
        penalty().bind(backbone, head, generator=seeded())


@pytest.mark.parametrize("penalty", BOTH)
@pytest.mark.parametrize("name", ["n_vectors", "n_power_iterations"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "many", None])
def test_bad_settings_name_themselves_when_bound(penalty, name, value):
    with pytest.raises(ValueError, match=rf"{name}={value!r} must be a positive integer"):
        bind(penalty(**{name: value}), network_of())


@pytest.mark.parametrize("penalty", BOTH)
def test_settings_are_scikit_learn_parameters(penalty):
    settings = {"n_vectors": "auto", "n_power_iterations": 1, "method": "auto"}
    assert penalty().get_params() == settings
    changed = penalty().set_params(n_vectors=3)
    assert changed.n_vectors == 3
    copy = clone(changed)
    assert copy is not changed
    assert copy.get_params() == {**settings, "n_vectors": 3}


def test_a_bind_leaves_the_settings_alone():
    penalty = RepSpectral(n_vectors=4)
    before = dict(vars(penalty))
    bind(penalty, network_of()).value()
    assert vars(penalty) == before

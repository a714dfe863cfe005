"""The product penalty against numpy's singular values and finite differences."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from specreg_sklearn.modules import build_network, readout
from specreg_sklearn.penalties import ProductSpectral
from specreg_sklearn.penalties._product_spectral import _squared_gaps


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def network_of(hidden=(12, 9), n_features=7, n_classes=4):
    network = build_network(
        "mlp",
        input_shape=(n_features,),
        head=readout(n_classes),
        settings={"hidden_layer_sizes": hidden, "activation": "relu"},
        dtype=torch.float64,
        generator=seeded(),
    )
    with torch.no_grad():  # simple tops, which a power iteration finds to machine precision
        for layer in network.backbone:
            if isinstance(layer, nn.Linear):
                left, values, right = torch.linalg.svd(layer.weight, full_matrices=False)
                ladder = 2 * 0.5 ** torch.arange(len(values), dtype=torch.float64)
                layer.weight.copy_(left @ torch.diag(ladder) @ right)
    return network


def bind(network, **settings):
    penalty = ProductSpectral(**settings)
    return penalty.bind(network.backbone, network.head, generator=seeded(1))


def settled(bound, n_steps=50):
    for _ in range(n_steps):
        value = float(bound.value().detach())
    return value


def pair_constant(network):
    """The product of the hidden norms and the largest distance of two readout rows, by numpy."""
    product = 1.0
    for layer in network.backbone:
        if isinstance(layer, nn.Linear):
            product *= np.linalg.svd(layer.weight.detach().numpy(), compute_uv=False)[0]
    rows = network.head.weight.detach().numpy()
    return product * max(np.linalg.norm(a - b) for a, b in combinations(rows, 2))


def truth(network):
    return math.log1p(pair_constant(network) ** 2)


@pytest.mark.parametrize("hidden", [(5,), (12, 9), (6, 6, 6)])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_the_value_is_the_log_of_one_plus_the_squared_pair_constant(hidden, n_classes):
    network = network_of(hidden, n_classes=n_classes)
    assert bind(network).report().value == pytest.approx(truth(network), rel=1e-12)
    assert settled(bind(network)) == pytest.approx(truth(network), rel=1e-10)


def test_no_difference_of_logits_grows_faster_than_the_value_says():
    network = network_of((16, 8), n_features=5)
    constant = math.sqrt(math.expm1(bind(network).report().value))
    X = torch.randn(2000, 5, generator=seeded(3), dtype=torch.float64)
    Z = X + 1e-3 * torch.randn(2000, 5, generator=seeded(4), dtype=torch.float64)
    with torch.no_grad():
        moved = network(X) - network(Z)
    change = (moved[:, :, None] - moved[:, None, :]).abs().amax((1, 2))
    assert float((change / (X - Z).norm(dim=1)).max()) <= constant


@pytest.mark.parametrize("factor", [1e-3, 0.5, 7.0, 1e6])
def test_scale_cannot_hide_in_the_readout(factor):
    network = network_of()
    reported, trained = bind(network).report().value, settled(bind(network))
    with torch.no_grad():
        network.backbone.hidden1.weight.mul_(factor)
        network.head.weight.div_(factor)
    assert bind(network).report().value == pytest.approx(reported, rel=1e-10)
    assert settled(bind(network)) == pytest.approx(trained, rel=1e-9)


def test_what_all_logits_share_does_not_count():
    network = network_of()
    before = bind(network).report().value
    with torch.no_grad():
        network.head.weight.add_(torch.arange(9.0))
        network.head.bias.add_(5.0)
    assert bind(network).report().value == pytest.approx(before, rel=1e-12)


@pytest.mark.parametrize("closed_form", [True, False])
@pytest.mark.parametrize("scale", [1.0, 0.05])
def test_gradients_equal_finite_differences_of_the_truth(closed_form, scale):
    network = network_of((5,), n_features=4, n_classes=3)
    with torch.no_grad():
        network.head.weight.mul_(scale)
    bound = bind(network)
    settled(bound)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    if closed_form:
        bound.add_gradient(0.7)
    else:
        (0.7 * bound.value()).backward()
    step = 1e-6
    for weight in (network.backbone.hidden1.weight, network.head.weight):
        flat = weight.data.view(-1)
        for entry in range(len(flat)):
            kept = float(flat[entry])
            flat[entry] = kept + step
            above = truth(network)
            flat[entry] = kept - step
            below = truth(network)
            flat[entry] = kept
            slope = 0.7 * (above - below) / (2 * step)
            assert float(weight.grad.view(-1)[entry]) == pytest.approx(slope, rel=1e-5, abs=1e-7)
    assert not network.head.bias.grad.any()


@pytest.mark.parametrize("frozen", ["backbone.0.weight", "backbone.3.weight", "head.weight"])
def test_closed_form_through_a_batch_norm_is_that_of_automatic_differentiation(frozen):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 5)
        parts = {"backbone": nn.Sequential(*layers), "head": nn.Linear(5, 3)}
    network = nn.ModuleDict(parts).double()
    gradients = []
    for closed_form in (True, False):
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name != frozen)
            parameter.grad = None if name == frozen else torch.zeros_like(parameter)
        bound = ProductSpectral().bind(
            network.backbone, network.head, generator=seeded(1), input_shape=(1, 6, 6)
        )
        if closed_form:
            bound.add_gradient(0.7)
        else:
            (0.7 * bound.value()).backward()
        gradients.append([p.grad for p in network.parameters() if p.grad is not None])
    assert len(gradients[0]) == 7
    for closed, automatic in zip(*gradients, strict=True):
        torch.testing.assert_close(closed, automatic, rtol=1e-6, atol=1e-12)
    assert sum(bool(gradient.any()) for gradient in gradients[0]) == 3


def test_pairs_that_tie_share_the_gradient():
    network = network_of((3,), n_features=3, n_classes=3)
    with torch.no_grad():
        network.head.weight.copy_(torch.eye(3))
        network.head.weight.grad = torch.zeros(3, 3, dtype=torch.float64)
    bind(network).add_gradient(1.0)
    gradient = network.head.weight.grad
    constant = 2 * math.sqrt(2)
    # three tied pairs: each row is pulled to its two neighbours with a third of the force
    pull = torch.tensor([[2.0, -1, -1], [-1, 2, -1], [-1, -1, 2]], dtype=torch.float64) / 3
    slope = constant**2 / (1 + constant**2)
    torch.testing.assert_close(gradient, slope / 2 * 2 * pull)


def test_a_vanished_layer_or_equal_rows_give_zero_and_finite_gradients():
    for vanish in ("hidden1", "head"):
        network = network_of()
        with torch.no_grad():
            if vanish == "head":
                network.head.weight.fill_(3.0)
            else:
                network.backbone.hidden1.weight.zero_()
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        bound = bind(network)
        assert float(bound.value().detach()) == 0
        bound.add_gradient(1.0)
        assert all(not parameter.grad.any() for parameter in network.parameters())
        assert bound.report() == (0.0, 0.0)


def test_equal_rows_are_zero_apart_and_near_ones_keep_their_digits():
    rows = torch.randn(5, 33, generator=seeded(2), dtype=torch.float64)
    rows[3] = rows[1]
    rows[4] = rows[1]
    rows[4, 7] += 1e-7
    gaps = _squared_gaps(rows)
    assert torch.equal(gaps, gaps.T)
    assert gaps[1, 3] == 0
    assert float(gaps[1, 4]) == pytest.approx(float(rows[4, 7] - rows[1, 7]) ** 2, rel=1e-9, abs=0)
    for j, k in combinations(range(5), 2):
        expected = float((rows[j] - rows[k]).square().sum())
        assert float(gaps[j, k]) == pytest.approx(expected, rel=1e-12)


def test_products_beyond_the_range_of_double_precision():
    network = network_of((6, 6, 6))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1e140)
    bound = bind(network)
    # log P^2 = 4 * 2 log 1e140 and the product at scale one
    product = bind(network_of((6, 6, 6))).report().value
    expected = 8 * 140 * math.log(10) + math.log(math.expm1(product))
    assert bound.report().value == pytest.approx(expected, rel=1e-9)


def test_weights_that_are_not_finite_are_left_to_the_training_loop():
    network = network_of()
    bound = bind(network)
    network.backbone.hidden1.weight.data[0, 0] = float("nan")
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    bound.add_gradient(1.0)
    assert all(not parameter.grad.any() for parameter in network.parameters())


def test_the_report_admits_an_estimate_that_lags():
    network = network_of((40,), n_features=40)
    bound = bind(network, n_vectors=1)
    with torch.no_grad():
        weight = network.backbone.hidden1.weight
        weight.copy_(torch.randn(weight.shape, generator=seeded(9), dtype=torch.float64))
    report = bound.report()
    assert report.error > 0.2
    assert report.value == pytest.approx(truth(network), rel=1e-9)


def test_all_layers_are_named():
    assert bind(network_of()).layer_names == ("backbone.hidden1", "backbone.hidden2", "head")


@pytest.mark.parametrize("name", ["n_vectors", "n_power_iterations"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "many", None])
def test_bad_settings(name, value):
    with pytest.raises(ValueError, match=rf"{name}={value!r} must be a positive integer"):
        bind(network_of(), **{name: value})


def test_layers_without_a_norm_and_single_logits_are_refused():
    network = network_of()
    backbone = nn.Sequential(nn.LayerNorm(7), network.backbone)
    with pytest.raises(ValueError, match=r"ProductSpectral.*'backbone\.0' \(LayerNorm\)"):
        ProductSpectral().bind(backbone, network.head, generator=seeded())
    with pytest.raises(ValueError, match="compares logits"):
        bind(network_of(n_classes=1))


def test_settings_clone():
    settings = {"n_vectors": 3, "n_power_iterations": 2, "method": "operator"}
    assert clone(ProductSpectral(**settings)).get_params() == settings

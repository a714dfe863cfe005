"""Penalties on input gradients against torch.func.jacrev."""

from __future__ import annotations

import pytest
import torch
from sklearn.base import clone
from torch import nn
from torch.func import jacrev

from specreg_sklearn.modules import Network, build_network, readout
from specreg_sklearn.penalties import CrossLipschitz, Jacobian


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth_network(hidden=(6, 5), n_features=4, n_classes=3, activation="tanh"):
    return build_network(
        "mlp",
        input_shape=(n_features,),
        head=readout(n_classes),
        settings={"hidden_layer_sizes": hidden, "activation": activation},
        dtype=torch.float64,
        generator=seeded(3),
    )


def batch(n=7, n_features=4):
    X = torch.randn(n, n_features, generator=seeded(1), dtype=torch.float64)
    return X, torch.zeros(n, dtype=torch.int64), torch.arange(1, n + 1, dtype=torch.float64)


def bound_to(penalty, network, weight=None, X=None):
    bound = penalty.bind(network.backbone, network.head, generator=seeded(2))
    rows, y, _ = batch()
    bound.see_batch(network, rows if X is None else X, y, weight)
    return bound


def jacobians(network, X, outputs="logits"):
    function = network.features if outputs == "features" else network
    return torch.stack([jacrev(lambda x: function(x[None])[0])(row) for row in X]).detach()


def frobenius(network, X, outputs="logits"):
    return jacobians(network, X, outputs).square().sum((1, 2))


def cross_lipschitz(network, X):
    J = jacobians(network, X)
    K = J.shape[1]
    pairs = [(J[:, k] - J[:, m]).square().sum(1) for k in range(K) for m in range(K)]
    return sum(pairs) / K**2


@pytest.mark.parametrize("outputs", ["logits", "features"])
@pytest.mark.parametrize("n_projections", [None, 5, 50])
@pytest.mark.parametrize("activation", ["tanh", "relu", "identity"])
def test_jacobian_is_exact_with_enough_projections(outputs, n_projections, activation):
    network = smooth_network(activation=activation)
    penalty = Jacobian(n_projections=n_projections, outputs=outputs)
    expected = frobenius(network, batch()[0], outputs).mean()
    assert float(bound_to(penalty, network).value().detach()) == pytest.approx(
        float(expected), rel=1e-12
    )


@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_cross_lipschitz_is_the_mean_over_pairs_of_gradient_differences(n_classes):
    network = smooth_network(n_classes=n_classes)
    expected = cross_lipschitz(network, batch()[0]).mean()
    value = float(bound_to(CrossLipschitz(), network).value().detach())
    assert value == pytest.approx(float(expected), rel=1e-12)


def test_cross_lipschitz_ignores_what_all_logits_share():
    network = smooth_network()
    before = float(bound_to(CrossLipschitz(), network).value().detach())
    with torch.no_grad():
        network.head.weight.add_(torch.arange(5.0))
    assert float(bound_to(CrossLipschitz(), network).value().detach()) == pytest.approx(before)


@pytest.mark.parametrize(
    ("penalty", "truth"),
    [
        (Jacobian(n_projections=1), frobenius),
        (Jacobian(n_projections=2), frobenius),
        (CrossLipschitz(n_projections=1), cross_lipschitz),
    ],
)
def test_few_projections_are_right_on_average(penalty, truth):
    network = smooth_network()
    X, y, _ = batch()
    bound = penalty.bind(network.backbone, network.head, generator=seeded(5))
    values = []
    for _ in range(400):
        bound.see_batch(network, X, y, None)
        values.append(float(bound.value().detach()))
    values = torch.tensor(values, dtype=torch.float64)
    error = values.std() / 20
    assert 0 < float(error) < 0.1 * float(values.mean())
    assert abs(float(values.mean() - truth(network, X).mean())) < 4 * float(error)


@pytest.mark.parametrize("penalty", [Jacobian(n_projections=None), CrossLipschitz()])
def test_rows_count_by_their_weights(penalty):
    network = smooth_network()
    X, _, weight = batch()
    rows = frobenius(network, X) if isinstance(penalty, Jacobian) else cross_lipschitz(network, X)
    expected = float((weight * rows).sum() / weight.sum())
    value = float(bound_to(penalty, network, weight).value().detach())
    assert value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "penalty",
    [
        Jacobian(),
        Jacobian(n_projections=2),
        Jacobian(n_projections=None, outputs="features"),
        CrossLipschitz(),
        CrossLipschitz(n_projections=1),
    ],
)
def test_gradients_equal_finite_differences(penalty):
    network = smooth_network()
    bound = bound_to(penalty, network, batch()[2])
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    bound.add_gradient(0.5)
    step = 1e-5
    for parameter in network.parameters():
        flat = parameter.data.view(-1)
        for entry in range(0, len(flat), 3):
            kept = float(flat[entry])
            flat[entry] = kept + step
            above = float(bound.value().detach())
            flat[entry] = kept - step
            below = float(bound.value().detach())
            flat[entry] = kept
            expected = 1 + 0.5 * (above - below) / (2 * step)
            found = float(parameter.grad.view(-1)[entry])
            assert found == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("penalty", [Jacobian(), CrossLipschitz()])
def test_the_rows_and_their_gradient_are_left_alone(penalty):
    network = smooth_network()
    X, y, _ = batch()
    bound = penalty.bind(network.backbone, network.head, generator=seeded())
    bound.see_batch(network, X, y, None)
    bound.add_gradient(1.0)
    assert X.grad is None and not X.requires_grad
    assert network.training


def test_the_report_is_the_mean_over_the_batches_since_the_last_one():
    network = smooth_network()
    X, y, weight = batch()
    bound = Jacobian(n_projections=None).bind(network.backbone, network.head, generator=seeded())
    rows = frobenius(network, X)
    for _ in range(2):  # the second epoch starts from nothing
        bound.see_batch(network, X[:3], y[:3], weight[:3])
        bound.add_gradient(0.1)
        bound.see_batch(network, X[3:], y[3:], weight[3:])
        bound.add_gradient(0.1)
        assert bound.report().value == pytest.approx(float((weight * rows).sum() / weight.sum()))
    bound.see_batch(network, X[:2], y[:2], None)
    assert bound.report() == (pytest.approx(float(rows[:2].mean())), 0.0)  # the penalty was off


def test_networks_with_batch_norm_and_dropout_are_seen_in_evaluation_mode():
    with torch.device("meta"):
        backbone = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Tanh())
        head = nn.Linear(6, 3)
    network = Network(backbone.to_empty(device="cpu"), head.to_empty(device="cpu"), (4,)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=seeded(1)))
        backbone[1].running_mean.fill_(0.2)
        backbone[1].running_var.fill_(3.0)
        backbone[1].num_batches_tracked.zero_()
    network.train()
    backbone[2].eval()  # a part that someone froze
    value = float(bound_to(Jacobian(n_projections=None), network).value().detach())
    assert network.training and backbone[1].training and not backbone[2].training
    assert float(backbone[1].running_mean[0]) == 0.2
    network.eval()
    assert value == pytest.approx(float(frobenius(network, batch()[0]).mean()), rel=1e-12)


def test_images_that_come_as_flat_rows():
    with torch.device("meta"):
        network = Network(
            nn.Sequential(nn.Conv2d(1, 2, 2), nn.Tanh(), nn.Flatten()), nn.Linear(2, 3), (1, 2, 2)
        )
    network = network.to_empty(device="cpu").double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=seeded(1)))
    value = float(bound_to(CrossLipschitz(), network).value().detach())
    assert value == pytest.approx(float(cross_lipschitz(network, batch()[0]).mean()), rel=1e-12)


@pytest.mark.parametrize("penalty", [Jacobian(), CrossLipschitz()])
def test_a_value_without_a_batch_says_what_is_missing(penalty):
    network = smooth_network()
    bound = penalty.bind(network.backbone, network.head, generator=seeded())
    with pytest.raises(RuntimeError, match="call see_batch first"):
        bound.value()


@pytest.mark.parametrize("kind", [Jacobian, CrossLipschitz])
@pytest.mark.parametrize("value", [0, -1, 1.5, "all"])
def test_bad_numbers_of_projections(kind, value):
    network = smooth_network()
    with pytest.raises(ValueError, match=rf"n_projections={value!r} must be a positive integer"):
        kind(n_projections=value).bind(network.backbone, network.head, generator=seeded())


def test_bad_outputs_and_a_single_logit():
    network = smooth_network()
    with pytest.raises(ValueError, match=r"outputs='loss' must be one of \('logits', 'features'\)"):
        Jacobian(outputs="loss").bind(network.backbone, network.head, generator=seeded())
    one = smooth_network(n_classes=1)
    with pytest.raises(ValueError, match="CrossLipschitz compares logits"):
        CrossLipschitz().bind(one.backbone, one.head, generator=seeded())


def test_settings_clone():
    assert clone(Jacobian(n_projections=3, outputs="features")).get_params() == {
        "n_projections": 3,
        "outputs": "features",
    }
    assert clone(CrossLipschitz(n_projections=2)).n_projections == 2

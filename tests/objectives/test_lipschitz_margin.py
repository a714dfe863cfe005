"""Handicaps against exact norms, and the promise that they train for."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.metrics import certified_accuracy_score, certified_radius
from specreg_sklearn.modules import Network, SeededDraws, build_network, mlp, readout
from specreg_sklearn.objectives import LipschitzMargin
from specreg_sklearn.objectives._network_slope import FeatureSlope
from specreg_sklearn.spectral import spectral_norm


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def network_of(activation="relu", sizes=(7, 5)):
    """Weights whose singular values stand apart, so that warm norms are exact."""
    network = build_network(
        "mlp",
        input_shape=(6,),
        head=readout(4),
        settings={"hidden_layer_sizes": sizes, "activation": activation},
        dtype=torch.float64,
        generator=seeded(),
    )
    with torch.no_grad():
        for layer in (m for m in network.modules() if isinstance(m, nn.Linear)):
            left, values, right = torch.linalg.svd(layer.weight, full_matrices=False)
            ladder = 1.5 * 0.2 ** torch.arange(len(values), dtype=torch.float64)
            layer.weight.copy_(left @ torch.diag(ladder) @ right)
    return network


def exact_slopes(network, margin, factor=1.0):
    weights = [p.detach().numpy() for p in network.parameters() if p.ndim > 1]
    hidden = math.prod(np.linalg.norm(w, 2) for w in weights[:-1]) * factor
    head = weights[-1]
    if margin == "pairwise":
        return hidden * np.linalg.norm(head[:, None] - head[None], axis=2)
    return math.sqrt(2) * hidden * np.linalg.norm(head, 2) * (1 - np.eye(len(head)))


@pytest.mark.parametrize("margin", ["pairwise", "global"])
@pytest.mark.parametrize(("activation", "factor"), [("relu", 1), ("tanh", 1), ("logistic", 1 / 16)])
def test_slopes_are_products_of_exact_norms(margin, activation, factor):
    network = network_of(activation)
    bound = LipschitzMargin(margin=margin).bind(network, generator=seeded(1))
    slopes = bound.slopes().detach().numpy()
    np.testing.assert_allclose(slopes, exact_slopes(network, margin, factor), rtol=1e-8, atol=1e-9)


def test_pairwise_is_never_above_global():
    network = network_of()
    by_pair, whole = (
        LipschitzMargin(margin=margin).bind(network, generator=seeded()).slopes()
        for margin in ("pairwise", "global")
    )
    assert (by_pair <= whole * (1 + 1e-9)).all()


@pytest.mark.parametrize("margin", ["pairwise", "global"])
def test_loss_by_hand_and_its_growth_with_epsilon(margin):
    network, rng = network_of(), np.random.default_rng(0)
    X, y = torch.tensor(rng.normal(size=(20, 6))), torch.tensor(rng.integers(4, size=20))
    raised = network(X) + 0.3 * torch.tensor(exact_slopes(network, margin))[y]
    ours = LipschitzMargin(0.3, margin=margin).per_sample_loss(network, X, y)
    torch.testing.assert_close(ours, cross_entropy(raised, y, reduction="none"), rtol=1e-8, atol=0)
    losses = [
        LipschitzMargin(epsilon, margin=margin).per_sample_loss(network, X, y)
        for epsilon in (0.0, 0.1, 0.5, 2.0)
    ]
    assert torch.equal(losses[0], cross_entropy(network(X), y, reduction="none"))
    assert all((more > less).all() for less, more in pairwise(losses))


@pytest.mark.parametrize("margin", ["pairwise", "global"])
def test_gradients_reach_every_norm(margin):
    """Against finite differences of the loss with exact norms."""
    network, rng = network_of("tanh", (5,)), np.random.default_rng(0)
    X, y = torch.tensor(rng.normal(size=(20, 6))), torch.tensor(rng.integers(4, size=20))

    def exact_loss():
        raised = network(X) + 0.3 * torch.tensor(exact_slopes(network, margin))[y]
        return cross_entropy(raised, y).item()

    bound = LipschitzMargin(0.3, margin=margin).bind(network, generator=seeded())
    for _ in range(20):  # the directions, and not only the norms, must have arrived
        bound.slopes()
    bound.per_sample_loss(network, X, y).mean().backward()
    for weight in (network.backbone.hidden1.weight, network.head.weight):
        direction = torch.randn(weight.shape, generator=seeded(4), dtype=torch.float64)
        values = []
        with torch.no_grad():
            for step in (1e-6, -2e-6, 1e-6):
                weight.add_(direction, alpha=step)
                values.append(exact_loss())
        expected = (values[0] - values[1]) / 2e-6
        assert float((weight.grad * direction).sum()) == pytest.approx(expected, rel=1e-5)


def test_a_row_stays_right_with_the_handicap_if_it_is_certified():
    """The slopes are those of `certified_radius`, which takes the best of several bounds."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 6)), rng.integers(4, size=300)
    model = SpectrallyRegularizedEncoder(hidden_layer_sizes=5, max_iter=2, random_state=0)
    model.fit(X, y)
    network = model.module_
    bound = LipschitzMargin().bind(network, generator=seeded())
    bound._features.refresh()
    predicted = torch.tensor(model.predict(X))
    radii = certified_radius(model, X, scale=None)
    median = float(np.median(radii))
    for epsilon in (0.5 * median, median, 2 * median):
        with torch.no_grad():
            raised = network(torch.tensor(X)) + epsilon * bound.slopes()[predicted]
        stays = (raised.argmax(1) == predicted).numpy()
        assert (radii[stays] >= epsilon * (1 - 1e-6)).all()
        assert 0 < stays.mean() < 1


def test_training_with_the_handicap_makes_certificates(cancer_rows):
    settings = {"hidden_layer_sizes": 16, "penalty": None, "random_state": 0}
    settings |= {"learning_rate_init": 1e-2, "max_iter": 60}
    plain = SpectrallyRegularizedEncoder(**settings).fit(*cancer_rows)
    X, y = (part[::16] for part in cancer_rows)
    before = certified_accuracy_score(plain, X, y, eps=1.0), np.median(certified_radius(plain, X))
    for objective in (
        LipschitzMargin(0.5),
        LipschitzMargin(0.5, margin="global", epsilon_schedule="linear"),
    ):
        held = SpectrallyRegularizedEncoder(objective=objective, **settings).fit(*cancer_rows)
        assert certified_accuracy_score(held, X, y, eps=1.0) > before[0] + 0.05
        assert np.median(certified_radius(held, X)) > 1.15 * before[1]
        assert held.score(*cancer_rows) > 0.95


def convolutional(input_shape):
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Flatten(),
        nn.BatchNorm1d(48),
        nn.Linear(48, 6),
        nn.ReLU(),
    )


def test_convolutions_and_batch_norms_count_as_operators():
    with SeededDraws(seeded()):
        network = Network(convolutional((1, 4, 4)), nn.Linear(6, 3), (1, 4, 4)).double()
    for layer, variance in ((network.backbone[1], 0.3), (network.backbone[4], 4.0)):
        layer.running_var.fill_(variance)
        layer.eps = 0.0
    slope = FeatureSlope(network.backbone, (1, 4, 4), seeded())
    for _ in range(60):
        product = slope()
    conv, linear = network.backbone[0], network.backbone[5]
    expected = spectral_norm(conv, (1, 4, 4)) / 0.3**0.5 / 2 * spectral_norm(linear)
    product.backward()
    assert product.item() == pytest.approx(expected, rel=1e-3)
    assert product.item() <= expected * (1 + 1e-9)
    learning = [conv.weight, linear.weight, network.backbone[1].weight, network.backbone[4].weight]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in learning)
    slope.refresh()
    assert conv.bias.grad is None


def test_convolutional_encoders_train():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 16))
    y = (X[:, :8].sum(1) > 0).astype(int)
    model = SpectrallyRegularizedEncoder(
        convolutional,
        input_shape=(1, 4, 4),
        objective=LipschitzMargin(0.02),
        penalty=None,
        learning_rate_init=1e-2,
        max_iter=30,
        random_state=0,
    ).fit(X, y)
    assert model.score(X, y) > 0.9


def test_a_vanished_layer_gives_no_nan():
    network = network_of()
    with torch.no_grad():
        network.backbone.hidden1.weight.zero_()
    X, y = torch.ones(2, 6, dtype=torch.float64), torch.tensor([0, 1])
    for margin in ("pairwise", "global"):
        loss = LipschitzMargin(1.0, margin=margin).per_sample_loss(network, X, y)
        torch.testing.assert_close(loss, cross_entropy(network(X), y, reduction="none"))
        loss.sum().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


def test_equal_rows_of_the_readout_have_a_finite_gradient():
    network = network_of()
    with torch.no_grad():
        network.head.weight[1] = network.head.weight[0]
    X, y = torch.ones(2, 6, dtype=torch.float64), torch.tensor([0, 1])
    LipschitzMargin(1.0).per_sample_loss(network, X, y).sum().backward()
    assert network.head.weight.grad.isfinite().all()


def test_layers_without_a_norm_or_a_slope_are_refused_by_name():
    def with_layer(layer):
        backbone = nn.Sequential(nn.utils.skip_init(nn.Linear, 4, 4), layer)
        head = nn.utils.skip_init(nn.Linear, 4, 2)
        return Network(backbone, head, (4,))

    for layer, name in ((nn.LayerNorm(4), "LayerNorm"), (nn.Softmax(1), "Softmax")):
        with pytest.raises(ValueError, match=rf"LipschitzMargin.*'backbone\.1' \({name}\)"):
            LipschitzMargin().bind(with_layer(layer), generator=seeded())
    plain = nn.utils.skip_init(nn.Linear, 4, 2)
    with pytest.raises(ValueError, match=r"parts backbone, head.*Linear has no backbone"):
        LipschitzMargin().bind(plain, generator=seeded())


def test_a_backbone_without_layers_has_slope_one():
    assert FeatureSlope(nn.Identity(), (3,), seeded())() == 1.0
    with SeededDraws(seeded()):
        gelu = mlp((3,), hidden_layer_sizes=2, activation="gelu")
    exact = np.linalg.norm(gelu.hidden1.weight.detach().numpy(), 2)
    assert FeatureSlope(gelu, (3,), seeded())().item() == pytest.approx(1.1290 * exact, rel=1e-3)

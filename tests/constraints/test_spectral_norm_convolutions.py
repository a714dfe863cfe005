"""The limit on convolutions and batch norms, against dense operators."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.constraints import SpectralNorm


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def filled(network, scale=1.0):
    """Draw all parameters of a network that was built without drawing."""
    network = network.to_empty(device="cpu").double()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.reset_running_stats()
                module.running_var.copy_(torch.rand(len(module.running_var), generator=seeded(4)))
                module.running_mean.fill_(0.3)
        for parameter in network.parameters():
            draws = torch.randn(parameter.shape, generator=seeded(parameter.numel()))
            parameter.copy_(scale * draws)
    return network


def build(make, scale=1.0):
    with torch.device("meta"):
        network = make()
    return filled(network, scale)


def dense_norm(network, input_shape):
    """The norm of the linear part of an affine network, by its action on a basis."""
    modes = [module.training for module in network.modules()]
    network.eval()
    size = int(np.prod(input_shape))
    with torch.no_grad():
        basis = torch.eye(size, dtype=torch.float64).view(size, *input_shape)
        origin = network(torch.zeros(1, *input_shape, dtype=torch.float64))
        matrix = (network(basis) - origin).flatten(1).numpy()
    for module, training in zip(network.modules(), modes, strict=True):
        module.training = training
    return np.linalg.norm(matrix, 2)


LAYERS = {
    "plain": lambda: nn.Conv2d(2, 3, 3, padding=1),
    "strided": lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1),
    "dilated": lambda: nn.Conv2d(2, 3, (2, 3), dilation=(1, 2)),
    "grouped": lambda: nn.Conv2d(2, 4, 3, padding=1, groups=2),
    "circular": lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"),
    "reflected": lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"),
    "transposed": lambda: nn.ConvTranspose2d(2, 3, 3, stride=2),
    "with batch norm": lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3)),
    "batch norm alone": lambda: nn.BatchNorm2d(2),
}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("max_norm", [0.5, 2.0])
def test_settled_operators_have_at_most_the_norm_allowed(kind, max_norm):
    layer = build(LAYERS[kind], scale=10)
    assert dense_norm(layer, (2, 6, 5)) > 2 * max_norm
    bound = SpectralNorm(max_norm, include_head=False).bind(
        layer, None, generator=seeded(), input_shape=(2, 6, 5)
    )
    bound.settle()
    norm = dense_norm(layer, (2, 6, 5))
    assert 0.9 * max_norm <= norm <= max_norm * (1 + 1e-9)
    kept = [parameter.detach().clone() for parameter in layer.parameters()]
    bound.settle()
    for parameter, before in zip(layer.parameters(), kept, strict=True):
        torch.testing.assert_close(parameter.detach(), before, rtol=1e-6, atol=1e-9)


def test_a_linear_layer_with_a_batch_norm_is_held_by_its_gains():
    def make():
        return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5))

    network = build(make, scale=3)
    weight = network[0].weight.detach().clone()
    SpectralNorm(include_head=False).bind(
        network, None, generator=seeded(), input_shape=(4,)
    ).settle()
    assert torch.equal(network[0].weight.detach(), weight)
    assert 0.9 <= dense_norm(network, (4,)) <= 1 + 1e-9


@pytest.mark.parametrize("kind", LAYERS)
def test_operators_inside_the_limit_are_left_alone(kind):
    layer = build(LAYERS[kind])
    bound = SpectralNorm(1e3, include_head=False).bind(
        layer, None, generator=seeded(), input_shape=(2, 6, 5)
    )
    before = [parameter.detach().clone() for parameter in layer.parameters()]
    bound.project()
    bound.settle()
    assert all(map(torch.equal, layer.parameters(), before))


def test_the_warm_projection_follows_a_drifting_kernel():
    layer = build(LAYERS["plain"], scale=2)
    bound = SpectralNorm(1.0, include_head=False).bind(
        layer, None, generator=seeded(), input_shape=(2, 6, 5)
    )
    bound.settle()
    noise, excess = seeded(7), []
    for _ in range(100):
        with torch.no_grad():
            bump = torch.randn(layer.weight.shape, generator=noise, dtype=torch.float64)
            layer.weight.add_(5e-3 * bump)
        bound.project()
        excess.append(dense_norm(layer, (2, 6, 5)) - 1)
    assert max(excess) < 0.05


def test_a_batch_norm_without_gains_cannot_be_held():
    network = build(lambda: nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3, affine=False)))
    message = r"SpectralNorm.*'backbone\.0'.*BatchNorm1d.*affine=True"
    with pytest.raises(ValueError, match=message):
        SpectralNorm(include_head=False).bind(network, None, generator=seeded(), input_shape=(3,))


def test_images_without_a_known_size_are_refused():
    with pytest.raises(ValueError, match=r"SpectralNorm.*input_shape"):
        SpectralNorm(include_head=False).bind(build(LAYERS["plain"]), None, generator=seeded())


def small_convnet(input_shape):
    return nn.Sequential(
        nn.Conv2d(input_shape[0], 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
    )


def test_a_fitted_convolutional_network_keeps_the_limit():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 64)), np.arange(120) % 3
    X[:, :8] += 2.0 * y[:, None]
    model = SpectrallyRegularizedEncoder(
        small_convnet, input_shape=(1, 8, 8), constraint=SpectralNorm(1.5), penalty=None,
        max_iter=20, learning_rate_init=1e-2, random_state=0,
    ).fit(X, y)  # fmt: skip
    assert model.score(X, y) > 0.9
    assert set(model.spectral_norms_) == {"backbone.0", "backbone.3", "head"}
    assert max(model.spectral_norms_.values()) <= 1.5 * (1 + 1e-6)
    backbone = model.module_.backbone
    assert 1 < dense_norm(backbone[:2], (1, 8, 8)) <= 1.5 * (1 + 1e-6)
    assert 1 < dense_norm(backbone[3], (4, 8, 8)) <= 1.5 * (1 + 1e-6)

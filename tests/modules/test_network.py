"""Backbone plus readout, from names and from the user's own factories."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from specreg_sklearn.modules import build_network, readout

SETTINGS = {"hidden_layer_sizes": (7, 4), "activation": "tanh"}


def build(module="mlp", *, input_shape=(5,), seed=0, dtype=torch.float64):
    return build_network(
        module,
        input_shape=input_shape,
        head=readout(3),
        settings=SETTINGS,
        dtype=dtype,
        generator=torch.Generator().manual_seed(seed),
    )


def convnet(input_shape):
    channels, *_ = input_shape
    return nn.Sequential(
        nn.Conv2d(channels, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten()
    )


def test_named_backbone_and_readout():
    network = build()
    names = [name for name, _ in network.named_parameters()]
    layers = ["backbone.hidden1", "backbone.hidden2", "head"]
    assert names == [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]
    assert network.head.weight.shape == (3, 4)


def test_logits_are_the_readout_of_the_features(generator):
    network = build()
    X = torch.randn(6, 5, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        features = network.features(X)
        by_hand = torch.tanh(X @ network.backbone.hidden1.weight.T + network.backbone.hidden1.bias)
        second = network.backbone.hidden2
        by_hand = torch.tanh(by_hand @ second.weight.T + second.bias)
        torch.testing.assert_close(features, by_hand)
        torch.testing.assert_close(network(X), features @ network.head.weight.T + network.head.bias)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype(dtype):
    assert {parameter.dtype for parameter in build(dtype=dtype).parameters()} == {dtype}


def test_weights_come_from_the_generator_alone():
    first, again, other = (build(seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)


def test_flat_rows_are_reshaped_for_the_backbone(generator):
    network = build(convnet, input_shape=(1, 4, 4)).eval()
    images = torch.randn(6, 1, 4, 4, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(network(images.reshape(6, 16)), network(images))
    assert network.head.in_features == 2 * 4 * 4


def test_the_trial_row_leaves_no_trace():
    network = build(convnet, input_shape=(1, 4, 4))
    norm = network.backbone[1]
    assert not norm.running_mean.any()
    assert torch.equal(norm.running_var, torch.ones(2, dtype=torch.float64))
    assert int(norm.num_batches_tracked) == 0
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())


def test_factories_get_the_settings_that_they_name():
    offered = {}

    def modest(input_shape, activation):
        offered["modest"] = activation
        return nn.Linear(*input_shape, 2)

    def greedy(input_shape, **settings):
        offered["greedy"] = settings
        return nn.Linear(*input_shape, 2)

    build(modest)
    build(greedy)
    build(lambda input_shape: nn.Linear(*input_shape, 2))  # none is an answer too
    assert offered == {"modest": "tanh", "greedy": SETTINGS}


def test_a_class_is_a_factory():
    class Backbone(nn.Module):
        def __init__(self, input_shape, hidden_layer_sizes):
            super().__init__()
            self.only = nn.Linear(input_shape[0], hidden_layer_sizes[0])

        def forward(self, X):
            return self.only(X)

    assert build(Backbone).head.in_features == 7


@pytest.mark.parametrize("returned", [None, 3, nn.Linear])
def test_factory_without_a_module(returned):
    with pytest.raises(TypeError, match=r"module=.*must build a torch\.nn\.Module; it returned"):
        build(lambda input_shape: returned)


@pytest.mark.parametrize(
    ("backbone", "shape"),
    [(nn.Unflatten(1, (5, 1)), r"\(2, 5, 1\)"), (nn.Flatten(0), r"\(10,\)")],
)
def test_features_of_the_wrong_rank(backbone, shape):
    with pytest.raises(ValueError, match=rf"module=.*\(n_samples, n_features_out\).*{shape}"):
        build(lambda input_shape: backbone)


def test_unknown_name_lists_the_valid_ones():
    with pytest.raises(ValueError, match=r"module='transformer'.*'mlp'"):
        build("transformer")

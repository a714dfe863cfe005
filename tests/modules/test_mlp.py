"""The multilayer perceptron backbone: shapes, names, errors."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from specreg_sklearn.modules import ACTIVATIONS, mlp


def build(*args, **kwargs):
    with torch.device("meta"):  # shapes and names need no weights
        return mlp(*args, **kwargs)


@pytest.mark.parametrize(
    ("hidden", "shapes"),
    [
        (8, [(8, 6)]),
        ((8,), [(8, 6)]),
        ([8, 3], [(8, 6), (3, 8)]),
        ((4, 5, 2), [(4, 6), (5, 4), (2, 5)]),
    ],
)
def test_layer_shapes(hidden, shapes):
    layers = [x for x in build((6,), hidden_layer_sizes=hidden) if isinstance(x, nn.Linear)]
    assert [tuple(layer.weight.shape) for layer in layers] == shapes


def test_layers_are_named_and_end_with_an_activation():
    names = [name for name, _ in build((6,), hidden_layer_sizes=(4, 2)).named_children()]
    assert names == ["hidden1", "activation1", "hidden2", "activation2"]


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        ("identity", lambda z: z),
        ("logistic", torch.sigmoid),
        ("tanh", torch.tanh),
        ("relu", torch.relu),
        ("elu", nn.functional.elu),
        ("gelu", nn.functional.gelu),
        ("maxmin", lambda z: z.reshape(-1, 2, 2).sort(descending=True).values.reshape(-1, 4)),
        ("groupsort", lambda z: z.sort(descending=True).values),
    ],
)
def test_activations(activation, function, generator):
    backbone = build((3,), hidden_layer_sizes=4, activation=activation).to_empty(device="cpu")
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.normal_(generator=generator)
        X = torch.randn(5, 3, generator=generator)
        torch.testing.assert_close(backbone(X), function(backbone.hidden1(X)))


def test_every_activation_is_tried_above():
    tried = {"identity", "logistic", "tanh", "relu", "elu", "gelu", "maxmin", "groupsort"}
    assert set(ACTIVATIONS) == tried


def test_more_than_one_axis_is_flattened():
    backbone = build((2, 3, 4), hidden_layer_sizes=5)
    assert backbone.hidden1.in_features == 24
    assert backbone(torch.zeros(7, 2, 3, 4, device="meta")).shape == (7, 5)


@pytest.mark.parametrize("hidden", [(), [], (0,), (4, -1), (2.5,), 0])
def test_bad_widths_are_named(hidden):
    with pytest.raises(ValueError, match=r"hidden_layer_sizes=.*positive integers, at least one"):
        build((3,), hidden_layer_sizes=hidden)


def test_bad_activation_lists_the_valid_ones():
    with pytest.raises(ValueError, match=r"activation='swish'.*'elu'.*'relu'"):
        build((3,), activation="swish")

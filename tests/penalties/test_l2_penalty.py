"""The sum of squares, by hand."""

from __future__ import annotations

import pytest
import torch
from sklearn.base import clone
from torch import nn

from specreg_sklearn.penalties import L2


def two_layers():
    backbone = nn.Sequential(nn.utils.skip_init(nn.Linear, 2, 3), nn.ReLU())
    head = nn.utils.skip_init(nn.Linear, 3, 2)
    with torch.no_grad():
        backbone[0].weight.copy_(torch.tensor([[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]]))
        head.weight.copy_(torch.tensor([[1.0, 0.0, -2.0], [0.5, 1.0, 1.0]]))
        backbone[0].bias.fill_(7.0)
        head.bias.fill_(-5.0)
    return backbone, head


def test_value_is_the_sum_of_squared_weights_without_biases(generator):
    bound = L2().bind(*two_layers(), generator=generator)
    # 1 + 4 + 0 + 1 + 9 + 0.25 in the hidden layer, 1 + 0 + 4 + 0.25 + 1 + 1 in the readout
    assert float(bound.value().detach()) == pytest.approx(15.25 + 7.25)
    assert bound.report() == (pytest.approx(22.5), 0.0)


def test_gradient_is_twice_the_weight_and_zero_for_biases(generator):
    backbone, head = two_layers()
    bound = L2().bind(backbone, head, generator=generator)
    for closed_form in (True, False):
        for parameter in (*backbone.parameters(), *head.parameters()):
            parameter.grad = torch.zeros_like(parameter)
        if closed_form:
            bound.add_gradient(0.5)
        else:
            (0.5 * bound.value()).backward()
        for layer in (backbone[0], head):
            torch.testing.assert_close(layer.weight.grad, layer.weight.detach())
            assert not layer.bias.grad.any()


def test_convolutions_count_and_norm_gains_do_not(generator):
    with torch.device("meta"):
        backbone = nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.Flatten())
        head = nn.Linear(2, 2)
    backbone, head = backbone.to_empty(device="cpu"), head.to_empty(device="cpu")
    with torch.no_grad():
        for parameter in (*backbone.parameters(), *head.parameters()):
            parameter.fill_(2.0)
    bound = L2().bind(backbone, head, generator=generator)
    assert float(bound.value().detach()) == (8 + 4) * 4.0


def test_covered_layers_are_named(generator):
    assert L2().bind(*two_layers(), generator=generator).layer_names == ("backbone.0", "head")


def test_has_no_settings_and_clones():
    assert clone(L2()).get_params() == {}

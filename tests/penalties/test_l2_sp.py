"""The distance to the start, by hand."""

from __future__ import annotations

import pytest
import torch
from sklearn.base import clone
from torch import nn

from specreg_sklearn.penalties import L2SP


def two_layers():
    backbone = nn.Sequential(nn.utils.skip_init(nn.Linear, 2, 3), nn.BatchNorm1d(3))
    head = nn.utils.skip_init(nn.Linear, 3, 2)
    with torch.no_grad():
        backbone[0].weight.copy_(torch.tensor([[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]]))
        head.weight.copy_(torch.tensor([[1.0, 0.0, -2.0], [0.5, 1.0, 1.0]]))
        backbone[0].bias.fill_(7.0)
        head.bias.fill_(-5.0)
    return backbone, head


@pytest.mark.parametrize("head_factor", [0, 1.0, 0.25])
def test_at_the_start_only_the_head_counts(generator, head_factor):
    bound = L2SP(head_factor=head_factor).bind(*two_layers(), generator=generator)
    assert float(bound.value().detach()) == pytest.approx(7.25 * head_factor)


def test_nothing_is_left_with_a_head_of_zero(generator):
    backbone, head = two_layers()
    torch.nn.init.zeros_(head.weight)
    assert float(L2SP().bind(backbone, head, generator=generator).value().detach()) == 0


def test_moves_count_by_their_squares_and_biases_and_gains_do_not(generator):
    backbone, head = two_layers()
    bound = L2SP(head_factor=2.0).bind(backbone, head, generator=generator)
    assert bound.layer_names == ("backbone.0", "backbone.1", "head")
    with torch.no_grad():
        backbone[0].weight[0, 1] += 3
        backbone[0].weight[2, 0] -= 1
        backbone[0].bias += 10
        backbone[1].weight += 10
        head.bias += 10
    assert float(bound.value().detach()) == pytest.approx(9 + 1 + 2 * 7.25)
    assert bound.report() == (pytest.approx(24.5), 0.0)


def test_the_gradient_is_that_of_the_value(generator):
    backbone, head = two_layers()
    bound = L2SP(head_factor=0.5).bind(backbone, head, generator=generator)
    backbone[0].weight.data += 2
    expected = torch.autograd.grad(0.3 * bound.value(), [backbone[0].weight, head.weight])
    for parameter in (*backbone.parameters(), *head.parameters()):
        parameter.grad = torch.zeros_like(parameter)
    bound.add_gradient(0.3)
    torch.testing.assert_close(backbone[0].weight.grad, expected[0])
    torch.testing.assert_close(head.weight.grad, expected[1])
    torch.testing.assert_close(backbone[0].weight.grad, torch.full((3, 2), 1.2))
    assert not backbone[0].bias.grad.any() and not head.bias.grad.any()


@pytest.mark.parametrize("value", [-1, "much", None, float("nan"), float("inf")])
def test_bad_head_factors(generator, value):
    with pytest.raises(ValueError, match=rf"head_factor={value!r} must be a number, 0 or more"):
        L2SP(head_factor=value).bind(*two_layers(), generator=generator)


def test_settings_clone():
    assert clone(L2SP(head_factor=0.1)).get_params() == {"head_factor": 0.1}

"""Constants of steps with several inputs, where the truth is known and attained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from specreg_sklearn.certificates import module_lipschitz_bound


class Joined(nn.Module):
    """Two multiples of the row, joined in one way or another."""

    def __init__(self, left, right, join):
        super().__init__()
        self.left, self.right, self.join = left, right, join

    def forward(self, x):
        return self.join(self.left * torch.relu(x), self.right * torch.relu(x))


def side_by_side(x, y):
    return torch.cat([x, y], dim=1)


def in_a_new_axis(x, y):
    return torch.stack([x, y], dim=1)


JOINS = {
    "sum": (torch.add, lambda a, b: abs(a) + abs(b)),
    "side by side": (side_by_side, np.hypot),
    "in a new axis": (in_a_new_axis, np.hypot),
}


@pytest.mark.parametrize(("left", "right"), [(1.0, 1.0), (2.0, 0.5), (1e-3, 4.0)])
@pytest.mark.parametrize("name", JOINS)
def test_the_constant_is_attained(name, left, right):
    join, truth = JOINS[name]
    module = Joined(left, right, join)
    found = module_lipschitz_bound(module, (3,))
    assert truth(left, right) <= found <= truth(left, right) * (1 + 1e-12)
    step = module(torch.tensor([[2.0, 1.0, 1.0]])) - module(torch.tensor([[1.0, 1.0, 1.0]]))
    assert float(step.norm()) == pytest.approx(found, rel=1e-6)


def test_a_difference_counts_as_a_sum():
    """Nothing better is known of two branches."""
    module = Joined(3.0, 1.0, torch.sub)
    assert module_lipschitz_bound(module, (3,)) == pytest.approx(4.0, rel=1e-12)

"""Which layers a row meets, and which batch norm belongs to which."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from specreg_sklearn.spectral import used_layers


def seeded(module):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return module()


def found(network, shape):
    names = {module: name for name, module in network.named_modules()}
    return [
        (layer.name, layer.input_shape, layer.batch_norm and names[layer.batch_norm])
        for layer in used_layers(network, shape)
    ]


def sequential(*layers):
    return seeded(lambda: nn.Sequential(*(layer() for layer in layers)))


def test_layers_come_in_order_of_use_with_their_input_shapes():
    network = sequential(
        lambda: nn.Conv2d(1, 4, 3, padding=1),
        lambda: nn.BatchNorm2d(4),
        nn.ReLU,
        lambda: nn.MaxPool2d(2),
        lambda: nn.ConvTranspose2d(4, 2, 2),
        nn.Flatten,
        lambda: nn.Linear(50, 3),
        lambda: nn.BatchNorm1d(3),
    )
    assert found(network, (1, 8, 8)) == [
        ("0", (1, 8, 8), "1"),
        ("4", (4, 4, 4), None),
        ("6", (50,), "7"),
    ]


class Block(nn.Module):
    """A residual block whose parts are defined in another order than they are used."""

    def __init__(self, preactivation=False):
        super().__init__()
        self.norm2, self.norm1 = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.second, self.first = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.preactivation = preactivation

    def forward(self, x):
        if self.preactivation:
            return x + self.second(F.relu(self.norm2(self.first(F.relu(self.norm1(x))))))
        y = F.relu(self.norm1(self.first(x)))
        return F.relu(x + self.norm2(self.second(y)))


def test_a_residual_block():
    network = seeded(Block)
    shape = (4, 6, 6)
    assert found(network, shape) == [("first", shape, "norm1"), ("second", shape, "norm2")]


def test_a_batch_norm_that_follows_no_layer_stands_alone():
    shape = (4, 6, 6)
    expected = [("norm1", shape, None), ("first", shape, "norm2"), ("second", shape, None)]
    assert found(seeded(lambda: Block(preactivation=True)), shape) == expected


def test_an_activation_in_place_comes_between():
    """It returns the very tensor of the layer, which a test by identity alone takes for it."""
    network = sequential(
        lambda: nn.Conv2d(1, 4, 3), lambda: nn.ReLU(inplace=True), lambda: nn.BatchNorm2d(4)
    )
    assert [name for name, _, norm in found(network, (1, 5, 5)) if norm is None] == ["0", "2"]


def test_a_reshape_comes_between():
    network = sequential(
        lambda: nn.Conv2d(1, 4, 3), nn.Flatten, lambda: nn.BatchNorm1d(36), nn.Identity
    )
    assert found(network, (1, 5, 5)) == [("0", (1, 5, 5), None), ("2", (36,), None)]


def test_a_layer_used_twice_is_listed_once_with_its_largest_input():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2)

        def forward(self, x):
            return self.conv(self.norm(self.conv(x)))

    network = seeded(Twice)
    assert found(network, (2, 9, 9)) == [("conv", (2, 9, 9), None), ("norm", (2, 7, 7), None)]


def test_a_layer_that_no_row_meets_is_left_out():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Conv1d(1, 2, 3), nn.Conv1d(1, 2, 3)

        def forward(self, x):
            return self.used(x)

    assert [name for name, *_ in found(seeded(Idle), (1, 5))] == ["used"]


def test_linear_networks_need_no_row():
    network = sequential(lambda: nn.Linear(3, 4), nn.ReLU, lambda: nn.Linear(4, 2))
    layers = used_layers(network, prefix="backbone")
    assert [(x.name, x.input_shape) for x in layers] == [("backbone.0", (3,)), ("backbone.2", (4,))]
    assert [layer.weight() is layer.module.weight for layer in layers] == [True, True]
    assert used_layers(nn.Identity()) == []


def test_the_trial_moves_nothing():
    network = sequential(
        lambda: nn.Conv2d(1, 4, 3), lambda: nn.BatchNorm2d(4), lambda: nn.Dropout(0.5), nn.Flatten
    )
    network.train()
    network[2].eval()  # modes differ, on purpose
    before = {name: value.clone() for name, value in network.state_dict().items()}
    used_layers(network, (1, 5, 5))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert [module.training for module in network] == [True, True, False, True]
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


def test_a_network_that_draws_in_eval_mode_leaves_the_global_generator_alone():
    """The fixture of conftest.py watches."""

    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(1, 2, 3)

        def forward(self, x):
            return F.dropout(self.conv(x))  # training=True by default

    assert len(used_layers(seeded(Noisy), (1, 5))) == 1


def test_hooks_and_modes_are_put_back_when_the_trial_fails():
    network = sequential(lambda: nn.Conv2d(1, 4, 3), lambda: nn.Linear(7, 2))
    network.train()
    with pytest.raises(RuntimeError):
        used_layers(network, (1, 5, 5))
    assert network[0].training
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (lambda: nn.LayerNorm(5), "LayerNorm"),
        (lambda: nn.Embedding(5, 2), "Embedding"),
        (lambda: nn.GRU(5, 2), "GRU"),
        (lambda: nn.MultiheadAttention(4, 2), "MultiheadAttention"),
        (lambda: nn.InstanceNorm2d(4, affine=True), "InstanceNorm2d"),
        (lambda: nn.PReLU(), "PReLU"),
        (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)), "ParametrizationList"),
    ],
)
def test_layers_without_a_known_norm_are_refused_by_name(layer, name):
    network = sequential(nn.Flatten, layer)
    with pytest.raises(ValueError, match=rf"'net\.1[^']*' \({name}\).*Conv1d to Conv3d"):
        used_layers(network, (1, 5), prefix="net")
    assert all(type(x.module).__name__ != name for x in skipped(network))


def skipped(network):
    return used_layers(network, on_unknown="skip")


def test_convolutions_need_the_shape_of_a_row():
    with pytest.raises(ValueError, match="need the shape of a row: give input_shape"):
        used_layers(sequential(lambda: nn.Conv2d(1, 4, 3)))

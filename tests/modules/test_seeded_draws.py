"""Random construction from one generator: equal to torch's own draws, private, thread-safe."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from torch import nn

from specreg_sklearn.modules import SeededDraws

MODULES = {
    "Linear": lambda: nn.Linear(5, 4),
    "Conv2d": lambda: nn.Conv2d(2, 3, 3),
    "ConvTranspose1d": lambda: nn.ConvTranspose1d(2, 3, 3),
    "Bilinear": lambda: nn.Bilinear(3, 4, 2),
    "LSTM": lambda: nn.LSTM(3, 4, num_layers=2),
    "GRU": lambda: nn.GRU(3, 4),
    "Embedding": lambda: nn.Embedding(6, 3),
    "MultiheadAttention": lambda: nn.MultiheadAttention(8, 2),
    "TransformerEncoderLayer": lambda: nn.TransformerEncoderLayer(8, 2, dim_feedforward=6),
    "randn": lambda: nn.ParameterList([torch.randn(3), torch.rand(3), torch.randn(2)]),
    "trunc_normal_": lambda: nn.ParameterList([nn.init.trunc_normal_(torch.empty(9, 3))]),
    "orthogonal_": lambda: nn.ParameterList([nn.init.orthogonal_(torch.empty(4, 4))]),
    "kaiming_normal_": lambda: nn.ParameterList([nn.init.kaiming_normal_(torch.empty(4, 4))]),
    "xavier_uniform_": lambda: nn.ParameterList([nn.init.xavier_uniform_(torch.empty(4, 4))]),
    "sparse_": lambda: nn.ParameterList([nn.init.sparse_(torch.empty(4, 4), 0.5)]),
}  # fmt: skip


def weights(factory, seed):
    with SeededDraws(torch.Generator().manual_seed(seed)):
        module = factory()
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


@pytest.mark.parametrize("kind", MODULES)
def test_construction_is_reproducible(kind):
    first, again, other = (weights(MODULES[kind], seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("kind", MODULES)
def test_the_global_generator_is_left_alone(kind):
    before = torch.random.get_rng_state()
    weights(MODULES[kind], 1)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("kind", MODULES)
def test_draws_equal_those_of_torch_seeded_globally(kind):
    with torch.random.fork_rng():
        torch.manual_seed(11)
        module = MODULES[kind]()
    expected = torch.cat([parameter.detach().flatten() for parameter in module.parameters()])
    assert torch.equal(weights(MODULES[kind], 11), expected)


def test_an_explicit_generator_wins():
    mine, theirs = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    with SeededDraws(mine):
        drawn = torch.randn(4, generator=theirs)
    assert torch.equal(drawn, torch.randn(4, generator=torch.Generator().manual_seed(2)))
    assert mine.get_state().equal(torch.Generator().manual_seed(1).get_state())


def test_the_generator_moves_on_between_draws(generator):
    with SeededDraws(generator):
        first, second = torch.randn(5), torch.randn(5)
    assert not torch.equal(first, second)


def test_outside_the_context_nothing_is_redirected(generator):
    with SeededDraws(generator):
        torch.randn(3)
    state = generator.get_state()
    with torch.random.fork_rng():
        torch.randn(3)
    assert torch.equal(generator.get_state(), state)


def test_threads_do_not_disturb_each_other():
    """Two threads draw in turns, in step with a barrier, and get what a serial run gets."""

    def build(seed, barrier=None):
        drawn = []
        with SeededDraws(torch.Generator().manual_seed(seed)):
            for _ in range(20):
                if barrier is not None:
                    barrier.wait(timeout=10)
                drawn.append(nn.Linear(6, 6).weight.detach())
        return torch.stack(drawn)

    serial = [build(seed) for seed in (1, 2)]
    barrier = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        threaded = list(pool.map(lambda seed: build(seed, barrier), (1, 2)))
    for alone, together in zip(serial, threaded, strict=True):
        assert torch.equal(alone, together)

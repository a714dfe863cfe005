"""Bounds of branched networks, against Jacobians, difference quotients and exact arithmetic."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from specreg_sklearn.certificates import (
    CertifiedMap,
    NoLipschitzBound,
    TorchGraph,
    module_lipschitz_bound,
    torch_stages,
)
from specreg_sklearn.modules import Network, SeededDraws


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        out = F.relu(self.norm1(self.conv1(x)), inplace=True)
        out = self.norm2(self.conv2(out))
        out += x
        return F.relu(out)


class Branched(nn.Module):
    """Stem, residual block, overlapping pool, two concatenated heads, buffers for scaling."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.3, -0.1]).view(1, 2, 1, 1))
        self.stem = nn.Conv2d(2, 4, 3, stride=2, padding=1, padding_mode="replicate")
        self.block = Residual(4)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        if x.shape[1:] != (2, 8, 8):
            x = x.reshape(len(x), 2, 8, 8)
        x = (x - self.mean) / 0.7
        x = self.block(self.stem(x))
        low = self.pool(x)
        mean = F.adaptive_avg_pool2d(low, 1).flatten(1)
        most = F.max_pool2d(low, 2).view(x.size(0), -1)
        spread = F.avg_pool2d(x, 3, stride=2).mean(dim=(2, 3))
        features = torch.cat([mean, torch.tanh(most) * 0.5, spread], dim=1)
        return self.head(F.dropout(features, 0.2, self.training))


class Pyramid(nn.Module):
    """Transposed convolution, resizing, a slice, a stack, and a gate by GELU."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv1d(2, 4, 4, stride=2, groups=2)
        self.up = nn.ConvTranspose1d(4, 2, 4, stride=2)
        self.norm = nn.BatchNorm1d(2)

    def forward(self, x):
        y = F.gelu(self.norm(self.up(self.down(x))))
        z = F.interpolate(F.avg_pool1d(x, 2), scale_factor=2.0, mode="linear")
        both = torch.stack((y - 0.5 * x, z), dim=2).permute(0, 2, 1, 3)
        return F.pad(both, (1, 0))[:, :, 0].flatten(1)


def _build(kind, generator):
    with SeededDraws(generator):
        module = kind()
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.running_mean.uniform_(-1, 1)
                part.running_var.uniform_(0.3, 2)
                nn.init.uniform_(part.weight, -2, 2)
                nn.init.uniform_(part.bias, -1, 1)
    return module


NETWORKS = {"branched": (Branched, (2, 8, 8)), "pyramid": (Pyramid, (2, 10))}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("seed", range(3))
def test_bounds_exceed_jacobians_and_quotients(name, seed):
    kind, shape = NETWORKS[name]
    module = _build(kind, torch.Generator().manual_seed(seed))
    stages = torch_stages(module, shape)
    function = CertifiedMap(stages)
    pairs, whole = function.pair_constants(), function.lipschitz()
    rng = np.random.default_rng(seed)
    module.double().eval()
    for scale in (0.1, 1.0, 10.0):
        x = torch.from_numpy(scale * rng.standard_normal(shape))
        jacobian = torch.autograd.functional.jacobian(lambda v: module(v[None])[0], x)
        rows = jacobian.reshape(len(pairs), -1).numpy()
        assert np.linalg.norm(rows, 2) <= whole
        assert (np.linalg.norm(rows[:, None] - rows[None], axis=2) <= pairs).all()
    with torch.no_grad():
        a, b = (torch.from_numpy(rng.standard_normal((200, *shape))) for _ in range(2))
        b[:100] = a[:100] + 1e-3 * b[:100]
        steps = (module(a) - module(b)).numpy()
    distance = np.linalg.norm((a - b).numpy().reshape(200, -1), axis=1)
    assert (np.linalg.norm(steps, axis=1) <= whole * distance * (1 + 1e-9)).all()
    differences = np.abs(steps[:, :, None] - steps[:, None])
    assert (differences <= pairs * distance[:, None, None] * (1 + 1e-9)).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_values_are_those_of_the_module(name):
    kind, shape = NETWORKS[name]
    module = _build(kind, torch.Generator().manual_seed(7))
    function = CertifiedMap(torch_stages(module, shape))
    X = np.random.default_rng(1).standard_normal((30, int(np.prod(shape))))
    values, delta = function.evaluate(X)
    with torch.no_grad():
        expected = module.double().eval()(torch.from_numpy(X).reshape(30, *shape)).numpy()
    np.testing.assert_allclose(values, expected, rtol=1e-10, atol=1e-12)
    assert (delta >= 0).all()
    assert (delta.max(axis=1) > 0).all()
    assert delta.max() < 1e-9


def test_last_linear_layers_are_split_off():
    module = _build(Branched, torch.Generator().manual_seed(0))
    kinds = [type(stage).__name__ for stage in torch_stages(module, (2, 8, 8))]
    assert kinds == ["TorchGraph", "Affine"]
    # Rows may be flat: the module's own reshape is followed.
    flat = CertifiedMap(torch_stages(module, (128,)))
    assert flat.lipschitz() == CertifiedMap(torch_stages(module, (2, 8, 8))).lipschitz()


def test_estimator_network(generator):
    with SeededDraws(generator):
        backbone = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU())
        head = nn.Linear(4, 3)
    network = Network(backbone, head, (6,))
    whole = CertifiedMap(torch_stages(network, (6,)))
    apart = CertifiedMap(torch_stages(nn.Sequential(backbone, head), (6,)))
    np.testing.assert_array_equal(whole.pair_constants(), apart.pair_constants())
    assert len(whole.stages) == 5


def test_exact_arithmetic_of_a_small_convolution(generator):
    with SeededDraws(generator):
        layer = nn.Conv1d(2, 2, 3, padding=1)
    graph = TorchGraph(layer, (2, 5))
    X = np.random.default_rng(2).standard_normal((3, 10))
    values, delta = graph.forward(X, np.zeros_like(X))
    weight = layer.weight.detach().numpy()
    for row, computed, bound in zip(X.reshape(3, 2, 5), values, delta, strict=True):
        for position, (value, limit) in enumerate(zip(computed, bound, strict=True)):
            channel, place = divmod(position, 5)
            truth = Fraction(float(layer.bias[channel].detach()))
            for c in range(2):
                for tap in range(3):
                    if 0 <= place + tap - 1 < 5:
                        pixel = Fraction(float(row[c, place + tap - 1]))
                        truth += Fraction(float(weight[channel, c, tap])) * pixel
            assert abs(truth - Fraction(float(value))) <= Fraction(float(limit))


def test_delta_covers_a_branched_network_in_long_double():
    # Same arithmetic at 64 bits of mantissa, written out by hand.
    rng = np.random.default_rng(3)

    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.outer = nn.Linear(20, 20), nn.Linear(40, 5)

        def forward(self, x):
            y = self.inner(x).relu() + x
            return self.outer(torch.cat([y, y.abs() * 3], 1))

    with SeededDraws(torch.Generator().manual_seed(0)):
        module = Sum()
    X = 100 * rng.standard_normal((50, 20))
    values, delta = CertifiedMap(torch_stages(module, (20,))).evaluate(X)
    long = [
        (layer.weight.detach().numpy().astype(np.longdouble), layer.bias.detach().numpy())
        for layer in (module.inner, module.outer)
    ]
    x = X.astype(np.longdouble)
    y = np.maximum(x @ long[0][0].T + long[0][1], 0) + x
    truth = np.concatenate([y, 3 * np.abs(y)], 1) @ long[1][0].T + long[1][1]
    assert (np.abs(truth - values) <= delta).all()
    assert np.abs(truth - values).max() > 0


def test_batch_norm_is_folded(generator):
    with SeededDraws(generator):
        conv, norm = nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3)
        norm.running_var.uniform_(0.01, 4)
        norm.running_mean.uniform_(-1, 1)
    folded = module_lipschitz_bound(nn.Sequential(conv, norm), (2, 6, 6))
    apart = module_lipschitz_bound(nn.Sequential(conv, nn.ReLU(), norm), (2, 6, 6))
    assert folded < apart  # the relu between them keeps them apart
    x = torch.zeros(2, 6, 6, dtype=torch.float64)
    both = nn.Sequential(conv, norm).double().eval()
    jacobian = torch.autograd.functional.jacobian(lambda v: both(v[None])[0], x)
    truth = np.linalg.norm(jacobian.reshape(108, 72).numpy(), 2)
    assert truth <= folded <= 1.01 * truth


@pytest.mark.parametrize("factor", [3.0, 1e-3])
@pytest.mark.parametrize("kind", ["conv", "transposed", "linear"])
def test_scale_before_a_batch_norm_does_not_count(kind, factor, generator):
    layers = {
        "conv": (lambda: nn.Conv2d(2, 4, 3, groups=2), nn.BatchNorm2d(4), (2, 6, 6)),
        "transposed": (
            lambda: nn.ConvTranspose2d(2, 4, 3, stride=2, groups=2), nn.BatchNorm2d(4), (2, 4, 4),
        ),
        "linear": (lambda: nn.Linear(5, 4), nn.BatchNorm1d(4), (5,)),
    }  # fmt: skip
    build, norm, shape = layers[kind]
    with SeededDraws(generator):
        module = nn.Sequential(build(), norm, nn.Tanh(), nn.Flatten()).double()
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)
    before = module_lipschitz_bound(module, shape)
    with torch.no_grad():
        module[0].weight *= factor
        module[0].bias *= factor
        # What the statistics become: eps stays, so the variance makes up for it.
        norm.running_mean *= factor
        norm.running_var.copy_((norm.running_var + norm.eps) * factor**2 - norm.eps)
    assert module_lipschitz_bound(module, shape) == pytest.approx(before, rel=1e-9)


def test_batch_norm_with_two_readers_is_not_folded(generator):
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.norm = nn.Linear(3, 3), nn.BatchNorm1d(3)

        def forward(self, x):
            y = self.linear(x)
            return self.norm(y) + y

    with SeededDraws(generator):
        module = Shared()
    truth = np.linalg.norm(
        np.diag(1 / np.sqrt(1 + module.norm.eps) * np.ones(3))
        @ module.linear.weight.detach().numpy()
        + module.linear.weight.detach().numpy(),
        2,
    )
    assert module_lipschitz_bound(module, (3,)) == pytest.approx(truth, rel=1e-6)


def test_residual_of_the_identity_is_tight():
    class Twice(nn.Module):
        def forward(self, x):
            return x + x

    assert module_lipschitz_bound(Twice(), (4,)) == pytest.approx(2.0, rel=1e-12)


def test_steps_in_place_are_noticed():
    class Sneaky(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x):
            y = x * 1.0
            return self.relu(y) - 3 * y  # y has changed by now

    with pytest.raises(
        NoLipschitzBound, match=r"'relu' \(ReLU\).*in place on a tensor that is used"
    ):
        module_lipschitz_bound(Sneaky(), (4,))


def test_hooks_are_noticed(generator):
    with SeededDraws(generator):
        module = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    module[1].register_forward_hook(lambda layer, inputs, output: 10 * output)
    with pytest.raises(NoLipschitzBound, match="hook"):
        module_lipschitz_bound(module, (3,))


def test_parametrised_weights_count_as_they_are(generator):
    with SeededDraws(generator):
        layer = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
    with torch.no_grad():
        layer.parametrizations.weight.original0.fill_(2.0)
    truth = np.linalg.norm(layer.weight.detach().numpy().astype(float), 2)
    assert module_lipschitz_bound(layer, (4,)) == pytest.approx(truth, rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_weights_are_read_exactly(dtype, generator):
    with SeededDraws(generator):
        module = nn.Sequential(nn.Linear(4, 3), nn.ReLU()).to(dtype)
    truth = np.linalg.norm(module[0].weight.detach().double().numpy(), 2)
    assert module_lipschitz_bound(module, (4,)) == pytest.approx(truth, rel=1e-9)
    assert module[0].weight.dtype == dtype


def test_rows_are_split_into_chunks(monkeypatch, generator):
    with SeededDraws(generator):
        module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2))
    graph = TorchGraph(module, (1, 6, 6))
    X = np.random.default_rng(0).standard_normal((9, 36))
    whole = graph.forward(X, np.zeros_like(X))
    monkeypatch.setattr("specreg_sklearn.certificates.networks._torch_graph._ENTRIES_AT_ONCE", 600)
    parts = graph.forward(X, np.zeros_like(X))
    np.testing.assert_allclose(parts[0], whole[0], atol=1e-14)
    np.testing.assert_allclose(parts[1], whole[1], rtol=1e-9)


def test_other_threads_go_on_predicting_while_a_network_is_recorded():
    """fx hooks into every module of the process; the hook must not catch other threads."""
    with SeededDraws(torch.Generator().manual_seed(0)):
        networks = [
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten()).eval()
            for _ in range(4)
        ]
    rows = torch.ones(3, 1, 6, 6)
    expected = [network(rows) for network in networks]
    alone = [module_lipschitz_bound(network, (1, 6, 6)) for network in networks]

    def work(number: int) -> bool:
        network = networks[number % 4]
        if number % 2:
            return module_lipschitz_bound(network, (1, 6, 6)) == alone[number % 4]
        return all(torch.equal(network(rows), expected[number % 4]) for _ in range(20))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(200)))
    assert torch.equal(networks[0](rows), expected[0])

"""One rule at a time: true constants of windows and moves, and a refusal for all the rest."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from specreg_sklearn.certificates import (
    BoundedLayer,
    NoLipschitzBound,
    TorchGraph,
    module_lipschitz_bound,
    register_lipschitz_rule,
    torch_stages,
)
from specreg_sklearn.modules import SeededDraws


class Call(nn.Module):
    """Runs a function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def dense_norm(module, shape):
    """Norm of a map that is linear apart from a shift."""
    x = torch.zeros(shape, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: module(v[None])[0], x)
    return np.linalg.norm(jacobian.reshape(-1, x.numel()).numpy(), 2)


LINEAR = {
    "avg k2": (nn.AvgPool2d(2), (2, 6, 6)),
    "avg k3 s2": (nn.AvgPool2d(3, 2), (1, 7, 9)),
    "avg k3 s1 p1": (nn.AvgPool2d(3, 1, 1), (1, 6, 5)),
    "avg p1 not counted": (nn.AvgPool2d(3, 2, 1, count_include_pad=False), (1, 6, 6)),
    "avg ceil": (nn.AvgPool2d(3, 2, 1, ceil_mode=True), (1, 6, 6)),
    "avg ceil not counted": (
        nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False), (1, 5, 5)),
    "avg divisor": (nn.AvgPool2d((2, 3), divisor_override=5), (1, 6, 6)),
    "avg 1d": (nn.AvgPool1d(3, 2), (2, 9)),
    "avg 3d": (nn.AvgPool3d(2, 1), (1, 4, 3, 3)),
    "adaptive 1": (nn.AdaptiveAvgPool2d(1), (3, 5, 4)),
    "adaptive overlapping": (nn.AdaptiveAvgPool2d((3, 2)), (1, 5, 5)),
    "adaptive none": (nn.AdaptiveAvgPool2d((None, 2)), (1, 4, 5)),
    "adaptive up": (nn.AdaptiveAvgPool1d(7), (1, 3)),
    "up nearest": (nn.Upsample(scale_factor=2), (2, 3, 4)),
    "up nearest odd": (nn.Upsample(scale_factor=1.5), (1, 5, 4)),
    "up size": (nn.Upsample(size=(7, 5)), (1, 3, 4)),
    "up exact": (nn.Upsample(size=(5, 5), mode="nearest-exact"), (1, 3, 3)),
    "up bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), (1, 3, 4)),
    "up corners": (nn.Upsample(size=(6, 5), mode="bilinear", align_corners=True), (1, 3, 4)),
    "up linear": (nn.Upsample(scale_factor=3, mode="linear"), (2, 4)),
    "up trilinear": (nn.Upsample(scale_factor=2, mode="trilinear"), (1, 2, 3, 2)),
    "zero pad": (nn.ZeroPad2d(2), (1, 3, 3)),
    "constant pad": (nn.ConstantPad1d((1, 2), 3.5), (2, 3)),
    "crop": (nn.ZeroPad2d(-1), (1, 5, 5)),
    "reflect": (nn.ReflectionPad2d(1), (1, 5, 5)),
    "replicate": (nn.ReplicationPad2d((2, 0, 1, 1)), (1, 4, 4)),
    "replicate 1d": (nn.ReplicationPad1d(3), (1, 4)),
    "circular": (nn.CircularPad2d(1), (1, 4, 4)),
    "shuffle": (nn.PixelShuffle(2), (4, 2, 3)),
    "unshuffle": (nn.PixelUnshuffle(2), (1, 4, 4)),
    "channels": (nn.ChannelShuffle(2), (4, 2, 2)),
    "unflatten": (nn.Unflatten(1, (2, 3)), (6,)),
    "flatten": (nn.Flatten(2), (2, 3, 2)),
    "linear on axes": (nn.Linear(3, 2), (4, 3)),
    "mean": (Call(lambda x: x.mean((2, 3))), (2, 3, 5)),
    "mean keep": (Call(lambda x: torch.mean(x, dim=-1, keepdim=True)), (2, 3)),
    "sum": (Call(lambda x: x.sum(1)), (4, 2)),
    "slice": (Call(lambda x: x[:, 1:3, ..., 0]), (4, 3, 2)),
    "transpose": (Call(lambda x: x.transpose(1, -1).contiguous()), (2, 3)),
    "permute": (Call(lambda x: x.permute(0, 2, 1)), (2, 3)),
    "reshape": (Call(lambda x: x.reshape(len(x), -1)), (2, 3)),
    "view": (Call(lambda x: x.view(x.shape[0], 3, 2)), (2, 3)),
    "squeeze": (Call(lambda x: x.unsqueeze(1).squeeze(1)), (3,)),
    "scale": (Call(lambda x: 3 * x / 2), (3,)),
    "shift": (Call(lambda x: 1 - (x + 2)), (3,)),
    "alpha": (Call(lambda x: torch.add(x, x, alpha=2)), (3,)),
    "negative": (Call(lambda x: -x), (3,)),
    "pad function": (Call(lambda x: F.pad(x, (1, 1), mode="replicate")), (2, 3)),
    "pad zeros": (Call(lambda x: F.pad(x, (1, 1, 0, 2))), (2, 3)),
    "interpolate": (Call(lambda x: F.interpolate(x, scale_factor=2.0)), (1, 3)),
    "cat twice": (Call(lambda x: torch.cat([x, 2 * x], dim=-1)), (3,)),
    "broadcast sum": (Call(lambda x: x.mean(1, keepdim=True) + 0 * x), (4,)),
}  # fmt: skip


@pytest.mark.parametrize("name", LINEAR)
def test_linear_rules_give_the_norm_of_the_operator(name):
    module, shape = LINEAR[name]
    if isinstance(module, nn.Linear):
        with SeededDraws(torch.Generator().manual_seed(0)):
            module.reset_parameters()
    module = module.double()
    graph = TorchGraph(module, shape)
    truth = dense_norm(module, shape)
    assert graph.lipschitz() >= truth * (1 - 1e-12)
    assert graph.lipschitz() <= truth * (1 + 1e-9)
    X = np.random.default_rng(0).standard_normal((2, graph.n_inputs))
    values, delta = graph.forward(X, np.zeros_like(X))
    with torch.no_grad():
        expected = module(torch.from_numpy(X).reshape(2, *shape)).reshape(2, -1).numpy()
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-13)
    assert (delta < 1e-12).all()


@pytest.mark.parametrize(
    ("pool", "shape", "constant"),
    [
        (nn.MaxPool2d(2), (1, 6, 6), 1.0),
        (nn.MaxPool2d(3, 2), (1, 9, 9), 2.0),
        (nn.MaxPool2d(3, 1), (1, 9, 9), 3.0),
        (nn.MaxPool1d(3, 1, 1), (1, 8), np.sqrt(3)),
        (nn.MaxPool2d(3, 2), (1, 3, 3), 1.0),  # a single window
        (nn.MaxPool2d(3, 2, 1, ceil_mode=True), (1, 6, 6), 2.0),
        (nn.MaxPool1d(2, 2, dilation=2), (1, 9), np.sqrt(2)),
        (nn.MaxPool1d(2, 1, dilation=3), (1, 9), np.sqrt(2)),
        (nn.MaxPool3d(2, 1), (1, 4, 4, 4), np.sqrt(8)),
        (nn.AdaptiveMaxPool2d(1), (2, 5, 5), 1.0),
        (nn.AdaptiveMaxPool1d(3), (1, 5), np.sqrt(2)),
    ],
)
def test_max_pools_attain_their_constant(pool, shape, constant):
    bound = module_lipschitz_bound(pool, shape)
    assert bound == pytest.approx(constant, rel=1e-12)
    # One raised pixel in the middle of everything reaches all of its windows.
    best = 0.0
    zeros = torch.zeros(1, *shape, dtype=torch.float64)
    for position in range(zeros.numel()):
        raised = zeros.clone()
        raised.view(-1)[position] = 1.0
        best = max(best, float(torch.linalg.vector_norm(pool(raised) - pool(zeros))))
    assert best == pytest.approx(constant, rel=1e-12)


def test_extremes_over_axes():
    bound = module_lipschitz_bound(Call(lambda x: x.amax(dim=(2, 3)) - x.amin((2, 3))), (2, 3, 3))
    assert bound == pytest.approx(2.0, rel=1e-12)


ACTIVATION_CALLS = {
    "relu": (lambda x: F.relu(x), 1.0),
    "method": (lambda x: x.relu(), 1.0),
    "relu6": (lambda x: F.relu6(x), 1.0),
    "leaky": (lambda x: F.leaky_relu(x, 2.0), 2.0),
    "leaky by name": (lambda x: F.leaky_relu(x, negative_slope=-3.0), 3.0),
    "elu": (lambda x: F.elu(x, alpha=1.5), 1.5),
    "selu": (lambda x: F.selu(x), 1.758099341),
    "gelu": (lambda x: F.gelu(x), 1.128904146),
    "gelu tanh": (lambda x: F.gelu(x, approximate="tanh"), 1.12899307),
    "silu": (lambda x: F.silu(x), 1.099839321),
    "softplus": (lambda x: F.softplus(x, beta=2.0), 1.0),
    "sigmoid": (lambda x: torch.sigmoid(x), 0.25),
    "tanh": (lambda x: x.tanh(), 1.0),
    "hardtanh": (lambda x: F.hardtanh(x, -2.0, 3.0), 1.0),
    "clamp": (lambda x: torch.clamp(x, min=0), 1.0),
    "clip": (lambda x: x.clip(-1, 1), 1.0),
    "abs": (lambda x: abs(x), 1.0),
    "logsigmoid": (lambda x: F.logsigmoid(x), 1.0),
    "dropout": (lambda x: F.dropout(x, 0.5, training=False), 1.0),
}


@pytest.mark.parametrize("name", ACTIVATION_CALLS)
def test_functional_activations(name):
    function, constant = ACTIVATION_CALLS[name]
    assert module_lipschitz_bound(Call(function), (5,)) == pytest.approx(constant, abs=2e-9)


def test_prelu_per_channel():
    layer = nn.PReLU(3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.5, -2.0, 1.5]))
    graph = TorchGraph(layer, (3, 4))
    assert graph.lipschitz() == 2.0
    X = np.random.default_rng(0).standard_normal((2, 12))
    with torch.no_grad():
        expected = layer.double()(torch.from_numpy(X).reshape(2, 3, 4)).reshape(2, 12).numpy()
    np.testing.assert_allclose(graph.forward(X, 0 * X)[0], expected, rtol=1e-14)


def embedded(layer):
    return nn.Sequential(nn.Identity(), nn.ModuleDict({"inner": layer})["inner"])


REFUSED = {
    "layer norm": (lambda: nn.LayerNorm(6), (6,), r"'1' \(LayerNorm\).*spread"),
    "group norm": (lambda: nn.GroupNorm(2, 4), (4, 3), r"'1' \(GroupNorm\)"),
    "instance norm": (lambda: nn.InstanceNorm1d(4), (4, 3), r"'1' \(InstanceNorm1d\)"),
    "attention": (lambda: nn.MultiheadAttention(4, 1), (3, 4), r"'1' \(MultiheadAttention\)"),
    "encoder": (
        lambda: nn.TransformerEncoderLayer(4, 1, 8), (3, 4), r"'1' \(TransformerEncoderLayer\)"),
    "lstm": (lambda: nn.LSTM(4, 3), (3, 4), r"'1' \(LSTM\).*length of the sequence"),
    "embedding": (lambda: nn.Embedding(3, 2), (4,), r"'1' \(Embedding\).*integers"),
    "softmax": (lambda: nn.Softmax(dim=1), (4,), r"'1' \(Softmax\).*logits"),
    "log softmax": (lambda: nn.LogSoftmax(dim=1), (4,), r"'1' \(LogSoftmax\).*logits"),
    "hardshrink": (lambda: nn.Hardshrink(), (4,), r"'1' \(Hardshrink\).*jumps"),
    "bicubic": (lambda: nn.Upsample(scale_factor=2, mode="bicubic"), (1, 4, 4), r"'1'.*'bicubic'"),
    "no statistics": (
        lambda: nn.BatchNorm1d(4, track_running_stats=False), (4,),
        r"'1' \(BatchNorm1d\).*running statistics"),
    "product": (lambda: Call(lambda x: x * x), (4,), r"'mul' in '1'"),
    "matmul": (lambda: Call(lambda x: x @ x.transpose(1, 2)), (3, 4), r"'matmul' in '1'"),
    "quotient": (lambda: Call(lambda x: 1 / x.abs()), (4,), r"in '1'.*divides by|reciprocal"),
    "softmax call": (lambda: Call(lambda x: x.softmax(-1)), (4,), r"'softmax' in '1'.*no rule"),
    "normalize": (lambda: Call(lambda x: F.normalize(x)), (4,), r"in '1'"),
    "square": (lambda: Call(lambda x: x**2), (4,), r"'pow' in '1'"),
    "exp": (lambda: Call(torch.exp), (4,), r"'exp' in '1'"),
    "rows mixed": (lambda: Call(lambda x: x - x.mean(0)), (4,), r"'mean' in '1'.*rows"),
    "all rows": (lambda: Call(lambda x: x - x.mean()), (4,), r"'mean' in '1'.*rows"),
    "batch axis": (lambda: Call(lambda x: x.transpose(0, 1)), (7,), r"axis of the rows"),
    "batch slice": (lambda: Call(lambda x: torch.cat([x[:1], x[1:]])), (4,), r"rows"),
    "batch flatten": (lambda: Call(lambda x: x.flatten()), (4,), r"mixes the rows"),
    "random": (lambda: Call(lambda x: F.dropout(x, 0.5)), (4,), r"'dropout' in '1'.*random"),
    "control flow": (
        lambda: Call(lambda x: x if x.sum() > 0 else -x), (4,), r"depend on the values"),
    "rounding": (lambda: Call(torch.floor), (4,), r"'floor' in '1'"),
    "floor division": (
        lambda: Call(lambda x: torch.div(x, 2, rounding_mode="floor")), (4,), r"'div'.*jumps"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_constant_is_refused_by_name(name, generator):
    build, shape, message = REFUSED[name]
    with SeededDraws(generator):
        module = embedded(build())
    with pytest.raises(NoLipschitzBound, match=message):
        module_lipschitz_bound(module, shape)
    with pytest.raises(TypeError):
        torch_stages(module, shape)


def test_several_inputs_or_outputs_are_refused():
    with pytest.raises(NoLipschitzBound, match="returns several values"):
        module_lipschitz_bound(Call(lambda x: (x, x)), (3,))
    with pytest.raises(NoLipschitzBound, match="constant"):
        module_lipschitz_bound(Call(lambda x: torch.zeros(2, 2)), (3,))
    with pytest.raises(NoLipschitzBound, match="returns indices"):
        module_lipschitz_bound(nn.MaxPool1d(2, return_indices=True), (1, 4))


class Weighted(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 3))

    def forward(self, x):
        return F.linear(x, self.weight)


def test_loose_weights_are_refused():
    with pytest.raises(NoLipschitzBound, match=r"'linear'.*weights"):
        module_lipschitz_bound(Weighted(), (3,))


class Overridden(nn.Linear):
    def forward(self, x):
        return 100 * super().forward(x)


def test_subclass_with_its_own_forward_is_not_taken_for_its_base(generator):
    with SeededDraws(generator):
        layer = Overridden(2, 2)
    with pytest.raises(NoLipschitzBound, match="weights"):
        module_lipschitz_bound(layer, (2,))


class Plain(nn.Linear):
    """A subclass that changes nothing."""


def test_subclass_without_its_own_forward_is_covered(generator):
    with SeededDraws(generator):
        layer = Plain(3, 2)
    truth = np.linalg.norm(layer.weight.detach().numpy().astype(float), 2)
    assert module_lipschitz_bound(layer, (3,)) == pytest.approx(truth, rel=1e-9)


class Doubling(nn.Module):
    def forward(self, x):
        return torch.where(x > 0, 2 * x, x)


def test_third_parties_can_register_a_layer():
    with pytest.raises(NoLipschitzBound):
        module_lipschitz_bound(Doubling(), (3,))
    register_lipschitz_rule(Doubling)(lambda layer, input_shape: BoundedLayer(layer, 2.0))
    graph = TorchGraph(nn.Sequential(Doubling(), nn.Tanh()), (3,))
    assert graph.lipschitz() == 2.0
    X = np.array([[1.0, -1.0, 0.5]])
    values, delta = graph.forward(X, np.full_like(X, 1e-6))
    np.testing.assert_allclose(values, np.tanh([[2.0, -1.0, 1.0]]))
    assert (delta >= 2e-6).all()


def test_registered_rule_for_a_function_name_needs_the_real_function():
    def relu(x):
        return 5 * torch.exp(x)

    with pytest.raises(NoLipschitzBound, match="exp"):
        module_lipschitz_bound(Call(relu), (3,))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bad_weights(value, generator):
    with SeededDraws(generator):
        module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    with torch.no_grad():
        module[0].weight[0, 0] = value
    with pytest.raises(ValueError, match=r"'0\.weight' holds NaN or infinite"):
        module_lipschitz_bound(module, (3,))
    with torch.no_grad():
        module[0].weight[0, 0] = 1.0
        module[1].running_mean[1] = value
    with pytest.raises(ValueError, match=r"'1\.running_mean' holds NaN or infinite"):
        module_lipschitz_bound(module, (3,))


def test_bad_arguments(generator):
    with SeededDraws(generator):
        module = nn.Sequential(nn.Linear(3, 2))
    with pytest.raises(ValueError, match=r"rows of shape \(4,\); its part '0'"):
        module_lipschitz_bound(module, (4,))
    with pytest.raises(TypeError, match=r"must be a torch\.nn\.Module"):
        module_lipschitz_bound("mlp", (4,))
    norm = nn.BatchNorm1d(2)
    norm.running_var.fill_(-1.0)
    with pytest.raises(ValueError, match=r"'0' \(BatchNorm1d\).*positive"):
        module_lipschitz_bound(nn.Sequential(norm), (2,))
    with pytest.raises(ValueError, match=r"alpha=-1\.0 of celu"):
        module_lipschitz_bound(nn.CELU(-1.0), (2,))


def test_training_mode_means_the_function_of_eval_mode(generator):
    with SeededDraws(generator):
        module = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    bound = module_lipschitz_bound(module, (3,))
    assert bound == module_lipschitz_bound(module.eval(), (3,))

"""The spectral penalties on convolutional networks, with and without batch norms."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.penalties import LLSpectral, Penalty, PenaltyReport, RepSpectral, bind_penalty
from tests.grids import diagonal

SHAPE = (1, 8, 8)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def conv_layers(input_shape):
    return nn.Sequential(
        nn.Conv2d(input_shape[0], 4, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(96, 10),
        nn.ReLU(),
    )


def batch_norm_layers(input_shape):
    return nn.Sequential(
        nn.Conv2d(input_shape[0], 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(1734, 10),
        nn.BatchNorm1d(10),
    )


def pre_activation_layers(input_shape):
    """A batch norm on the rows themselves, which no layer precedes."""
    return nn.Sequential(
        nn.BatchNorm2d(input_shape[0]),
        nn.Conv2d(input_shape[0], 4, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
    )


def parts_of(factory, dtype=torch.float64):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = factory(SHAPE).to(dtype)
        rows = torch.randn(40, *SHAPE, dtype=dtype)
        n_features = backbone.eval()(rows).shape[1]
        head = nn.Linear(n_features, 3).to(dtype)
        for layer in backbone:
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.weight.data.uniform_(-2, 2)
    remember(backbone, rows)
    return backbone, head, rows


def remember(backbone, rows):
    """Let the running statistics of all batch norms be those of the rows."""
    norms = [x for x in backbone if isinstance(x, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = 1.0
    backbone.train()
    with torch.no_grad():
        backbone(rows)
    backbone.eval()


def bound_to(backbone, head, penalty=None):
    penalty = RepSpectral() if penalty is None else penalty
    return penalty.bind(backbone, head, generator=seeded(1), input_shape=SHAPE)


def true_norms(backbone):
    """Norms of the weighted layers as dense matrices, each with the batch norm behind it."""
    layers, norms = list(backbone), []
    shape = SHAPE
    index = 0
    while index < len(layers):
        layer = layers[index]
        following = layers[index + 1] if index + 1 < len(layers) else None
        steps = [layer]
        if (
            isinstance(following, nn.modules.batchnorm._BatchNorm)
            and next(layer.parameters(), None) is not None
        ):
            steps.append(following)
        unit = torch.eye(math.prod(shape), dtype=torch.float64).view(-1, *shape)
        with torch.no_grad():
            images, origin = unit, torch.zeros_like(unit[:1])
            for step in steps:
                images, origin = step(images), step(origin)
            if next(layer.parameters(), None) is not None:
                matrix = (images - origin).flatten(1)
                norms.append(float(torch.linalg.svdvals(matrix)[0]))
        shape = images.shape[1:]
        index += len(steps)
    return norms


FACTORIES = [conv_layers, batch_norm_layers, pre_activation_layers]


@pytest.mark.parametrize("factory", FACTORIES)
def test_the_report_is_the_sum_of_squares_of_dense_norms(factory):
    backbone, head, _ = parts_of(factory)
    expected = sum(norm**2 for norm in true_norms(backbone))
    report = bound_to(backbone, head).report()
    assert report.value == pytest.approx(expected, rel=1e-5)
    readout = float(torch.linalg.svdvals(head.weight.detach())[0]) ** 2
    ll = bound_to(backbone, head, LLSpectral()).report()
    assert ll.value == pytest.approx(expected + readout, rel=1e-5)


@pytest.mark.parametrize("factory", FACTORIES)
def test_the_value_comes_close_from_below(factory):
    backbone, head, _ = parts_of(factory)
    bound = bound_to(backbone, head)
    for _ in range(40):
        value = float(bound.value().detach())
    expected = sum(norm**2 for norm in true_norms(backbone))
    assert value <= expected * (1 + 1e-9)
    assert value == pytest.approx(expected, rel=0.03)


def test_layer_names_leave_out_folded_batch_norms():
    backbone, head, _ = parts_of(batch_norm_layers)
    assert bound_to(backbone, head).layer_names == ("backbone.0", "backbone.3", "backbone.7")
    ll = bound_to(backbone, head, LLSpectral())
    assert ll.layer_names[-1] == "head"
    backbone, head, _ = parts_of(pre_activation_layers)
    assert bound_to(backbone, head).layer_names == ("backbone.0", "backbone.1")


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("penalty", [RepSpectral(), LLSpectral(), RepSpectral(method="fourier")])
def test_the_fast_path_equals_automatic_differentiation(factory, penalty):
    gradients = []
    for fast in (True, False):
        backbone, head, _ = parts_of(factory)
        parameters = [*backbone.parameters(), *head.parameters()]
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        bound = bound_to(backbone, head, penalty)
        if fast:
            bound.add_gradient(0.7)
        else:
            (0.7 * bound.value()).backward()
        gradients.append([parameter.grad for parameter in parameters])
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-11)
    assert sum(bool(gradient.any()) for gradient in gradients[0]) >= 2


@pytest.mark.parametrize("factory", FACTORIES)
def test_the_gradient_equals_central_differences_of_the_exact_penalty(factory):
    """Positive taps have tops that stand apart; the gains and all weights are moved at once."""
    backbone, head, _ = parts_of(factory)
    with torch.no_grad():
        for layer in backbone:
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                layer.weight.abs_()
            elif isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.weight.copy_(torch.linspace(0.5, 2, len(layer.weight)))
    bound = bound_to(backbone, head, RepSpectral(method="operator"))
    for _ in range(60):
        bound.value()
    bound.value().backward()
    parameters = [p for p in backbone.parameters() if p.grad is not None]
    moves = [torch.randn(p.shape, generator=seeded(3), dtype=torch.float64) for p in parameters]
    slope = sum(float((p.grad * move).sum()) for p, move in zip(parameters, moves, strict=True))
    ends = []
    for step in (1e-6, -2e-6):
        with torch.no_grad():
            for parameter, move in zip(parameters, moves, strict=True):
                parameter.add_(move, alpha=step)
        ends.append(sum(norm**2 for norm in true_norms(backbone)))
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=2e-4)


@pytest.mark.parametrize("factory", [batch_norm_layers])
def test_batch_norm_takes_out_the_scale_of_the_weights(factory):
    """Weights times 3 give means times 3 and variances times 9: the same network."""
    backbone, head, rows = parts_of(factory)
    backbone[1].eps = backbone[4].eps = backbone[8].eps = 1e-14
    remember(backbone, rows)
    before = bound_to(backbone, head).report().value
    outputs = backbone(rows)
    with torch.no_grad():
        for layer in (backbone[0], backbone[3], backbone[7]):
            layer.weight.mul_(3)
            layer.bias.mul_(3)
    assert bound_to(backbone, head).report().value > 2 * before  # the old statistics
    remember(backbone, rows)
    torch.testing.assert_close(backbone(rows), outputs)
    assert bound_to(backbone, head).report().value == pytest.approx(before, rel=1e-9)


def test_the_mode_of_the_network_does_not_matter():
    backbone, head, _ = parts_of(batch_norm_layers)
    evaluated = bound_to(backbone, head).value()
    backbone.train()
    assert float(bound_to(backbone, head).value().detach()) == float(evaluated.detach())
    assert backbone.training


def test_a_batch_norm_without_statistics_is_refused_by_name():
    with torch.random.fork_rng():
        backbone = nn.Sequential(
            nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False), nn.Flatten()
        )
        head = nn.Linear(72, 3)
    with pytest.raises(ValueError, match=r"RepSpectral.*'backbone\.0'.*no running statistics"):
        bound_to(backbone, head)


def test_convolutions_without_a_shape_say_what_is_missing():
    backbone, head, _ = parts_of(conv_layers)
    with pytest.raises(ValueError, match=r"RepSpectral.*give input_shape"):
        RepSpectral().bind(backbone, head, generator=seeded())


@pytest.mark.parametrize("method", ["fft", None, 3])
def test_an_unknown_method_names_itself(method):
    backbone, head, _ = parts_of(conv_layers)
    with pytest.raises(ValueError, match=rf"method={method!r} must be one of"):
        bound_to(backbone, head, RepSpectral(method=method))


def test_frozen_layers_are_left_alone():
    backbone, head, _ = parts_of(batch_norm_layers)
    for parameter in backbone.parameters():
        parameter.grad = torch.zeros_like(parameter)
    backbone[0].weight.grad = None
    backbone[0].weight.requires_grad_(False)
    backbone[4].weight.grad = None
    bound_to(backbone, head).add_gradient(1.0)
    assert backbone[0].weight.grad is None
    assert backbone[4].weight.grad is None
    assert backbone[1].weight.grad.any()  # the gain behind the frozen weight still learns
    assert backbone[3].weight.grad.any()


def test_a_vanished_network_gives_zero_and_finite_gradients():
    backbone, head, _ = parts_of(batch_norm_layers)
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.zero_()
            parameter.grad = torch.zeros_like(parameter)
    bound = bound_to(backbone, head)
    assert float(bound.value().detach()) == 0
    bound.add_gradient(1.0)
    assert all(not parameter.grad.any() for parameter in backbone.parameters())
    assert bound.report() == (0.0, 0.0)


def test_input_shape_goes_to_those_that_ask_for_it():
    seen = {}

    class Old(Penalty):
        def bind(self, backbone, head, *, generator):
            seen["old"] = generator
            return self

    class Open(Penalty):
        def bind(self, backbone, head, **settings):
            seen["open"] = settings
            return self

    generator = seeded()
    for penalty in (Old(), Open()):
        bind_penalty(penalty, nn.Identity(), nn.Identity(), generator=generator, input_shape=SHAPE)
    assert seen == {"old": generator, "open": {"generator": generator, "input_shape": SHAPE}}


@pytest.fixture(scope="module")
def digit_rows():
    X, y = load_digits(return_X_y=True)
    return (X[:600] / 16).astype(np.float32), y[:600]


def encoder(factory, **changes):
    settings = {"input_shape": SHAPE, "max_iter": 8, "random_state": 0, "batch_size": 100}
    settings |= {"alpha": 2e-3, "learning_rate_init": 1e-2, "n_iter_no_change": 20}
    return SpectrallyRegularizedEncoder(factory, **(settings | changes))


@pytest.mark.parametrize(
    ("factory", "penalty"),
    diagonal([conv_layers, batch_norm_layers], ["ll_spectral", "rep_spectral"]),
)
def test_an_encoder_trains_with_the_penalty(digit_rows, factory, penalty):
    X, y = digit_rows
    free = encoder(factory, penalty=None).fit(X, y)
    held = encoder(factory, penalty=penalty).fit(X, y)
    assert held.score(X, y) > 0.7

    def size(model):
        return sum(v**2 for name, v in model.spectral_norms_.items() if name != "head")

    assert size(held) < size(free)
    assert len(held.penalty_curve_) == 8
    assert held.net_.history[-1, "penalty_error"] < 0.05
    covered = ["backbone.0", "backbone.2", "backbone.5"]
    if factory is batch_norm_layers:
        covered = ["backbone.0", "backbone.3", "backbone.7"]
    assert list(held.spectral_norms_) == [*covered, "head"]
    dense = true_norms(held.module_.backbone.double().eval())
    reported = [held.spectral_norms_[name] for name in covered]
    np.testing.assert_allclose(reported, dense, rtol=2e-4)
    assert held.penalty_curve_[-1] == pytest.approx(
        sum(norm**2 for norm in dense)
        + (held.spectral_norms_["head"] ** 2 if penalty == "ll_spectral" else 0.0),
        rel=1e-2,
    )


def flat(model):
    return torch.cat(
        [value.detach().flatten().float() for value in model.module_.state_dict().values()]
    )


def test_clone_pickle_refit_and_warm_start(digit_rows):
    X, y = digit_rows
    X, y = X[:200], y[:200]
    model = encoder(batch_norm_layers, max_iter=3).fit(X, y)
    weights = flat(model).clone()
    assert torch.equal(flat(clone(model).fit(X, y)), weights)
    assert torch.equal(flat(model.fit(X, y)), weights)
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict_proba(X), model.predict_proba(X))
    assert restored.spectral_norms_ == model.spectral_norms_
    warm = encoder(batch_norm_layers, max_iter=3, warm_start=True).fit(X, y)
    assert len(warm.fit(X, y).loss_curve_) > 3


def test_a_user_module_without_a_known_norm_trains_without_the_penalty(digit_rows):
    def with_layer_norm(input_shape):
        return nn.Sequential(
            nn.Conv2d(1, 2, 3), nn.Flatten(), nn.LayerNorm(72), nn.Linear(72, 8), nn.ReLU()
        )

    model = encoder(with_layer_norm, penalty=None, max_iter=1).fit(*digit_rows)
    assert math.isnan(model.spectral_norms_["backbone.2"])
    assert model.spectral_norms_["backbone.0"] > 0
    with pytest.raises(ValueError, match=r"'backbone\.2' \(LayerNorm\)"):
        encoder(with_layer_norm, max_iter=1).fit(*digit_rows)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.5, 1.5])
def test_the_estimate_follows_200_steps_of_a_convolutional_network(noise):
    """3-64-64-128 on 32 x 32 under Adam with the penalty on, against Lanczos at every step."""
    from specreg_sklearn.spectral import Convolution, convolution_norm, follow_convolution

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 64, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 128, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(128, 10),
        )
        y = torch.randint(0, 10, (512,))
        patterns = F.interpolate(torch.randn(10, 3, 8, 8), size=32, mode="bilinear")
        X = patterns[y] + noise * torch.randn(512, 3, 32, 32)
    layers = [layer for layer in model if isinstance(layer, nn.Conv2d)]
    operators = [Convolution.from_layer(x, (x.in_channels, 32, 32)) for x in layers]
    iterations = [follow_convolution(operator, generator=seeded()) for operator in operators]
    optimizer = torch.optim.Adam(model.parameters())
    generator, errors = seeded(7), []
    for _ in range(200):
        batch = torch.randint(0, 512, (32,), generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(model(X[batch]), y[batch]).backward()
        for layer, operator, iteration in zip(layers, operators, iterations, strict=True):
            true = convolution_norm(operator.with_weight(layer.weight), tol=1e-3)
            top = iteration.update(layer.weight)
            layer.weight.grad.add_(top.gradient, alpha=0.01)
            errors.append(abs(top.value**0.5 / true - 1))
        optimizer.step()
    assert np.median(errors) < 0.05
    assert max(errors) < 0.10


def test_a_report_holds_plain_numbers():
    backbone, head, _ = parts_of(conv_layers, torch.float32)
    report = bound_to(backbone, head).report()
    assert isinstance(report, PenaltyReport)
    assert all(type(entry) is float for entry in report)

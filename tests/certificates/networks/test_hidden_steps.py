"""What a recording does not see: the bound is above every slope that is found, or it is refused."""

from __future__ import annotations

import functools
import itertools
import random
import re
import types

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune

from specreg_sklearn.certificates import NoLipschitzBound, module_lipschitz_bound, torch_stages
from specreg_sklearn.modules import SeededDraws


class Call(nn.Module):
    """Runs a function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def largest_slope(module, shape, *, dtype=torch.float64):
    """Largest quotient of differences over pairs of rows at many scales, one pair at a time."""
    draws = torch.Generator().manual_seed(0)
    best = 0.0
    with torch.no_grad():
        for scale, n in itertools.product((0.5, 6.0, 25.0, 2e3), (1, 2, 40)):
            a = scale * torch.randn(n, *shape, generator=draws, dtype=torch.float64)
            b = a + 1e-3 * torch.randn(n, *shape, generator=draws, dtype=torch.float64)
            a, b = a.to(dtype), b.to(dtype)
            far = (module(a.clone()) - module(b.clone())).double().flatten(1).norm(dim=1)
            best = max(best, float((far / (a - b).double().flatten(1).norm(dim=1)).max()))
    return best


def bound_or_refusal(module, shape):
    """Return the refusal, or None after a bound that is above the slopes was given."""
    try:
        bound = module_lipschitz_bound(module, shape)
    except NoLipschitzBound as error:
        return str(error)
    assert largest_slope(module.double().eval(), shape) <= bound * (1 + 1e-6)
    return None


def hidden(step):
    """Put a step where rows of ordinary size leave no trace of it."""
    return nn.Sequential(nn.Softshrink(5.0), step)


# --- steps in place -------------------------------------------------------------------------------


def plus_equals(x):
    y = x * 1.0
    z = y
    y += x.relu()
    return y + z


def minus_equals(x):
    y = x * 1.0
    z = y
    y -= 3 * x
    return z


def times_equals(x):
    y = x * 1.0
    z = y
    y *= 3
    return y + z


def divided_equals(x):
    y = x * 1.0
    z = y
    y /= 0.25
    return z


def relu_of_shared(x):
    y = x * 1.0
    y.relu_()
    return y - x.abs()


def add_in_a_statement(x):
    y = x * 1.0
    y.add_(x.relu(), alpha=5)
    return y


def functional_relu(x):
    y = x * 1.0
    z = F.relu(y, inplace=True)
    return z - 3 * y


def functional_relu_by_position(x):
    y = x * 1.0
    return F.relu(y, True) - 3 * y


def functional_relu_underscore(x):
    y = x * 1.0
    torch.relu_(y)
    return y - x


def through_a_view(x):
    y = x * 1.0
    y[:, :1].mul_(5)
    return y


def through_a_reshape(x):
    y = x * 1.0
    y.view(len(x), -1).mul_(5)
    return y


def through_flatten(x):
    y = x * 1.0
    torch.flatten(y, 1).mul_(5)
    return y


def through_detach(x):
    y = x * 1.0
    y.detach().mul_(5)
    return y


def through_a_split(x):
    y = x * 1.0
    first, _ = torch.split(y, 1, dim=1)
    first.mul_(5)
    return y


def through_unbind(x):
    y = x * 1.0
    y.unbind(1)[0].mul_(5)
    return y


def through_data(x):
    y = x * 1.0
    y.data.mul_(5)
    return y


def through_numpy(x):
    y = x * 1.0
    y.numpy()[...] *= 5
    return y


def assignment(x):
    y = x * 1.0
    y[:, 0] = 7 * x[:, 0]
    return y


def masked_assignment(x):
    y = x * 1.0
    y[y > 3] = 0.0
    return y


def assignment_to_zeros(x):
    y = torch.zeros(x.shape, dtype=x.dtype)
    y[:, 0] = 7 * x[:, 0]
    return y + x


def out_argument(x):
    y = x * 1.0
    torch.mul(x, 7, out=y)
    return y


def masked_fill(x):
    y = x * 1.0
    y.masked_fill_(y > 3, 0.0)
    return y


def copied_into(x):
    y = x * 1.0
    y.copy_(7 * x)
    return y


def clamped(x):
    y = x * 1.0
    z = y.clamp_(max=0.0)
    return 2 * y - z


def input_changed(x):
    y = x.mul_(5)
    return y + x


IN_PLACE = [
    plus_equals, minus_equals, times_equals, divided_equals, relu_of_shared, add_in_a_statement,
    functional_relu, functional_relu_by_position, functional_relu_underscore, through_a_view,
    through_a_reshape, through_flatten, through_detach, through_a_split, through_unbind,
    through_data, through_numpy, assignment, masked_assignment, assignment_to_zeros, out_argument,
    masked_fill, copied_into, clamped, input_changed,
]  # fmt: skip


@pytest.mark.parametrize("function", IN_PLACE)
@pytest.mark.parametrize("place", [hidden, lambda step: step], ids=["hidden", "bare"])
def test_steps_in_place_on_shared_tensors(function, place):
    bound_or_refusal(place(Call(function)), (2,))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (plus_equals, "step 'iadd' in '1'.*y = y [+] x"),
        (relu_of_shared, "step 'relu' in '1'.*relu, not relu_"),
        (functional_relu, "step 'relu' in '1'.*inplace=False"),
        (through_a_view, "step 'mul' in '1'.*used elsewhere"),
        (assignment, r"x\[\.\.\.\] = \.\.\. in '1'.*torch\.where"),
        (assignment_to_zeros, "step 'setitem' in '1'.*torch.where"),
        (through_data, r"\.data in '1'.*detach"),
        (through_numpy, "'numpy' in '1'.*leaves torch"),
        (out_argument, "step 'mul' in '1'.*used elsewhere"),
    ],
)
def test_the_refusal_names_the_step_and_the_remedy(function, message):
    refusal = bound_or_refusal(hidden(Call(function)), (2,))
    assert refusal is not None
    assert re.search(message, refusal), refusal


class PreActivation(nn.Module):
    """A residual block whose branch starts with an activation in place on the shared input."""

    def __init__(self):
        super().__init__()
        self.branch = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(2, 2))

    def forward(self, x):
        y = x * 1.0
        return self.branch(y) + y


class AfterIdentity(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        y = x * 1.0
        self.layer(y).mul_(4)
        return y


@pytest.mark.parametrize(
    "build",
    [
        PreActivation,
        lambda: AfterIdentity(nn.Identity()),
        lambda: AfterIdentity(nn.Dropout(0.3)),
        lambda: AfterIdentity(nn.Flatten()),
    ],
)
def test_memory_shared_through_layers(build, generator):
    with SeededDraws(generator):
        module = build()
    refusal = bound_or_refusal(hidden(module), (2,))
    assert "in place on a tensor that is used elsewhere" in refusal


def test_a_statement_in_place_whose_result_is_not_taken_is_refused():
    refusal = bound_or_refusal(hidden(Call(add_in_a_statement)), (2,))
    assert "step 'add' in '1'" in refusal


def test_harmless_steps_in_place_keep_their_bounds(generator):
    class Harmless(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.outer = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x):
            y = F.relu(self.inner(x), inplace=True)
            y = y + x
            y += 1.0
            y *= 2
            return self.outer(y.tanh_())

    class Written(Harmless):
        def forward(self, x):
            return self.outer(torch.tanh((F.relu(self.inner(x)) + x + 1.0) * 2))

    with SeededDraws(generator):
        one, other = Harmless(), Written()
        plain = nn.Sequential(nn.ReLU(), nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
        conv = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten())
    other.load_state_dict(one.state_dict())
    assert module_lipschitz_bound(one, (4,)) == module_lipschitz_bound(other, (4,))
    for module, shape in ((plain, (4,)), (conv, (1, 6, 6))):
        bound = module_lipschitz_bound(module, shape)
        for layer in module:
            if isinstance(layer, nn.ReLU):
                layer.inplace = True
        assert module_lipschitz_bound(module, shape) == bound


# --- what depends on more than the row ------------------------------------------------------------

CALLS = [0]


class Counting(nn.Module):
    """Its slope changes with the number of calls."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.number = 0
        self.calls = itertools.count()
        self.register_buffer("seen", torch.zeros(()))
        self.notes = []

    def forward(self, x):
        if self.kind == "number":
            self.number += 1
            return x * (1 if self.number < 40 else 9)
        if self.kind == "iterator":
            return x * (1 if next(self.calls) < 40 else 9)
        if self.kind == "buffer":
            self.seen += 1
            return x * (1 if float(self.seen) < 40 else 9)
        if self.kind == "list":
            self.notes.append(1)
            return x * (1 if len(self.notes) < 40 else 9)
        if self.kind == "attribute":
            self.latest = x
            return x * 1
        if self.kind == "class":
            type(self).total = getattr(type(self), "total", 0) + 1
            return x * (1 if type(self).total < 40 else 9)
        CALLS[0] += 1
        return x * (1 if CALLS[0] < 40 else 9)


@pytest.mark.parametrize(
    "kind", ["number", "iterator", "buffer", "list", "attribute", "class", "global"]
)
def test_state_that_changes_with_calls(kind):
    refusal = bound_or_refusal(hidden(Counting(kind)), (2,))
    assert "when it runs" in refusal or "cannot be recorded" in refusal, refusal


def counting_closure():
    calls = 0

    def forward(x):
        nonlocal calls
        calls += 1
        return x * (1 if calls < 40 else 9)

    return forward


def running_mean():
    module = Call(None)
    module.register_buffer("mean", torch.zeros(2, dtype=torch.float64))

    def forward(x):
        module.mean.mul_(0.9).add_(x.mean(0), alpha=0.1)
        return x - module.mean

    module.function = forward
    return module


def branch_on_rows(x):
    return 9 * x if x.shape[0] == 1 else x


def branch_on_many_rows(x):
    return 9 * x if len(x) > 20 else x


def branch_on_trial_rows(x):
    return x if len(x) == 7 else 9 * x


def branch_on_gradients(x):
    return x if torch.is_grad_enabled() else 9 * x


def branch_without_gradients(x):
    return 9 * x if torch.is_grad_enabled() else x


def branch_on_inference(x):
    return 9 * x if torch.is_inference_mode_enabled() else x


def branch_on_dtype(x):
    return 9 * x if x.dtype == torch.float32 else x


def branch_on_kind(x):
    return 9 * x if isinstance(x, torch.Tensor) else x


def branch_on_values(x):
    return 9 * x if x.abs().max() > 20 else x


def branch_on_a_number(x):
    return x * 9 if x.abs().max().item() > 20 else x


def factor_from_data(x):
    return x * float(x.abs().max())


def item_as_factor(x):
    return x * x.abs().max().item()


def mask(x):
    return x * (x > 20) * 9


def where(x):
    return torch.where(x > 20, 9 * x, x)


def index(x):
    return x[:, x[0].argsort()]


def chance(x):
    return x + torch.randn(2)


def chance_like(x):
    return x + torch.rand_like(x)


def numpy_chance(x):
    return x * float(np.random.uniform(1, 9))


def python_chance(x):
    return x * random.uniform(1, 9)


def own_chance(x):
    return x * float(np.random.default_rng().uniform(1, 9))


def dropout_left_on(x):
    return F.dropout(x, 0.5, training=True)


DEPENDENT = [
    branch_on_rows, branch_on_many_rows, branch_on_trial_rows, branch_on_gradients,
    branch_without_gradients, branch_on_inference, branch_on_kind, branch_on_values,
    branch_on_a_number, factor_from_data, item_as_factor, mask, where, index, chance, chance_like,
    numpy_chance, python_chance, own_chance, dropout_left_on,
]  # fmt: skip


@pytest.mark.parametrize("function", DEPENDENT)
def test_steps_that_depend_on_more_than_the_row_are_refused(function):
    assert bound_or_refusal(hidden(Call(function)), (2,)) is not None
    assert bound_or_refusal(Call(function), (2,)) is not None


def test_numbers_that_another_thread_draws_are_not_those_of_the_module(monkeypatch, generator):
    """Threads of a cluster draw now and then; a module that draws does so each time."""
    with SeededDraws(generator):
        module, looks = nn.Linear(2, 2).double(), []

    def states_while_others_draw():
        looks.append(None)
        return min(len(looks), 4)

    name = "specreg_sklearn.certificates.networks._against_module.random_states"
    with monkeypatch.context() as patch:
        patch.setattr(name, states_while_others_draw)
        assert module_lipschitz_bound(module, (2,)) > 0
    assert len(looks) > 4

    def in_vain(x):
        random.random()
        return x + 0

    with SeededDraws(generator), pytest.raises(NoLipschitzBound, match="it draws random numbers"):
        module_lipschitz_bound(hidden(Call(in_vain)), (2,))


@pytest.mark.parametrize("build", [lambda: Call(counting_closure()), running_mean])
def test_state_outside_the_attributes(build):
    assert bound_or_refusal(hidden(build()), (2,)) is not None


def test_single_precision_is_compared_too(generator):
    class Narrow(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, x):
            return branch_on_dtype(self.linear(x))

    with SeededDraws(generator):
        module = Narrow()
    with pytest.raises(NoLipschitzBound, match="computes something else"):
        module_lipschitz_bound(module, (2,))


# --- hooks, methods, parametrisations -------------------------------------------------------------


def scaled_output(module, inputs, output):
    return 9 * output


def scaled_input(module, inputs):
    return (9 * inputs[0],)


def network():
    return nn.Sequential(nn.Linear(2, 3), nn.Softshrink(5.0), nn.Sequential(nn.Linear(3, 2)))


PLACES = {
    "module": lambda net: net,
    "layer": lambda net: net[0],
    "container": lambda net: net[2],
    "inner": lambda net: net[2][0],
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["hook", "pre-hook", "with kwargs", "always"])
def test_hooks_are_refused_by_name(place, kind, generator):
    with SeededDraws(generator):
        net = network()
    part = PLACES[place](net)
    if kind == "hook":
        part.register_forward_hook(scaled_output)
    elif kind == "always":
        part.register_forward_hook(scaled_output, always_call=True)
    elif kind == "with kwargs":
        part.register_forward_pre_hook(
            lambda module, args, kwargs: ((9 * args[0],), kwargs), with_kwargs=True
        )
    else:
        part.register_forward_pre_hook(scaled_input)
    name = {"module": "itself", "layer": "'0'", "container": "'2'", "inner": "'2.0'"}[place]
    with pytest.raises(NoLipschitzBound, match=rf"{name}.*hook.*remove it, or write it as a layer"):
        module_lipschitz_bound(net, (2,))


@pytest.mark.parametrize("kind", ["hook", "pre-hook"])
def test_global_hooks_are_refused(kind, generator):
    with SeededDraws(generator):
        net = network()
    register = {
        "hook": lambda: nn.modules.module.register_module_forward_hook(scaled_output),
        "pre-hook": lambda: nn.modules.module.register_module_forward_pre_hook(scaled_input),
    }[kind]
    handle = register()
    try:
        with pytest.raises(NoLipschitzBound, match=f"global .*{kind} .*scaled_"):
            module_lipschitz_bound(net, (2,))
    finally:
        handle.remove()
    assert module_lipschitz_bound(net, (2,)) > 0


def test_backward_hooks_do_not_matter(generator):
    with SeededDraws(generator):
        net = network()
    bound = module_lipschitz_bound(net, (2,))
    calls = []
    net[0].register_full_backward_hook(lambda *_: calls.append(1))
    assert module_lipschitz_bound(net, (2,)) == bound
    assert not calls


class OwnConvolution(nn.Conv1d):
    def _conv_forward(self, x, weight, bias):
        return super()._conv_forward(x, 9 * weight, bias)


class OwnSlope(nn.LeakyReLU):
    @property
    def negative_slope(self):
        return 9.0

    @negative_slope.setter
    def negative_slope(self, value):
        pass


class OwnCall(nn.Linear):
    def __call__(self, x):
        return 9 * super().__call__(x)


class OwnImplementation(nn.Tanh):
    def _call_impl(self, x):
        return 9 * super()._call_impl(x)


class OwnDropout(nn.Dropout):
    def train(self, mode=True):
        return super().train(True)


SUBCLASSES = {
    "convolution": (lambda: OwnConvolution(1, 1, 2), (1, 4)),
    "property": (OwnSlope, (2,)),
    "call": (lambda: OwnCall(2, 2), (2,)),
    "implementation": (OwnImplementation, (2,)),
    "dropout": (lambda: OwnDropout(0.5), (2,)),
}


@pytest.mark.parametrize("name", SUBCLASSES)
def test_layers_with_their_own_methods(name, generator):
    build, shape = SUBCLASSES[name]
    with SeededDraws(generator):
        module = build()
    refusal = bound_or_refusal(hidden(module), shape)
    assert (refusal is not None) == (name in ("convolution", "call", "dropout"))


def test_training_mode_that_stays_is_named():
    with pytest.raises(NoLipschitzBound, match=r"'1' \(OwnDropout\).*stays in training mode"):
        module_lipschitz_bound(nn.Sequential(nn.Tanh(), OwnDropout()), (2,))


@pytest.mark.parametrize("method", ["forward", "_call_impl", "eval", "train", "_conv_forward"])
def test_methods_replaced_on_an_object(method, generator):
    with SeededDraws(generator):
        net = nn.Sequential(nn.Conv1d(1, 1, 2), nn.Flatten(), nn.Linear(3, 2))
    layer = net[0]
    old = getattr(layer, method)

    @functools.wraps(old)
    def replaced(self, *args, **kwargs):
        result = old(*args, **kwargs)
        return 9 * result if isinstance(result, torch.Tensor) else result

    setattr(layer, method, types.MethodType(replaced, layer))
    with pytest.raises(NoLipschitzBound, match=rf"'0' \(Conv1d\).*{method!r} was replaced"):
        module_lipschitz_bound(net, (1, 4))


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


class Drifting(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = 1.0

    def forward(self, weight):
        self.factor += 1
        return self.factor * weight


class Drawn(nn.Module):
    def forward(self, weight):
        return weight + torch.randn_like(weight)


def with_old_weight_norm():
    return nn.utils.weight_norm(nn.Linear(3, 2))


def with_old_spectral_norm():
    return nn.utils.spectral_norm(nn.Linear(3, 2))


def with_own():
    layer = nn.Linear(3, 2)
    parametrize.register_parametrization(layer, "weight", Doubled())
    return layer


def with_two():
    layer = parametrizations.weight_norm(nn.Linear(3, 2))
    parametrize.register_parametrization(layer, "bias", Doubled())
    return layer


def pruned():
    return prune.l1_unstructured(nn.Linear(3, 2), "weight", amount=2)


PARAMETRISED = {
    "spectral_norm": lambda: parametrizations.spectral_norm(nn.Linear(3, 2)),
    "weight_norm": lambda: parametrizations.weight_norm(nn.Linear(3, 2)),
    "orthogonal": lambda: parametrizations.orthogonal(nn.Linear(3, 2)),
    "own": with_own,
    "two": with_two,
    "old weight_norm": with_old_weight_norm,
    "old spectral_norm": with_old_spectral_norm,
    "pruned": pruned,
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
@pytest.mark.parametrize("name", PARAMETRISED)
@pytest.mark.parametrize("called", [False, True], ids=["fresh", "called"])
@pytest.mark.parametrize("training", [False, True], ids=["eval", "training"])
def test_parametrised_layers_count_as_they_are_and_stay(name, called, training, generator):
    with SeededDraws(generator):
        layer = PARAMETRISED[name]()
        net = nn.Sequential(layer, nn.ReLU(), nn.Linear(2, 2))
    net.train(training)
    if called:
        net(torch.zeros(4, 3)).sum().backward()
    kind = type(layer)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    bound = module_lipschitz_bound(net, (3,))
    assert type(layer) is kind
    assert net.training is training
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    net.eval()
    rows = torch.zeros(1, 3)
    net(rows)
    first = np.linalg.norm(layer.weight.detach().double().numpy(), 2)
    second = np.linalg.norm(net[2].weight.detach().double().numpy(), 2)
    assert bound <= first * second * (1 + 1e-6)
    assert bound >= largest_slope(net.double(), (3,)) * (1 - 1e-5)


@pytest.mark.parametrize("kind", [Drifting, Drawn])
def test_parametrisations_that_change_are_refused(kind, generator):
    with SeededDraws(generator), torch.random.fork_rng():
        layer = nn.Linear(2, 2)
        parametrize.register_parametrization(layer, "weight", kind())
    with pytest.raises(NoLipschitzBound, match=r"'weight' in '0'.*another weight each time"):
        module_lipschitz_bound(nn.Sequential(layer), (2,))


def test_rows_of_the_user_are_compared():
    class Rare(nn.Module):
        """Another function on rows of one size, where random rows never are."""

        def forward(self, x):
            return nn.functional.softshrink(x, 0.1)

    rows = np.linspace(-3, 3, 20)[:, None]
    stages = torch_stages(Rare(), (1,), rows=rows)
    stages[0].comparison(rows)
    stages[0].comparison._runs = Call(lambda x: torch.where(x > 2.5, 9 * x, x))
    with pytest.raises(NoLipschitzBound, match="computes something else"):
        stages[0].comparison(rows)


def test_modules_that_cannot_be_copied_say_so(generator):
    class Clinging(nn.Linear):
        def __deepcopy__(self, memo):
            return self

    with SeededDraws(generator):
        layer = Clinging(2, 2)
    with pytest.raises(ValueError, match="__deepcopy__ gives a copy that shares"):
        module_lipschitz_bound(layer, (2,))
    assert layer.weight.dtype == torch.float32
    with pytest.raises(ValueError, match="cannot be copied"):
        module_lipschitz_bound(Call(iter(x for x in ())), (2,))

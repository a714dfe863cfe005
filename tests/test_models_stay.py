"""Whatever is asked about a model, the model stays as it was, and so does torch itself."""

from __future__ import annotations

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from specreg_sklearn import SpectrallyRegularizedEncoder, inspection, metrics, spectral
from specreg_sklearn.attacks import CGBA
from specreg_sklearn.certificates import TorchGraph, module_lipschitz_bound, torch_stages
from specreg_sklearn.modules import SeededDraws

X, y = load_iris(return_X_y=True)
ROWS, LABELS = X[::25], y[::25]


class Halved(nn.Module):
    def forward(self, weight):
        return weight / 2


def own(layer):
    parametrize.register_parametrization(layer, "weight", Halved())
    return layer


def backbone(kind):
    """Build a backbone of four inputs and three features of a kind."""
    first, second = nn.Linear(4, 6), nn.Linear(6, 3)
    if kind == "batch norm and dropout":
        return nn.Sequential(first, nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3), second)
    if kind == "in place":
        return nn.Sequential(nn.ReLU(inplace=True), first, nn.ReLU(inplace=True), second)
    if kind == "mixed gradients":
        first.weight.requires_grad_(False)
    change = {
        "spectral_norm": parametrizations.spectral_norm,
        "weight_norm": parametrizations.weight_norm,
        "orthogonal": parametrizations.orthogonal,
        "own parametrisation": own,
        "old weight_norm": nn.utils.weight_norm,
        "old spectral_norm": nn.utils.spectral_norm,
    }.get(kind)
    if change is not None:
        first = change(first)
    return nn.Sequential(first, nn.ReLU(), second)


KINDS = (
    "plain", "spectral_norm", "weight_norm", "orthogonal", "own parametrisation",
    "old weight_norm", "old spectral_norm", "batch norm and dropout", "in place",
    "mixed gradients", "training mode", "hooks",
)  # fmt: skip


def _hook(*_):
    return None


def module_of(kind, seed=0):
    with SeededDraws(torch.Generator().manual_seed(seed)):
        net = backbone(kind)
        net.train(kind == "training mode")
        if kind == "training mode":
            net[1].eval()
    if kind == "hooks":
        net[0].register_forward_hook(_hook)
        net[1].register_forward_pre_hook(_hook)
        net[2].register_full_backward_hook(_hook)
    return net


# One of each way in which a network holds more than weights; `test_modules_stay` takes them all.
FAST = {"old weight_norm", "batch norm and dropout", "mixed gradients", "hooks"}


@pytest.fixture(
    scope="module",
    params=[pytest.param(k, marks=() if k in FAST else pytest.mark.slow) for k in KINDS],
)
def fitted(request):
    kind = request.param
    encoder = SpectrallyRegularizedEncoder(
        lambda shape: backbone(kind),
        penalty=None,
        weight_decay=0.0,  # torch keeps signs in the weights behind "orthogonal"
        learning_rate_init=0.05,
        max_iter=20,
        random_state=0,
    )
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")
        encoder.fit(X, y)
    net = encoder.module_
    if kind == "training mode":
        net.train()
        net.head.eval()
    if kind == "hooks":
        net.backbone[0].register_forward_hook(_hook)
        net.backbone[1].register_forward_pre_hook(_hook)
        net.backbone[2].register_full_backward_hook(_hook)
    net.head.weight.grad = torch.ones_like(net.head.weight)
    return encoder


def everything_about(module):
    """Describe a module and the global state of torch, in things that compare by value."""
    parts = {}
    for name, part in module.named_modules():
        parts[name] = (
            id(part), type(part), part.training, sorted(vars(part)),
            {
                key: tuple(map(id, getattr(part, key).values()))
                for key in vars(part) if "_hooks" in key
            },
            sorted(key for key in vars(type(part)) if not key.startswith("__")),
        )  # fmt: skip
    tensors = {
        name: (id(value), value.requires_grad, value.dtype, value.detach().clone(),
               None if value.grad is None else value.grad.clone())
        for name, value in [*module.named_parameters(), *module.named_buffers()]
    }  # fmt: skip
    state = {name: value.clone() for name, value in module.state_dict().items()}
    settings = (
        torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_default_dtype(),
        torch.get_num_threads(), torch.get_rng_state().tolist(),
        tuple(map(str, np.random.get_state())),
        list(nn.modules.module._global_forward_hooks),
        nn.Module.__call__, nn.Module.__getattr__,
    )  # fmt: skip
    return parts, tensors, state, settings


def check_same(module, before, what):
    parts, tensors, state, settings = everything_about(module)
    assert parts == before[0], what
    assert settings == before[3], what
    assert state.keys() == before[2].keys(), what
    for name, value in state.items():
        assert torch.equal(value, before[2][name]), (what, name)
    assert tensors.keys() == before[1].keys(), what
    for name, (*about, value, grad) in tensors.items():
        *old, was, had = before[1][name]
        assert about == old, (what, name)
        assert torch.equal(value, was), (what, name)
        assert (grad is None) == (had is None), (what, name)
        assert grad is None or torch.equal(grad, had), (what, name)


def pickled(module):
    """Return what comes back from a pickle, or why there is none."""
    try:
        again = pickle.loads(pickle.dumps(module))
    except Exception as error:
        return type(error), str(error)
    return {name: value.tolist() for name, value in again.state_dict().items()}


def attack():
    return CGBA(max_queries=30)


MODULE_CALLS = {
    "lipschitz_bound": lambda net: metrics.lipschitz_bound(net, input_shape=(4,)),
    "module_lipschitz_bound": lambda net: module_lipschitz_bound(net, (4,)),
    "torch_stages": lambda net: torch_stages(net, (4,), rows=ROWS),
    "TorchGraph": lambda net: TorchGraph(net, (4,)).forward(ROWS, 0 * ROWS),
    "used_layers": lambda net: [
        layer.weight() for layer in spectral.used_layers(net, (4,), on_unknown="skip")
    ],
    "spectral_norm": lambda net: [spectral.spectral_norm(part) for part in linear(net)],
    "certified_norm": lambda net: [spectral.certified_norm(part) for part in linear(net)],
}


def linear(net):
    return [part for part in net.modules() if isinstance(part, nn.Linear)]


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_modules_stay(kind):
    net = module_of(kind)
    stored = pickled(net)
    before = everything_about(net)
    for what, call in MODULE_CALLS.items():
        try:
            call(net)
        except TypeError as error:  # a refusal leaves it alone as well
            assert kind == "hooks", (what, error)
        check_same(net, before, what)
    again = module_of(kind).eval()
    net.eval()
    rows = torch.from_numpy(ROWS).float()
    with torch.no_grad():
        assert torch.equal(net(rows.clone()), again(rows.clone()))
    assert pickled(module_of(kind)) == stored


@pytest.mark.parametrize("parametrisation", ["spectral_norm", "weight_norm", "orthogonal"])
@pytest.mark.parametrize("training", [False, True])
def test_convolutions_stay(parametrisation, training):
    with SeededDraws(torch.Generator().manual_seed(0)):
        layer = getattr(parametrizations, parametrisation)(nn.Conv2d(1, 3, 3))
        net = nn.Sequential(layer, nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2))
    net.train(training)
    before = everything_about(net)
    calls = (
        lambda: metrics.lipschitz_bound(net, input_shape=(1, 6, 6)),
        lambda: spectral.spectral_norm(layer, (1, 6, 6)),
        lambda: spectral.certified_norm(layer, (1, 6, 6)),
        lambda: spectral.convolution_norm(spectral.Convolution.from_layer(layer, (1, 6, 6))),
        lambda: spectral.fold_batch_norm(layer, net[1]),
        lambda: [part.weight() for part in spectral.used_layers(net, (1, 6, 6), on_unknown="skip")],
    )
    for number, call in enumerate(calls):
        call()
        check_same(net, before, number)


MODEL_CALLS = {
    "predict": lambda model: model.predict(ROWS),
    "transform": lambda model: model.transform(ROWS),
    "certified_radius": lambda model: metrics.certified_radius(model, ROWS, scale=None),
    "certified_accuracy_score": lambda model: metrics.certified_accuracy_score(
        model, ROWS, LABELS, eps=0.1
    ),
    "lipschitz_bound": lambda model: metrics.lipschitz_bound(model),
    "robust_accuracy_score": lambda model: metrics.robust_accuracy_score(
        model, ROWS, LABELS, eps=0.1, attack=attack()
    ),
    "certified score": lambda model: metrics.robust_accuracy_score(
        model, ROWS, LABELS, eps=0.1, attack=attack(), certify=True
    ),
    "scorer": lambda model: metrics.make_robust_scorer(eps=0.1, attack=attack())(
        model, ROWS, LABELS
    ),
    "adversarial_distances": lambda model: metrics.adversarial_distances(
        model, ROWS[:4], LABELS[:4], attack=attack()
    ),
    "confidence_profile": lambda model: inspection.confidence_profile(model, ROWS, LABELS),
    "feature_jacobian_spectrum": lambda model: inspection.feature_jacobian_spectrum(model, ROWS),
    "feature_margins": lambda model: inspection.feature_margins(model, ROWS),
    "generalization_gap": lambda model: inspection.generalization_gap(
        model, ROWS, LABELS, ROWS, LABELS
    ),
    "gradient_masking_report": lambda model: inspection.gradient_masking_report(
        model, ROWS, LABELS, eps=0.1, n_steps=10
    ),
    "instance_margins": lambda model: inspection.instance_margins(model, ROWS[:2]),
    "layer_stretch": lambda model: inspection.layer_stretch(model, ROWS, radius=0.1),
    "local_linearity": lambda model: inspection.local_linearity(model, ROWS, LABELS, eps=0.1),
    "logit_margins": lambda model: inspection.logit_margins(model, ROWS, LABELS),
    "loss_curvature": lambda model: inspection.loss_curvature(model, ROWS, LABELS, h=0.1),
    "normalized_margins": lambda model: inspection.normalized_margins(model, ROWS, LABELS),
    "singular_value_spectrum": lambda model: inspection.singular_value_spectrum(model),
    "spectral_complexity": lambda model: inspection.spectral_complexity(model),
    "ConfidenceDisplay": lambda model: inspection.ConfidenceDisplay.from_estimator(
        model, ROWS, LABELS
    ),
    "LayerStretchDisplay": lambda model: inspection.LayerStretchDisplay.from_estimator(
        model, ROWS, radius=0.1
    ),
    "MarginDisplay": lambda model: inspection.MarginDisplay.from_estimator(model, ROWS, LABELS),
    "RobustnessCurveDisplay": lambda model: inspection.RobustnessCurveDisplay.from_estimator(
        model, ROWS, LABELS, eps=[0.0, 0.1], attack=attack()
    ),
    "SpectrumDisplay": lambda model: inspection.SpectrumDisplay.from_estimator(model),
    "AdversarialExamplesDisplay": lambda model: (
        inspection.AdversarialExamplesDisplay.from_estimator(model, ROWS, LABELS, attack=attack())
    ),
}


@pytest.mark.filterwarnings("ignore")
def test_estimators_stay(fitted):
    net = fitted.module_
    predicted, features = fitted.predict(X), fitted.transform(X)
    stored = pickled(net)
    rows = ROWS.copy()
    before = everything_about(net)
    for what, call in MODEL_CALLS.items():
        try:
            call(fitted)
        except TypeError as error:
            refused = "hook" in str(error) or "layers" in str(error)
            assert refused, (what, error)
        plt.close("all")
        check_same(net, before, what)
        np.testing.assert_array_equal(ROWS, rows, err_msg=what)
    np.testing.assert_array_equal(fitted.predict(X), predicted)
    np.testing.assert_array_equal(fitted.transform(X), features)
    assert pickled(net) == stored


def test_predictions_in_training_mode_are_those_of_eval_mode():
    encoder = SpectrallyRegularizedEncoder(
        lambda shape: nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5)), penalty=None, max_iter=2,
        random_state=0,
    )  # fmt: skip
    with torch.random.fork_rng():  # dropout draws while it trains
        encoder.fit(X, y)
    expected = encoder.decision_function(X)
    encoder.module_.train()
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda _: encoder.decision_function(X), range(200))
        assert all(np.array_equal(answer, expected) for answer in answers)
    assert all(part.training for part in encoder.module_.modules())

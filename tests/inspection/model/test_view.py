"""A view computes what the model computes, names its layers, and has the right gradients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import special
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.svm import LinearSVC

from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder
from specreg_sklearn.certificates import Affine, Elementwise, Stage, TorchGraph, torch_stages
from specreg_sklearn.certificates.stages import apply_stages
from specreg_sklearn.inspection import instance_margins
from specreg_sklearn.inspection.model._diagnostic_arguments import rows_of
from specreg_sklearn.inspection.model._view import ModelView
from specreg_sklearn.metrics import StatedLipschitz, register_certified_step


def logits_by(model, X):
    view = ModelView(model)
    return view.evaluate(view.logits, rows_of(view, X))


def numeric_gradient(function, x, step=1e-6):
    """Central differences of the sum of a numpy function of one row."""
    slopes = np.empty_like(x)
    for j in range(len(x)):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[j] += sign * step
            ends.append(function(moved[None]).sum())
        slopes[j] = (ends[0] - ends[1]) / (2 * step)
    return slopes


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        LinearSVC(random_state=0),
        SGDClassifier(random_state=0),
        RidgeClassifier(),
        Perceptron(),
        RobustLinearProbe(epsilon=0.1),
        make_pipeline(StandardScaler(), PCA(3), LogisticRegression()),
        make_pipeline(MinMaxScaler(clip=True), FrozenEstimator(LogisticRegression())),
        make_pipeline(FunctionTransformer(StatedLipschitz(np.arcsinh, 1.0)), LogisticRegression()),
        make_pipeline(
            FeatureUnion([("a", PCA(2)), ("b", MinMaxScaler(clip=True))]), LogisticRegression()
        ),
        GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2),
    ],
    ids=lambda model: repr(model).split("(")[0] + str(len(repr(model))),
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_logits_are_the_decision_function(model, n_classes, iris_rows):
    X, y = iris_rows
    X, y = X[y < n_classes], y[y < n_classes]
    if "Frozen" in repr(model):
        inner = LogisticRegression().fit(MinMaxScaler(clip=True).fit_transform(X), y)
        model = make_pipeline(MinMaxScaler(clip=True), FrozenEstimator(inner))
    model.fit(X, y)
    logits, decision = logits_by(model, X), model.decision_function(X)
    if n_classes == 2:
        assert logits.shape == (len(X), 2)
        np.testing.assert_allclose(logits[:, 1] - logits[:, 0], decision, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(logits.sum(axis=1), 0, atol=1e-9)
    else:
        np.testing.assert_allclose(logits, decision, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(model.classes_[logits.argmax(axis=1)], model.predict(X))


def test_networks_give_their_own_logits(mlp_model, encoder_model, convolution_model, random_layers):
    rows = np.random.default_rng(1).normal(size=(7, 4))
    layers = random_layers(4, 5, 3)
    (W1, b1), (W2, b2) = layers
    by_hand = np.maximum(rows @ W1.T + b1, 0) @ W2.T + b2
    np.testing.assert_allclose(logits_by(mlp_model(layers), rows), by_hand, rtol=1e-12)
    np.testing.assert_allclose(logits_by(encoder_model(layers), rows), by_hand, rtol=1e-12)
    images = np.random.default_rng(1).normal(size=(7, 16))
    np.testing.assert_allclose(
        logits_by(convolution_model, images), convolution_model._logits(images), rtol=1e-10
    )


def test_layers_have_the_names_of_spectral_norms(encoder_model, convolution_model, random_layers):
    for model in (encoder_model(random_layers(4, 5, 5, 3)), convolution_model):
        assert list(ModelView(model).layers) == [
            k for k in model.spectral_norms_ if "norm" not in k
        ]
    assert list(ModelView(convolution_model).layers) == [
        "backbone.first", "backbone.second", "backbone.third", "head",
    ]  # fmt: skip


def test_layers_of_pipelines_bear_the_name_of_their_step(iris_rows, encoder_model, random_layers):
    X, y = iris_rows
    encoder = encoder_model(random_layers(4, 5, 3))
    model = make_pipeline(StandardScaler(), FrozenEstimator(encoder), LogisticRegression())
    model.fit(X, y)
    assert list(ModelView(model).layers) == ["frozenestimator.backbone.hidden1", "logits"]
    np.testing.assert_allclose(logits_by(model, X), model.decision_function(X), rtol=1e-6)
    scaled = make_pipeline(StandardScaler(), PCA(2), LogisticRegression()).fit(X, y)
    assert list(ModelView(scaled).layers) == ["logits"]


def test_layer_outputs_include_batch_norm_and_activation(convolution_model):
    view = ModelView(convolution_model)
    rows = np.random.default_rng(0).normal(size=(3, 16))
    x = torch.from_numpy(rows)
    with torch.no_grad():
        found = view.layer_outputs(x)
        net = convolution_model.module_.double().eval()
        image = x.reshape(3, 1, 4, 4)
        first = net.backbone.act(net.backbone.norm(net.backbone.first(image)))
        second = net.backbone.second(first)
        features = net.features(x)
    expected = {
        "backbone.first": first,
        "backbone.second": second,
        "backbone.third": features,
        "head": net.head(features),
    }
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(
            found[name].numpy(), value.detach().flatten(1).numpy(), atol=1e-12
        )


def test_layer_outputs_of_an_mlp_are_those_of_its_units(mlp_model, random_layers):
    layers = random_layers(4, 5, 6, 3)
    rows = np.random.default_rng(0).normal(size=(8, 4))
    with torch.no_grad():
        found = ModelView(mlp_model(layers)).layer_outputs(torch.from_numpy(rows))
    hidden = np.maximum(rows @ layers[0][0].T + layers[0][1], 0)
    deeper = np.maximum(hidden @ layers[1][0].T + layers[1][1], 0)
    logits = deeper @ layers[2][0].T + layers[2][1]
    assert list(found) == ["hidden1", "hidden2", "logits"]
    for value, expected in zip(found.values(), (hidden, deeper, logits), strict=True):
        np.testing.assert_allclose(value.numpy(), expected, rtol=1e-12)


class Mixed(torch.nn.Module):
    """Functions and moves that stages know, without any weight but one."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.ConvTranspose2d(2, 2, 2, stride=2).double()
        self.slope = torch.nn.PReLU().double()
        self.average = torch.nn.AvgPool2d(2)

    def forward(self, x):
        x = self.slope(self.conv(x))
        x = torch.nn.functional.pad(x, (1, 0, 0, 1), value=0.5)
        x = torch.cat([self.average(x), self.average(-2.0 * x + 1.0)], dim=1)
        x = x.permute(0, 2, 3, 1)[:, :2]
        return torch.stack([x.amax(dim=1), x.mean(dim=1)], dim=1).flatten(1)


def test_graphs_are_the_module_and_have_its_gradient(generator):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Mixed()
    x = torch.randn(4, 2, 3, 3, generator=generator, dtype=torch.float64)
    weights = torch.randn(4, 24, generator=generator, dtype=torch.float64)
    expected = x.clone().requires_grad_()
    found = x.flatten(1).clone().requires_grad_()
    truth = module(expected)
    value = TorchGraph(module, (2, 3, 3)).tensor(found)
    torch.testing.assert_close(value, truth, rtol=1e-12, atol=1e-12)
    (truth * weights[:, : truth.shape[1]]).sum().backward()
    (value * weights[:, : truth.shape[1]]).sum().backward()
    torch.testing.assert_close(found.grad, expected.grad.flatten(1), rtol=1e-7, atol=1e-9)


def test_a_network_of_stages_has_the_gradient_of_the_module(convolution_model):
    network = convolution_model.module_
    stages = torch_stages(network.backbone, network.input_shape)
    x = torch.from_numpy(np.random.default_rng(3).normal(size=(5, 16)))
    one, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    apply_stages(stages, one).square().sum().backward()
    network.double().features(other).square().sum().backward()
    torch.testing.assert_close(one.grad, other.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "settings"),
    [("gelu", {}), ("elu", {"alpha": 0.7}), ("leaky_relu", {"negative_slope": 0.2}),
     ("softplus", {"beta": 2.0}), ("hardtanh", {"min_val": -0.5, "max_val": 0.8}), ("tanh", {}),
     ("silu", {}), ("relu6", {}), ("selu", {}), ("mish", {}), ("logsigmoid", {})],
)  # fmt: skip
def test_slopes_of_activations(name, settings):
    function = getattr(torch.nn.functional, name)
    x = torch.linspace(-2.03, 2.01, 41, dtype=torch.float64)[None].requires_grad_()
    expected = function(x, **settings)
    value = Elementwise(name, **settings).tensor(x)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    (slope,) = torch.autograd.grad(value.sum(), x)
    (truth,) = torch.autograd.grad(expected.sum(), x)
    torch.testing.assert_close(slope, truth, rtol=1e-8, atol=1e-9)


class Halve(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return np.sin(X) / 2


class HalfSine(Stage):
    """A stage of a third party: nothing is known of it but its values."""

    def lipschitz(self):
        return 0.5

    def forward(self, X, error):
        return np.sin(X) / 2, error / 2 + 1e-15


@pytest.mark.parametrize("as_torch", [False, True])
def test_a_registered_step_is_followed(as_torch, iris_rows):
    class Own(Halve):
        pass

    class Sine(torch.nn.Module):
        def forward(self, x):
            return torch.sin(x) / 2

    @register_certified_step(Own)
    def rule(step):
        return [TorchGraph(Sine(), (step.n_features_in_,)) if as_torch else HalfSine()]

    X, y = iris_rows
    model = make_pipeline(Own(), LogisticRegression()).fit(X, y)
    np.testing.assert_allclose(logits_by(model, X), model.decision_function(X), rtol=1e-9)
    x = torch.from_numpy(X[:1].copy()).requires_grad_()
    (slope,) = torch.autograd.grad(ModelView(model).logits(x)[0, 1], x)
    by_hand = numeric_gradient(lambda Z: model.decision_function(Z)[:, 1], X[0].copy())
    np.testing.assert_allclose(slope[0].numpy(), by_hand, rtol=1e-6, atol=1e-8)


def test_frames_with_columns_that_are_not_read(cancer_rows):
    X, y = cancer_rows
    frame = pd.DataFrame(X[:, :4], columns=list("abcd")).assign(word="text", flag=X[:, 0] > 0)
    pick = ColumnTransformer(
        [("scale", StandardScaler(), ["c", "a"]), ("f", "passthrough", ["flag"])]
    )
    model = make_pipeline(pick, LogisticRegression()).fit(frame, y)
    logits = logits_by(model, frame)
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], model.decision_function(frame))
    with pytest.raises(ValueError, match="features"):
        logits_by(model[-1], X)


def test_the_model_is_not_touched(convolution_model):
    before = {k: v.clone() for k, v in convolution_model.module_.state_dict().items()}
    dtype = convolution_model.module_.head.weight.dtype
    view = ModelView(convolution_model)
    view.evaluate(view.logits, np.ones((2, 16)))
    assert convolution_model.module_.head.weight.dtype == dtype
    for key, value in convolution_model.module_.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)
    assert not any(part._forward_hooks for part in convolution_model.module_.modules())


def test_affine_stages_with_one_axis(generator):
    x = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    stage = Affine(np.arange(4.0), np.ones(4))
    torch.testing.assert_close(stage.tensor(x), x * torch.arange(4.0).double() + 1)


def test_an_mlp_of_two_classes_has_two_logits(cancer_rows):
    X, y = cancer_rows
    model = MLPClassifier((4,), max_iter=30, solver="lbfgs", random_state=0).fit(X, y)
    logits = logits_by(model, X)
    p = special.expit(logits[:, 1] - logits[:, 0])
    np.testing.assert_allclose(p, model.predict_proba(X)[:, 1], atol=1e-12)


class InPlace(torch.nn.Module):
    """An activation in place that serves twice, and a layer norm, which no certificate knows."""

    def __init__(self):
        super().__init__()
        self.one, self.two = torch.nn.Linear(4, 6), torch.nn.Linear(6, 5)
        self.norm, self.act = torch.nn.LayerNorm(6), torch.nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(self.two(self.act(self.norm(self.one(x)))))


def test_networks_without_certificate_have_views(iris_rows):
    X, y = iris_rows
    model = SpectrallyRegularizedEncoder(
        module=lambda shape: InPlace(), penalty=None, learning_rate_init=0.02, random_state=0
    ).fit(X, y)
    np.testing.assert_allclose(logits_by(model, X), model._logits(X), rtol=1e-10, atol=1e-10)
    rows = X[:3].copy()
    with torch.no_grad():
        outputs = ModelView(model).layer_outputs(torch.from_numpy(rows))
    np.testing.assert_allclose(outputs["backbone.two"].numpy(), model.transform(rows), atol=1e-12)
    # The layer norm lies between the first layer and the activation.
    one = model.module_.backbone.one(torch.from_numpy(rows)).detach().numpy()
    np.testing.assert_allclose(outputs["backbone.one"].numpy(), one, atol=1e-12)
    x = torch.from_numpy(rows[:1]).requires_grad_()
    (slope,) = torch.autograd.grad(ModelView(model).logits(x).sum(), x)
    np.testing.assert_allclose(
        slope[0].numpy(), numeric_gradient(model._logits, rows[0]), rtol=1e-5, atol=1e-7
    )
    with pytest.raises(TypeError, match=r"'backbone\.norm' \(LayerNorm\) has no Lipschitz bound"):
        instance_margins(model, X)

"""Fitted models of every kind that has a certificate, with rows to attack."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import LinearSVC
from torch import Tensor, nn

from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder

N_RANDOM_ROWS = 2500


@dataclass(eq=False)
class Suspect:
    """A model and rows without bounds.

    Parameters
    ----------
    kind : str
        Which line of the table it belongs to.
    name : str
        The model.
    fit : callable
        Returns the fitted classifier.
    X : ndarray of shape (n, d), float64
        Rows.
    """

    kind: str
    name: str
    fit: Callable[[], Any]
    X: np.ndarray

    @cached_property
    def model(self) -> Any:
        """The classifier, fitted when it is first asked for."""
        return self.fit()


def suspects() -> Iterator[Suspect]:
    """Return every model; they are fitted one by one, as they are used."""
    yield from _random_networks()
    yield from _trained_networks()
    yield from _convolutional_networks()
    yield from _pipelines()


def _random_networks() -> Iterator[Suspect]:
    """Networks whose weights were never trained, of any depth and scale."""
    rng = np.random.default_rng(0)
    for activation, widths, scale in (
        ("relu", (20,), 1.0),
        ("relu", (30, 20), 3.0),
        ("relu", (12, 12, 12), 0.3),
        ("tanh", (25, 15), 1.0),
        ("logistic", (40,), 4.0),
        ("identity", (10, 6), 1.0),
    ):
        n_classes = int(rng.integers(2, 7))
        X = rng.normal(size=(N_RANDOM_ROWS, 12))
        model = MLPClassifier(widths, activation=activation, max_iter=1, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, np.arange(len(X)) % n_classes)
        model.coefs_ = [scale * rng.normal(size=w.shape) / len(w) ** 0.5 for w in model.coefs_]
        model.intercepts_ = [0.3 * scale * rng.normal(size=b.shape) for b in model.intercepts_]
        name = f"{activation} {widths} x {scale}"
        yield Suspect("random networks", name, partial(_as_it_is, model), X)
    X = rng.normal(size=(N_RANDOM_ROWS, 12))
    for activation in ("gelu", "elu", "maxmin", "groupsort"):
        model = SpectrallyRegularizedEncoder(
            hidden_layer_sizes=(20, 20), activation=activation, max_iter=1, random_state=0
        )
        fit = partial(_fitted, model, X, np.arange(len(X)) % 3)
        yield Suspect("random networks", f"encoder, {activation}", fit, X)


def _as_it_is(model: Any) -> Any:
    return model


def _encoder(**settings: Any) -> SpectrallyRegularizedEncoder:
    return SpectrallyRegularizedEncoder(
        **{"hidden_layer_sizes": (48,), "max_iter": 25, "random_state": 0, "device": "cpu"}
        | settings
    )


def _trained_networks() -> Iterator[Suspect]:
    digits, cancer = _digits(), _cancer()
    models = {
        "encoder, no penalty": _encoder(penalty=None),
        "encoder, rep_spectral": _encoder(alpha=0.01),
        "encoder, product_spectral": _encoder(penalty="product_spectral"),
        "encoder, constraint spectral_norm": _encoder(constraint="spectral_norm"),
        "encoder, 48-48, gelu": _encoder(hidden_layer_sizes=(48, 48), activation="gelu"),
        "encoder, 48-48, maxmin, lipschitz_margin": _encoder(
            hidden_layer_sizes=(48, 48), activation="maxmin", objective="lipschitz_margin"
        ),
        "MLPClassifier, relu": MLPClassifier((64,), max_iter=40, random_state=0),
        "MLPClassifier, tanh": MLPClassifier((32, 32), activation="tanh", max_iter=40),
    }
    for name, model in models.items():
        if isinstance(model, MLPClassifier):
            model.set_params(random_state=0)
        for data, rows in (("digits", digits), ("breast_cancer", cancer)):
            fit = partial(_fitted, clone(model), *rows)
            yield Suspect("trained networks", f"{data}, {name}", fit, rows[0])


class _Residual(nn.Module):
    """Two convolutions with batch norms beside a shortcut."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(n_channels, n_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_channels),
            nn.ReLU(),
            nn.Conv2d(n_channels, n_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_channels),
        )

    def forward(self, X: Tensor) -> Tensor:
        return torch.relu(X + self.inner(X))


class _SideBySide(nn.Module):
    """Two views of the same image, concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.near = nn.Conv2d(1, 3, 3, padding=1, padding_mode="reflect")
        self.far = nn.Conv2d(1, 3, 3, padding=2, dilation=2)

    def forward(self, X: Tensor) -> Tensor:
        return torch.cat([self.near(X), self.far(X)], 1)


_BACKBONES: dict[str, Callable[[], list[nn.Module]]] = {
    "batch norm, stride": lambda: [
        nn.Conv2d(1, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
    ],
    "residual, average pool": lambda: [
        nn.Conv2d(1, 6, 3, padding=1, padding_mode="circular"),
        nn.ReLU(),
        _Residual(6),
        nn.AvgPool2d(2),
    ],
    "branches, overlapping max pool, groups": lambda: [
        _SideBySide(),
        nn.ELU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(6, 6, 2, groups=3),
        nn.LeakyReLU(0.1),
    ],
    "transposed": lambda: [
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        nn.SiLU(),
        nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1),
        nn.ReLU(),
    ],
}


def _convolutional_networks() -> Iterator[Suspect]:
    X, y = _digits()
    for name, layers in _BACKBONES.items():
        for penalty in (None, "rep_spectral"):
            model = _encoder(
                module=lambda input_shape, layers=layers: nn.Sequential(*layers(), nn.Flatten()),
                input_shape=(1, 8, 8),
                penalty=penalty,
                alpha=1e-3,
                max_iter=8,
                learning_rate_init=3e-3,
            )
            shown = f"{name}, {penalty or 'no penalty'}"
            fit = partial(_fitted, model, X / 16, y)
            yield Suspect("conv networks", shown, fit, X[:450] / 16)


def _pipelines() -> Iterator[Suspect]:
    """In raw units, through scalers and projections."""
    digits, cancer = _digits(), _cancer()
    for data, (X, y) in (("digits", digits), ("breast_cancer", cancer)):
        for model in (
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
            make_pipeline(StandardScaler(), PCA(10), LogisticRegression(max_iter=300)),
            make_pipeline(MinMaxScaler(), LinearSVC(random_state=0)),
            make_pipeline(PCA(8, whiten=True), MLPClassifier((30,), max_iter=40, random_state=0)),
            make_pipeline(StandardScaler(), _encoder(penalty=None)),
            make_pipeline(StandardScaler(), _encoder(), RobustLinearProbe()),
        ):
            name = " + ".join(type(step).__name__ for step in model)
            yield Suspect("pipelines", f"{data}, {name}", partial(_fitted, model, X, y), X)
        name = f"{data}, frozen StandardScaler + frozen encoder + LinearSVC"
        yield Suspect("pipelines", name, partial(_behind_frozen_steps, X, y), X)
    X, y = digits
    model = make_pipeline(PCA(20), LinearDiscriminantAnalysis())
    fit = partial(_fitted, model, X, y)
    yield Suspect("pipelines", "digits, PCA + LinearDiscriminantAnalysis", fit, X)


def _behind_frozen_steps(X: np.ndarray, y: np.ndarray) -> Any:
    fitted = make_pipeline(StandardScaler(), _encoder()).fit(X, y)
    steps = [FrozenEstimator(step) for _, step in fitted.steps]
    return make_pipeline(*steps, LinearSVC(random_state=0)).fit(X, y)


def _fitted(model: Any, X: np.ndarray, y: np.ndarray) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # most of them stop early on purpose
        return model.fit(X, y)


def _digits() -> tuple[np.ndarray, np.ndarray]:
    return load_digits(return_X_y=True)


def _cancer() -> tuple[np.ndarray, np.ndarray]:
    return load_breast_cancer(return_X_y=True)

"""Models with chosen weights, fitted once on a few rows so that scikit-learn knows their shape."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from specreg_sklearn import SpectrallyRegularizedEncoder


def few_rows(n_features, n_classes):
    rows = np.random.default_rng(0).normal(size=(4 * n_classes, n_features))
    return rows, np.arange(4 * n_classes) % n_classes


def _fitted(model, n_features, n_classes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(*few_rows(n_features, n_classes))


@pytest.fixture(scope="session")
def linear_model():
    def build(coef, intercept=0.0):
        coef = np.atleast_2d(np.asarray(coef, dtype=float))
        model = LogisticRegression(max_iter=2)
        _fitted(model, coef.shape[1], max(2, len(coef)))
        model.coef_ = coef
        model.intercept_ = np.broadcast_to(np.asarray(intercept, dtype=float), len(coef)).copy()
        return model

    return build


@pytest.fixture(scope="session")
def mlp_model():
    def build(layers, activation="relu"):
        """`layers` holds (weight, bias), weights of shape (n_out, n_in); three or more classes."""
        widths = tuple(len(bias) for _, bias in layers[:-1])
        n_features, n_classes = np.shape(layers[0][0])[1], len(layers[-1][1])
        model = MLPClassifier(widths, activation=activation, max_iter=1, random_state=0)
        _fitted(model, n_features, n_classes)
        model.coefs_ = [np.array(weight, dtype=float).T for weight, _ in layers]
        model.intercepts_ = [np.array(bias, dtype=float) for _, bias in layers]
        return model

    return build


@pytest.fixture(scope="session")
def encoder_model():
    def build(layers, activation="relu"):
        widths = tuple(len(bias) for _, bias in layers[:-1])
        n_features, n_classes = np.shape(layers[0][0])[1], len(layers[-1][1])
        model = SpectrallyRegularizedEncoder(
            hidden_layer_sizes=widths, activation=activation, max_iter=1, random_state=0
        )
        _fitted(model, n_features, n_classes)
        network = model.module_
        linear = [part for part in network.modules() if isinstance(part, torch.nn.Linear)]
        with torch.no_grad():
            for part, (weight, bias) in zip(linear, layers, strict=True):
                part.weight.copy_(torch.tensor(np.array(weight, dtype=float)))
                part.bias.copy_(torch.tensor(np.array(bias, dtype=float)))
        return model

    return build


class SmallConvolutions(torch.nn.Module):
    """Padding, stride, batch norm, a shortcut, pooling: one of each."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(1, 3, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(3)
        self.act = torch.nn.ReLU()
        self.second = torch.nn.Conv2d(3, 3, 3, padding=1)
        self.pool = torch.nn.MaxPool2d(2)
        self.third = torch.nn.Linear(12, 5)
        self.last = torch.nn.Tanh()

    def forward(self, x):
        x = self.act(self.norm(self.first(x)))
        x = self.pool(x + self.second(x))
        return self.last(self.third(x.flatten(1)))


def small_convolutions(input_shape):
    return SmallConvolutions()


@pytest.fixture(scope="session")
def convolution_model():
    """An encoder with a small convolutional network, on rows of 16 = 4 x 4 pixels."""
    model = SpectrallyRegularizedEncoder(
        module=small_convolutions, input_shape=(1, 4, 4), max_iter=3, random_state=0
    )
    return _fitted(model, 16, 3)


@pytest.fixture(scope="session")
def random_layers():
    def draw(*widths, seed=0, scale=1.0):
        rng = np.random.default_rng(seed)
        return [
            (scale * rng.normal(size=(n_out, n_in)), scale * rng.normal(size=n_out))
            for n_in, n_out in itertools.pairwise(widths)
        ]

    return draw

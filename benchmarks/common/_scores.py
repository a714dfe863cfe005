"""A fitted model as a differentiable float64 function, for attacks that see the weights.

Estimators are known by their fitted attributes and run through torch, so that nothing here shares
code with the certificates that these attacks are held against.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from torch import Tensor

Scores = Callable[[Tensor], Tensor]

_ACTIVATIONS: dict[str, Scores] = {
    "identity": lambda X: X,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "logistic": torch.sigmoid,
}


def scores_of(estimator: Any) -> Scores:
    """Return the float64 function from rows to one score per class.

    Parameters
    ----------
    estimator : classifier
        An encoder or a probe of this library, an MLPClassifier, a linear model, or a pipeline of
        scalers, PCA and encoders that ends in one of them.
    """
    if isinstance(estimator, Pipeline):
        steps = [_transform_of(step) for step in estimator[:-1]]
        return _chain([*steps, scores_of(estimator[-1])])
    if isinstance(estimator, FrozenEstimator):
        return scores_of(estimator.estimator)
    if hasattr(estimator, "module_"):
        return _two_scores(_double(estimator.module_))
    if isinstance(estimator, MLPClassifier):
        layers = [
            _affine(W.T, b) for W, b in zip(estimator.coefs_, estimator.intercepts_, strict=True)
        ]
        activation = _ACTIVATIONS[estimator.activation]
        steps = [step for layer in layers[:-1] for step in (layer, activation)]
        return _two_scores(_chain([*steps, layers[-1]]))
    return _two_scores(_affine(estimator.coef_, estimator.intercept_))


def _transform_of(step: Any) -> Scores:
    if isinstance(step, FrozenEstimator):
        return _transform_of(step.estimator)
    if hasattr(step, "module_"):
        return _double(step.module_).features
    if isinstance(step, StandardScaler):
        mean, scale = torch.as_tensor(step.mean_), torch.as_tensor(step.scale_)
        return lambda X: (X - mean) / scale
    if isinstance(step, MinMaxScaler):
        factor, start = torch.as_tensor(step.scale_), torch.as_tensor(step.min_)
        return lambda X: X * factor + start
    if isinstance(step, PCA):
        axes = step.components_
        if step.whiten:
            axes = axes / np.sqrt(step.explained_variance_)[:, None]
        return _affine(axes, -axes @ step.mean_)
    raise TypeError(f"The white-box attacks do not know {type(step).__name__}.")


def _double(module: Any) -> Any:
    return copy.deepcopy(module).cpu().double().eval().requires_grad_(False)


def _affine(weight: Any, bias: Any) -> Scores:
    W, b = (torch.as_tensor(np.array(a, dtype=np.float64)) for a in (weight, bias))
    return lambda X: X @ W.T + b.reshape(-1)


def _chain(steps: list[Scores]) -> Scores:
    def chained(X: Tensor) -> Tensor:
        for step in steps:
            X = step(X)
        return X

    return chained


def _two_scores(function: Scores) -> Scores:
    """Let the other class score zero, if two classes share one score."""

    def both(X: Tensor) -> Tensor:
        scores = function(X)
        return torch.cat([torch.zeros_like(scores), scores], 1) if scores.shape[1] == 1 else scores

    return both

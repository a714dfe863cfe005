"""A backbone up to the feature space, and the readout on top of it."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

import torch
from torch import Tensor, nn

from specreg_sklearn._registry import resolve
from specreg_sklearn.modules._seeding import SeededDraws


class Network(nn.Module):
    """A classifier in two parts, so that "up to the feature space" is always well defined.

    Parameters
    ----------
    backbone : torch.nn.Module
        Maps (n_samples, *input_shape) to features (n_samples, n_features_out).
    head : torch.nn.Linear
        The readout: maps features to logits (n_samples, n_classes).
    input_shape : tuple of int
        Shape of one sample as the backbone wants it; rows may come flat.
    """

    def __init__(self, backbone: nn.Module, head: nn.Linear, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.input_shape = tuple(input_shape)

    def features(self, X: Tensor) -> Tensor:
        """Return the representation of the rows of `X`, of shape (n_samples, n_features_out)."""
        if X.shape[1:] != self.input_shape:
            X = X.reshape(len(X), *self.input_shape)
        return self.backbone(X)

    def forward(self, X: Tensor) -> Tensor:
        """Return the logits of the rows of `X`, of shape (n_samples, n_classes)."""
        return self.head(self.features(X))


def build_network(
    module: str | Callable[..., nn.Module],
    *,
    input_shape: tuple[int, ...],
    n_classes: int,
    settings: dict[str, Any],
    dtype: torch.dtype,
    generator: torch.Generator,
) -> Network:
    """Build a backbone and put a linear readout on top of it.

    Parameters
    ----------
    module : str or callable
        A registered name or a factory ``(input_shape, ...) -> torch.nn.Module``.
    input_shape : tuple of int
        Shape of one sample.
    n_classes : int
        Number of logits.
    settings : dict
        Keyword arguments offered to the factory; it gets those that its signature names.
    dtype : torch.dtype
        Floating type of the weights.
    generator : torch.Generator
        Source of the start weights. The global generator is not used.

    Returns
    -------
    Network
        On the CPU.

    Raises
    ------
    ValueError
        If the name is unknown or if the features are not of shape (n_samples, n_features_out).
    TypeError
        If the factory does not return a torch module.
    """
    factory = resolve("modules", module) if isinstance(module, str) else module
    if isinstance(factory, nn.Module):
        raise TypeError(
            f"module={module!r} is a torch module; give a factory that builds one: a callable "
            "(input_shape) -> torch.nn.Module."
        )
    with SeededDraws(generator):
        backbone = factory(input_shape, **_accepted(factory, settings))
        if not isinstance(backbone, nn.Module):
            raise TypeError(
                f"module={module!r} must build a torch.nn.Module; it returned {backbone!r}."
            )
        backbone = backbone.to(dtype)
        n_features = _n_features_out(backbone, input_shape, dtype, module)
        head = nn.Linear(n_features, n_classes).to(dtype)
    return Network(backbone, head, input_shape)


def _n_features_out(
    backbone: nn.Module, input_shape: tuple[int, ...], dtype: torch.dtype, module: object
) -> int:
    was_training = backbone.training
    backbone.eval()  # trial rows must not move running statistics; some layers want two
    with torch.no_grad():
        features = backbone(torch.zeros(2, *input_shape, dtype=dtype))
    backbone.train(was_training)
    if features.ndim != 2:
        raise ValueError(
            f"module={module!r} must map (n_samples, *{input_shape}) to features of shape "
            f"(n_samples, n_features_out); it gives {tuple(features.shape)} for two samples."
        )
    return features.shape[1]


def _accepted(factory: Callable[..., Any], settings: dict[str, Any]) -> dict[str, Any]:
    parameters = signature(factory).parameters
    if any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values()):
        return settings
    return {name: value for name, value in settings.items() if name in parameters}

"""What the architectures share: their contract, activations by name, and checks of shapes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import numpy as np
from sklearn.base import BaseEstimator
from torch import nn

from specreg_sklearn._typing import Activation
from specreg_sklearn.modules._group_sort import GroupSort, MaxMin, check_width

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "maxmin": MaxMin,
    "groupsort": GroupSort,
}


class ModuleFactory(BaseEstimator, ABC):
    """Settings of an architecture; calling the object builds a backbone with fresh weights.

    Any callable ``(input_shape) -> torch.nn.Module`` is a factory. One that derives from this class
    also has ``get_params`` and ``set_params``, so that ``module__name`` can be searched.
    """

    @abstractmethod
    def __call__(
        self, input_shape: tuple[int, ...], *, activation: Activation = "relu"
    ) -> nn.Module:
        """Build a backbone.

        Parameters
        ----------
        input_shape : tuple of int
            Shape of one sample.
        activation : str, default="relu"
            A key of ``specreg_sklearn.modules.ACTIVATIONS``.

        Returns
        -------
        torch.nn.Module
            Maps (n_samples, *input_shape) to features (n_samples, n_features_out).
        """


def as_widths(widths: int | Sequence[int]) -> list[int]:
    """Return one width or several as a list; a number of numpy is one width, too."""
    if isinstance(widths, np.ndarray):
        widths = widths.tolist()
    return [*widths] if isinstance(widths, Iterable) else [widths]


def check_activation(activation: str, widths: Iterable[int] = ()) -> type[nn.Module]:
    """Return the class of layer that a name stands for; it is built without arguments.

    `widths` are those of the layers that it follows: not every activation takes any.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation={activation!r} is not one of {sorted(ACTIVATIONS)}.")
    kind = ACTIVATIONS[activation]
    if issubclass(kind, GroupSort):
        for width in widths:
            check_width(f"activation={activation!r}", kind().group_size, width)
    return kind


def check_image_shape(owner: str, input_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return channels, height and width of one image, or raise ValueError that proposes a shape.

    `owner` is the architecture, for the message.
    """
    if len(input_shape) == 3:
        channels, height, width = input_shape
        return channels, height, width
    raise ValueError(
        f"{owner} works on images, and a row has the shape {tuple(input_shape)}. Give "
        f"input_shape=(n_channels, height, width){_proposal(input_shape)}, or X of shape "
        "(n_samples, n_channels, height, width)."
    )


def _proposal(input_shape: tuple[int, ...]) -> str:
    """Name a shape that would fit, where one is plain to see."""
    if len(input_shape) == 2:
        return f", here (1, {input_shape[0]}, {input_shape[1]}) for images without colour"
    n_features = math.prod(input_shape)
    for channels in (1, 3):
        side = math.isqrt(n_features // channels)
        if side > 1 and channels * side * side == n_features:
            return f", such as ({channels}, {side}, {side}) for {n_features} features"
    return ""

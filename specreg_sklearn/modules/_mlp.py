"""Multilayer perceptrons: the backbone of tables, and the projector of self-supervision."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from numbers import Integral

from torch import nn

from specreg_sklearn._typing import Activation
from specreg_sklearn.modules._architecture import as_widths, check_activation


def mlp(
    input_shape: tuple[int, ...],
    *,
    hidden_layer_sizes: Sequence[int] | int = (100,),
    activation: Activation = "relu",
) -> nn.Sequential:
    """Build the hidden layers of a multilayer perceptron.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one sample; more than one axis is flattened.
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Widths of the hidden layers; the last one is the number of features.
    activation : {"identity", "logistic", "tanh", "relu", "elu", "gelu", "maxmin", "groupsort"}, \
            default="relu"
        Applied after every hidden layer, the last one included. "maxmin" sorts pairs of
        neighbouring features and needs even widths, "groupsort" groups of four.

    Returns
    -------
    torch.nn.Sequential
        Maps (n_samples, *input_shape) to (n_samples, hidden_layer_sizes[-1]). Its layers are named
        ``hidden1, activation1, hidden2, ...``.

    Raises
    ------
    ValueError
        If a width is not a positive integer, if there is none, or if the activation is unknown.

    Examples
    --------
    >>> from specreg_sklearn.modules import mlp
    >>> mlp((64,), hidden_layer_sizes=(32, 8), activation="tanh")
    Sequential(
      (hidden1): Linear(in_features=64, out_features=32, bias=True)
      (activation1): Tanh()
      (hidden2): Linear(in_features=32, out_features=8, bias=True)
      (activation2): Tanh()
    )
    """
    widths = as_widths(hidden_layer_sizes)
    if not widths or any(int(width) != width or width < 1 for width in widths):
        raise ValueError(
            f"hidden_layer_sizes={hidden_layer_sizes!r} must hold positive integers, at least one."
        )
    make_activation = check_activation(activation, map(int, widths))
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if len(input_shape) > 1:
        layers["flatten"] = nn.Flatten()
    n_inputs = math.prod(input_shape)
    for number, width in enumerate(widths, start=1):
        layers[f"hidden{number}"] = nn.Linear(n_inputs, int(width))
        layers[f"activation{number}"] = make_activation()
        n_inputs = int(width)
    return nn.Sequential(layers)


def projector(widths: int | Sequence[int]) -> Callable[[int], nn.Module]:
    """Return the head of a self-supervised network: a multilayer perceptron on the features.

    It takes up what two views must not share with each other, so that the features need not; after
    training it is not used. A batch norm follows each hidden layer. The last layer is linear.

    Parameters
    ----------
    widths : int or sequence of int
        Widths of the layers; the last one is the number of projections.

    Returns
    -------
    callable
        Maps the number of features to a module with weights, whose layers are named ``hidden1,
        norm1, activation1, ..., output``.

    Raises
    ------
    ValueError
        If a width is not a positive integer or there is none.

    Examples
    --------
    >>> from specreg_sklearn.modules import projector
    >>> projector((64, 16))(32)
    Sequential(
      (hidden1): Linear(in_features=32, out_features=64, bias=False)
      (norm1): BatchNorm1d(64, ...)
      (activation1): ReLU()
      (output): Linear(in_features=64, out_features=16, bias=True)
    )
    """
    sizes = as_widths(widths)
    if not sizes or any(not isinstance(size, Integral) or size < 1 for size in sizes):
        raise ValueError(
            f"projector={widths!r} must be a positive integer, a sequence of at least one, or a "
            "callable (n_features) -> torch.nn.Module."
        )

    def build(n_features: int) -> nn.Module:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number, size in enumerate(sizes[:-1], start=1):
            # The batch norm takes any shift away.
            layers[f"hidden{number}"] = nn.Linear(n_features, int(size), bias=False)
            layers[f"norm{number}"] = nn.BatchNorm1d(int(size))
            layers[f"activation{number}"] = nn.ReLU()
            n_features = int(size)
        layers["output"] = nn.Linear(n_features, int(sizes[-1]))
        return nn.Sequential(layers)

    return build

"""The multilayer perceptron backbone."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from specreg_sklearn.modules._activations import check_activation


def mlp(
    input_shape: tuple[int, ...],
    *,
    hidden_layer_sizes: Sequence[int] | int = (100,),
    activation: str = "relu",
) -> nn.Sequential:
    """Build the hidden layers of a multilayer perceptron.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one sample; more than one axis is flattened.
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Widths of the hidden layers; the last one is the number of features.
    activation : {"identity", "logistic", "tanh", "relu", "elu", "gelu"}, default="relu"
        Applied after every hidden layer, the last one included.

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
    widths = [hidden_layer_sizes] if isinstance(hidden_layer_sizes, int) else [*hidden_layer_sizes]
    if not widths or any(int(width) != width or width < 1 for width in widths):
        raise ValueError(
            f"hidden_layer_sizes={hidden_layer_sizes!r} must hold positive integers, at least one."
        )
    make_activation = check_activation(activation)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if len(input_shape) > 1:
        layers["flatten"] = nn.Flatten()
    n_inputs = math.prod(input_shape)
    for number, width in enumerate(widths, start=1):
        layers[f"hidden{number}"] = nn.Linear(n_inputs, int(width))
        layers[f"activation{number}"] = make_activation()
        n_inputs = int(width)
    return nn.Sequential(layers)

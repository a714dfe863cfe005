"""The projector of self-supervision: what the objective sees of the features in training."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from numbers import Integral

from torch import nn


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
    sizes = [widths] if isinstance(widths, (int, Integral)) else [*widths]
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

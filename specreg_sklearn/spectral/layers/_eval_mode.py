"""Networks in evaluation mode for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.utils import parametrize


@contextmanager
def evaluated(network: nn.Module) -> Iterator[None]:
    """Put every part into evaluation mode, and back into the mode that it had.

    Batch norms then use their running statistics and do not move them, dropouts do nothing, and
    a row's logits do not depend on the other rows of the batch.
    """
    training = [module for module in network.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def weight_of(layer: nn.Module) -> Tensor:
    """Return the weight of a layer as it is in evaluation mode; gradients flow to it.

    A spectral normalisation in training mode changes its own state whenever the weight is read.
    """
    if parametrize.is_parametrized(layer):
        with evaluated(layer):
            weight = layer.weight
    else:
        weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight

"""The layers that a constraint holds, and their weights as matrices."""

from __future__ import annotations

import math

from torch import Tensor, nn

from specreg_sklearn.constraints._constraint import Constraint
from specreg_sklearn.spectral import Convolution

Layers = list[tuple[str, nn.Module]]
_CONVOLUTIONS = nn.modules.conv._ConvNd


def weight_matrices(
    constraint: Constraint, backbone: nn.Module, head: nn.Module, include_head: bool
) -> Layers:
    """Return linear layers and convolutions by qualified names, and refuse other weights by name.

    Batch norms hold gains and no matrix: they are passed over.
    """
    layers = [*backbone.named_modules(prefix="backbone")]
    if include_head:
        layers.append(("head", head))
    matrices: Layers = []
    for name, layer in layers:
        if isinstance(layer, (nn.Linear, _CONVOLUTIONS)):
            matrices.append((name, layer))
        elif next(layer.parameters(recurse=False), None) is not None and not isinstance(
            layer, nn.modules.batchnorm._BatchNorm
        ):
            raise ValueError(
                f"{type(constraint).__name__} cannot handle the layer {name!r} "
                f"({type(layer).__name__}); accepted: torch.nn.Linear and convolutions."
            )
    return matrices


def as_matrices(layer: nn.Module) -> Tensor:
    """Return the weight as a stack of matrices (groups, n_outputs, n_inputs * taps).

    A linear layer is one matrix. A convolution has one per group, its kernel reshaped; a
    transposed one counts as the convolution whose adjoint it applies.
    """
    weight = layer.weight
    assert isinstance(weight, Tensor)
    if isinstance(layer, nn.Linear):
        return weight.detach()[None]
    assert isinstance(layer, _CONVOLUTIONS)
    return weight.detach().reshape(layer.groups, len(weight) // layer.groups, -1)


def write_matrices(layer: nn.Module, matrices: Tensor) -> None:
    """Write what :func:`as_matrices` has read, changed, back into the layer."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    weight.copy_(matrices.reshape(weight.shape))


def positions_per_pixel(layer: nn.Module) -> int:
    """Return the most positions of a kernel that read one pixel; 1 for a linear layer."""
    if isinstance(layer, nn.Linear):
        return 1
    operator = Convolution.from_layer(layer)
    per_axis = zip(operator.kernel, operator.stride, operator.dilation, strict=True)
    # Taps that reach the same pixel from different positions are stride / gcd apart.
    return math.prod(-(-taps // (step // math.gcd(step, gap))) for taps, step, gap in per_axis)

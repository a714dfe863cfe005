"""What the constraints share: which layers they hold, and checks of their settings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Integral, Real

from torch import Tensor, nn

from specreg_sklearn.spectral import Convolution

Layers = list[tuple[str, nn.Module]]
_CONVOLUTIONS = nn.modules.conv._ConvNd


def constrained_layers(backbone: nn.Module, head: nn.Module, include_head: bool) -> Layers:
    """Return the layers with weights of their own, with qualified names."""
    layers = [*backbone.named_modules(prefix="backbone")]
    if include_head:
        layers.append(("head", head))
    return [
        (name, layer)
        for name, layer in layers
        if next(layer.parameters(recurse=False), None) is not None
    ]


def weight_matrices(constraint: object, layers: Layers) -> Iterator[tuple[str, nn.Module]]:
    """Yield linear layers and convolutions, and refuse other weights by name.

    Batch norms hold gains and no matrix: they are passed over.
    """
    for name, layer in layers:
        if isinstance(layer, (nn.Linear, _CONVOLUTIONS)):
            yield name, layer
        elif not isinstance(layer, nn.modules.batchnorm._BatchNorm):
            raise refusal(constraint, name, layer, "torch.nn.Linear and convolutions")


def refusal(constraint: object, name: str, layer: nn.Module, accepted: str) -> ValueError:
    """Return the error for a layer that a constraint cannot handle."""
    return ValueError(
        f"{type(constraint).__name__} cannot handle the layer {name!r} "
        f"({type(layer).__name__}); accepted: {accepted}."
    )


def as_matrices(layer: nn.Module) -> Tensor:
    """Return the weight as a stack of matrices (groups, n_outputs, n_inputs * taps).

    A linear layer is one matrix. A convolution has one per group, its kernel reshaped; a
    transposed one counts as the convolution whose adjoint it applies.
    """
    weight = layer.weight
    assert isinstance(weight, Tensor)
    if isinstance(layer, nn.Linear):
        return weight.detach()[None]
    assert isinstance(layer, nn.modules.conv._ConvNd)
    return weight.detach().reshape(layer.groups, len(weight) // layer.groups, -1)


def write_matrices(layer: nn.Module, matrices: Tensor) -> None:
    """Write what :func:`as_matrices` has read, changed, back into the layer."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    weight.copy_(matrices.reshape(weight.shape))


def windows_per_pixel(layer: nn.Module) -> int:
    """Return the most windows of a convolution that one pixel lies in; 1 for a linear layer."""
    if isinstance(layer, nn.Linear):
        return 1
    operator = Convolution.from_layer(layer)
    per_axis = zip(operator.kernel, operator.stride, operator.dilation, strict=True)
    # Taps that reach the same pixel from different positions are stride / gcd apart.
    return math.prod(-(-taps // (step // math.gcd(step, gap))) for taps, step, gap in per_axis)


def check_number(name: str, value: object, low: float, high: float = math.inf) -> None:
    """Raise unless `value` is a real number above `low` and below `high`."""
    if isinstance(value, bool) or not isinstance(value, Real) or not low < float(value) < high:
        limits = f"above {low:g}" if math.isinf(high) else f"above {low:g} and below {high:g}"
        raise ValueError(f"{name}={value!r} must be a number {limits}.")


def check_count(name: str, value: object, *, otherwise: tuple[object, ...] = ()) -> None:
    """Raise unless `value` is a positive integer or one of the other values that are accepted."""
    if any(value is other or value == other for other in otherwise):
        return
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        also = "".join(f" or {other!r}" for other in otherwise)
        raise ValueError(f"{name}={value!r} must be a positive integer{also}.")


def check_flag(name: str, value: object) -> None:
    """Raise unless `value` is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}={value!r} must be True or False.")

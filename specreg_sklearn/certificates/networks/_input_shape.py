"""The shape of one sample of a torch module, where the module itself gives it away."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

_PASSING = (nn.Identity, nn.Dropout, nn.Flatten)


def input_shape_of(module: nn.Module, input_shape: Sequence[int] | None) -> tuple[int, ...]:
    """Return the given shape, or that of the linear layer the module starts with.

    Raises
    ------
    ValueError
        If no shape is given and the module does not start with a linear layer.
    """
    if input_shape is not None:
        return tuple(int(side) for side in input_shape)
    own = getattr(module, "input_shape", None)
    if own is not None:
        return tuple(own)
    first: nn.Module | None = module
    while isinstance(first, nn.Sequential):
        first = next((part for part in first if not isinstance(part, _PASSING)), None)
    if isinstance(first, nn.Linear):
        return (first.in_features,)
    raise ValueError(
        f"input_shape=None, but {type(module).__name__} does not start with a linear layer; give "
        "the shape of one sample, such as (3, 32, 32)."
    )

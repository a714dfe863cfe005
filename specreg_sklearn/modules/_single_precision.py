"""Tensors in single precision where no type is given, whatever torch's default is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

_USUAL = torch.float32
# Made of nothing but a shape: their type is the default.
_OF_A_SHAPE = (torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.eye)
_OF_NUMBERS = (torch.tensor, torch.as_tensor, torch.full, torch.arange, torch.linspace)
# What has a type of its own keeps it.
_TYPED = (Tensor, np.ndarray, np.generic)


def usual_dtype(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Return the keyword arguments of a torch function, with a type where it would be the default.

    ``torch.set_default_dtype(torch.float32)`` would do for the whole process, other threads
    included. Weights drawn in another type are other weights: a seed would mean another network.
    """
    if torch.get_default_dtype() == _USUAL or kwargs.get("dtype") is not None:
        return kwargs
    free = func in _OF_A_SHAPE
    if func in _OF_NUMBERS and not (args and isinstance(args[0], _TYPED)):
        free = func(*args, **kwargs).is_floating_point()
    return {**kwargs, "dtype": _USUAL} if free else kwargs

"""Copies of modules, also of those that torch refuses to copy."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


def copied(module: nn.Module) -> nn.Module:
    """Copy a module with all that it holds.

    ``copy.deepcopy`` refuses weights that a hook has computed from others, since they are no leaves
    of autograd; their values are copied.
    """
    memo: dict[int, Any] = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }
    with torch.inference_mode(False):
        return copy.deepcopy(module, memo)


def replaced_method(part: nn.Module) -> str | None:
    """Return the name of a method of its class that an object has replaced, if there is one.

    Such a method may be bound to the object, so that a copy would call the original.
    """
    for name, value in vars(part).items():
        if callable(value) and callable(getattr(type(part), name, None)):
            return name
    return None

"""A backbone that has been trained before, from wherever the user has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted
from torch import nn

from specreg_sklearn.modules import ModuleFactory

Module: TypeAlias = str | Callable[..., nn.Module] | nn.Module | FrozenEstimator


def trained_backbone(
    module: Module,
) -> tuple[str | Callable[..., nn.Module] | nn.Module, tuple[int, ...] | None]:
    """Return the backbone inside a frozen encoder, and the shape of a row that it takes.

    What is no estimator is returned as it is, with None.
    """
    if not isinstance(module, BaseEstimator) or isinstance(module, ModuleFactory):
        return module, None
    if not isinstance(module, FrozenEstimator):
        raise TypeError(
            f"module={module!r} is an estimator. To go on from a fitted encoder give "
            "FrozenEstimator(encoder), from sklearn.frozen: clone() then keeps its weights."
        )
    encoder = module.estimator
    if not hasattr(type(encoder), "module_") and not hasattr(encoder, "module_"):
        raise TypeError(
            f"module={module!r} must hold a fitted encoder, which has a torch backbone in "
            f"`module_`; {type(encoder).__name__} has none."
        )
    check_is_fitted(encoder)
    network = encoder.module_
    return network.backbone, network.input_shape

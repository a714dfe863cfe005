"""A backbone that has been trained before, from wherever the user has it."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from specreg_sklearn.modules import ModuleFactory


def trained_backbone(module: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Return the backbone inside a frozen encoder, and what it was made for.

    Parameters
    ----------
    module : str, callable, torch.nn.Module or FrozenEstimator
        The user's `module`.

    Returns
    -------
    module : str, callable or torch.nn.Module
        The backbone of a frozen encoder; everything else as it is.
    input_shape : tuple of int or None
        The shape of a row that a frozen encoder takes.

    Raises
    ------
    TypeError
        If an estimator is neither frozen nor an encoder of this library.
    NotFittedError
        If the frozen encoder has not been fitted.
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

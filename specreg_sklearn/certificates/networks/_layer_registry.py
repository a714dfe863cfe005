"""The table from layer types to stages, open to third parties."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any, TypeVar

from torch import nn

from specreg_sklearn.certificates.stages import NoLipschitzBound, Stage

Rule = Callable[[Any, tuple[int, ...]], Stage]
_RuleT = TypeVar("_RuleT", bound=Rule)

_BATCH_FREE = "its slope has no useful limit: it grows as the spread of a row shrinks"
_PRODUCTS = "it multiplies values that both depend on the input"
_REASONS: dict[type[nn.Module], str] = {
    nn.LayerNorm: _BATCH_FREE,
    nn.GroupNorm: _BATCH_FREE,
    nn.modules.instancenorm._InstanceNorm: _BATCH_FREE,
    nn.LocalResponseNorm: "no constant is known",
    nn.MultiheadAttention: _PRODUCTS,
    nn.TransformerEncoderLayer: _PRODUCTS,
    nn.TransformerEncoder: _PRODUCTS,
    nn.Bilinear: _PRODUCTS,
    nn.GLU: _PRODUCTS,
    nn.RNNBase: "its constant grows with the length of the sequence, and none is known",
    nn.Embedding: "it reads integers, which cannot be moved by a small step",
    nn.Softmax: "certify the logits: leave the softmax out",
    nn.LogSoftmax: "certify the logits: leave the log-softmax out",
    nn.Softmax2d: "certify the logits: leave the softmax out",
    nn.Hardshrink: "it jumps",
}

# What a subclass of a layer may define for itself: none of it is part of the function.
_HARMLESS = frozenset(
    ("__init__", "__repr__", "__dict__", "__weakref__", "extra_repr", "reset_parameters", "train",
     "__getstate__", "__setstate__", "__reduce__", "__reduce_ex__", "__deepcopy__",
     "_save_to_state_dict", "_load_from_state_dict", "__init_subclass__")
)  # fmt: skip


@singledispatch
def lipschitz_rule(layer: nn.Module, input_shape: tuple[int, ...]) -> Stage:
    """Return the stage of a layer, for inputs of shape (n_samples, *input_shape)."""
    raise NoLipschitzBound(_reason(layer))


def register_lipschitz_rule(
    kind: type[nn.Module], *others: type[nn.Module]
) -> Callable[[_RuleT], _RuleT]:
    """Teach the library what one or several types of layers do to distances.

    Parameters
    ----------
    kind, *others : type
        Subclasses of :class:`torch.nn.Module`. Their subclasses are covered, unless they override
        ``forward`` or another method.

    Returns
    -------
    callable
        A decorator for a function ``(layer, input_shape) -> Stage``. The layer is a copy in
        float64 on the CPU and in eval mode; `input_shape` leaves out the batch axis. The stage
        works on arrays of shape (n_samples, *input_shape).

    See Also
    --------
    BoundedLayer : A stage for a layer whose constant you know.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.certificates import (
    ...     BoundedLayer, module_lipschitz_bound, register_lipschitz_rule)
    >>> class Halve(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x / 2
    >>> @register_lipschitz_rule(Halve)
    ... def halve(layer, input_shape):
    ...     return BoundedLayer(layer, 0.5)
    >>> module_lipschitz_bound(Halve(), (3,))
    0.5
    """

    def decorate(rule: _RuleT) -> _RuleT:
        for each in (kind, *others):
            lipschitz_rule.register(each, rule)
        return rule

    return decorate


def has_rule(layer: nn.Module) -> bool:
    """Tell whether a rule covers the layer: its type, or a base with the very same methods."""
    bases: tuple[Any, ...] = type(layer).__mro__
    for number, base in enumerate(bases):
        if base in lipschitz_rule.registry and base is not object:
            return type(layer).forward is base.forward and not any(
                _changes(own, base) for own in bases[:number]
            )
    return False


def _changes(own: type, base: type) -> bool:
    """Tell whether a subclass brings its own version of something that its base may call."""
    for name, value in vars(own).items():
        if name in _HARMLESS or not hasattr(value, "__get__"):
            continue
        # A property hides the attribute of the same name, such as a weight.
        if hasattr(base, name) or hasattr(value, "__set__"):
            return True
    return False


def stage_of_layer(name: str, layer: nn.Module, input_shape: tuple[int, ...]) -> Stage:
    """Apply the rule of a layer, or refuse in its name."""
    subject = subject_of(name, layer)
    if not has_rule(layer):
        raise NoLipschitzBound.of(subject, _reason(layer))
    try:
        return lipschitz_rule(layer, input_shape)
    except NoLipschitzBound as error:
        raise NoLipschitzBound.of(subject, str(error)) from None
    except ValueError as error:
        raise ValueError(f"{subject}: {error}") from error


def subject_of(name: str, module: nn.Module) -> str:
    """Return how a message calls a part of a network; the network itself has no name."""
    kind = type(module).__name__
    return f"The layer {name!r} ({kind})" if name else f"The module itself ({kind})"


def _reason(layer: nn.Module) -> str:
    for kind, reason in _REASONS.items():
        if isinstance(layer, kind):
            return reason
    return "no rule is known for this type; register_lipschitz_rule adds one"

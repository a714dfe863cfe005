"""Copies of a user's module: they share nothing that could be changed with the original."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from specreg_sklearn.certificates.networks._layer_registry import subject_of
from specreg_sklearn.certificates.networks._state import difference, random_states_kept, snapshot
from specreg_sklearn.certificates.stages import NoLipschitzBound
from specreg_sklearn.spectral.layers import copied, replaced_method

# Attributes that belong to reparametrisations by hooks, behind the name of the weight.
_HOOK_PARTS = ("_g", "_v", "_u", "_orig", "_mask")


def detached_copy(module: nn.Module) -> nn.Module:
    """Copy a module as it is, into eval mode; the original is not touched.

    Raises
    ------
    ValueError
        If the module cannot be copied, or if its copy shares parts with it.
    NoLipschitzBound
        If a method was replaced on the object.
    """
    check_copyable(module)
    try:
        clone = copied(module)
    except Exception as error:
        raise ValueError(f"The module cannot be copied: {error}") from error
    if not isinstance(clone, nn.Module) or _parts_of(module) & _parts_of(clone):
        raise ValueError(
            f"The module ({type(module).__name__}) cannot be copied: its own __deepcopy__ gives a "
            "copy that shares layers or weights with it."
        )
    for part in clone.modules():
        # The user's backward hooks are for the user's own gradients.
        part._backward_hooks.clear()
        part._backward_pre_hooks.clear()
    return clone.eval()


def check_copyable(module: nn.Module) -> None:
    """Refuse a module that cannot be copied, or whose copy would call the original.

    The latter may be so where a method of the class was replaced on the object.

    Raises
    ------
    NoLipschitzBound
        If it is compiled, or a method was replaced on the object.
    ValueError
        If it has no weights, only their shapes.
    """
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule) or hasattr(part, "_orig_mod"):
            raise NoLipschitzBound.of(
                subject_of(name, part), "it is compiled; give the module that it was made from"
            )
        if any(tensor.is_meta for tensor in part.parameters(recurse=False)):
            raise ValueError(
                f"{subject_of(name, part)} has no weights: it is on the device 'meta'."
            )
        replaced = replaced_method(part)
        if replaced is not None:
            raise NoLipschitzBound.of(
                subject_of(name, part),
                f"its method {replaced!r} was replaced on the object, which a copy cannot follow; "
                "define it in a class",
            )


def float64_copy(module: nn.Module) -> nn.Module:
    """Copy a module to the CPU, in eval mode and float64; the original is not touched.

    Weights with a parametrisation become plain weights of the value that they have.

    Raises
    ------
    ValueError
        If a parameter or buffer holds NaN or infinite entries, or if the module cannot be copied.
    NoLipschitzBound
        If a parameter is complex, or if a parametrisation gives another weight each time.
    """
    clone = detached_copy(module)
    with torch.no_grad(), torch.inference_mode(False), random_states_kept():
        for name, part in list(clone.named_modules()):
            # A parametrised weight is the one that the module uses, in its own precision.
            if parametrize.is_parametrized(part):
                _make_plain(name, part)
            _bake_hooks(part)
    nn.Module.cpu(clone)
    nn.Module.requires_grad_(clone, False)
    for name, tensor in [*clone.named_parameters(), *clone.named_buffers()]:
        if tensor.is_complex():
            raise NoLipschitzBound(f"The parameter {name!r} is complex; real ones are accepted.")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"The parameter {name!r} holds NaN or infinite entries.")
    return nn.Module.double(clone)


def _parts_of(module: nn.Module) -> set[int]:
    return {
        id(part)
        for parts in (module.modules(), module.parameters(), module.buffers())
        for part in parts
    }


def _make_plain(where: str, part: nn.Module) -> None:
    """Turn a part with parametrisations into one of its original class with plain weights.

    The class with the computed weights is shared with the original, and stays as it is.
    """
    lists: Any = part.parametrizations
    values = {}
    for name, steps in lists.items():
        before = snapshot(steps)
        values[name] = steps().detach().clone()
        changed = difference(before, snapshot(steps))
        if changed is not None or not torch.equal(values[name], steps()):
            raise NoLipschitzBound(
                f"The parametrisation of {name!r} in {where!r} ({type(part).__name__}) gives "
                "another weight each time"
                + (f": it changes {changed}" if changed is not None else "")
                + ". Fix the weight with torch.nn.utils.parametrize.remove_parametrizations."
            )
    kept = {name: isinstance(_first_original(steps), nn.Parameter) for name, steps in lists.items()}
    part.__class__ = parametrize.type_before_parametrizations(part)
    del part._modules["parametrizations"]
    for name, value in values.items():
        _set_weight(part, name, value, as_parameter=kept[name])


def _first_original(steps: Any) -> Tensor:
    original = steps.original if steps.is_tensor else steps.original0
    assert isinstance(original, Tensor)
    return original


def _bake_hooks(part: nn.Module) -> None:
    """Turn weights that a hook of torch computes before each call into plain weights."""
    for key, hook in list(part._forward_pre_hooks.items()):
        name = reparametrised_by(hook)
        if name is None:
            continue
        hook(part, ())
        value = getattr(part, name).detach().clone()
        del part._forward_pre_hooks[key]
        part._forward_pre_hooks_with_kwargs.pop(key, None)
        for ending in ("", *_HOOK_PARTS):
            for home in (part._parameters, part._buffers, vars(part)):
                home.pop(f"{name}{ending}", None)
        _set_weight(part, name, value, as_parameter=True)


def reparametrised_by(hook: object) -> str | None:
    """Return the name of the weight, if a hook is one with which torch computes weights."""
    if type(hook) is WeightNorm:
        return hook.name
    if type(hook) is SpectralNorm:
        return hook.name
    if type(hook).__module__ == prune.__name__ and isinstance(hook, prune.BasePruningMethod):
        return str(hook._tensor_name)
    return None


def _set_weight(part: nn.Module, name: str, value: Tensor, *, as_parameter: bool) -> None:
    if as_parameter:
        part.register_parameter(name, nn.Parameter(value, requires_grad=False))
    else:
        part.register_buffer(name, value)

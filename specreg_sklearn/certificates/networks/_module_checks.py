"""What acts on a module from outside its layers, and that a recording does not see."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.nn.parameter import is_lazy

from specreg_sklearn.certificates.networks._layer_registry import subject_of
from specreg_sklearn.certificates.networks._plain_copy import check_copyable, reparametrised_by
from specreg_sklearn.certificates.stages import NoLipschitzBound

_PLAIN_TENSORS = frozenset(
    (Tensor, nn.Parameter, *([nn.Buffer] if isinstance(getattr(nn, "Buffer", None), type) else []))
)
_GLOBAL_HOOKS = {"forward hook": "_global_forward_hooks", "pre-hook": "_global_forward_pre_hooks"}


def check_no_hooks(module: nn.Module, *, parts: bool = True) -> None:
    """Refuse a module whose own calls, or those of its parts, run hooks.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    parts : bool, default=True
        Whether its parts are looked at, too.

    Raises
    ------
    NoLipschitzBound
        If there is a forward hook or pre-hook, other than those with which torch computes weights.
    """
    for kind, registry in _GLOBAL_HOOKS.items():
        for hook in getattr(torch_module, registry, {}).values():
            raise NoLipschitzBound(
                f"A global {kind} ({_name_of(hook)}) runs in every torch module: what it does to "
                "values is not known. Remove it first."
            )
    for name, part in module.named_modules() if parts else [("", module)]:
        subject = subject_of(name, part)
        if any(map(is_lazy, part._parameters.values())):
            raise NoLipschitzBound.of(subject, "it has no weights yet; call it once on a batch")
        for hook in part._forward_pre_hooks.values():
            if reparametrised_by(hook) is None:
                raise _refusal(subject, "forward pre-hook", hook)
        for hook in part._forward_hooks.values():
            raise _refusal(subject, "forward hook", hook)


def check_readable(module: nn.Module) -> None:
    """Refuse a module with something that a recording of its steps does not see.

    Raises
    ------
    NoLipschitzBound
        If there is a hook, a method that was replaced on an object, or a weight of a type that
        has its own arithmetic.
    """
    check_copyable(module)
    check_no_hooks(module)
    for name, part in module.named_modules():
        for key, tensor in [*part._parameters.items(), *part._buffers.items()]:
            if tensor is not None and type(tensor) not in _PLAIN_TENSORS:
                raise NoLipschitzBound.of(
                    subject_of(name, part),
                    f"{key!r} is a {type(tensor).__name__}, which may compute in its own way; "
                    "plain tensors are accepted",
                )


def check_eval_mode(module: nn.Module) -> None:
    """Refuse a module that stays in training mode when it is put into eval mode."""
    for name, part in module.named_modules():
        if part.training:
            raise NoLipschitzBound.of(
                subject_of(name, part),
                "it stays in training mode after eval(): its train method is overridden, so that "
                "predictions may be random or depend on the batch",
            )


def _refusal(subject: str, kind: str, hook: object) -> NoLipschitzBound:
    return NoLipschitzBound.of(
        subject,
        f"it has a {kind} ({_name_of(hook)}), and what that does to values is not known; remove "
        "it, or write it as a layer",
    )


def _name_of(hook: object) -> str:
    return str(getattr(hook, "__qualname__", type(hook).__name__))

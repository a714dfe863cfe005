"""Record what a module does to one batch, with the shapes known on the way."""

from __future__ import annotations

import copy
import operator
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from specreg_sklearn.certificates.networks._function_names import is_random, subject_of_call
from specreg_sklearn.certificates.networks._layer_registry import (
    has_rule,
    stage_of_layer,
    subject_of,
)
from specreg_sklearn.certificates.stages import NoLipschitzBound

# Rows of the trial batch: a prime that hardly meets the size of another axis by chance.
N_TRIAL_ROWS = 7
# While fx records, it puts a hook into torch.nn.Module: one recording at a time, and calls that
# other threads make in the meantime go straight to their modules.
_ONE_RECORDING = threading.Lock()
# What a recorded tensor knows of itself.
_KNOWN = frozenset(("shape", "ndim", "dtype", "device", "size", "dim", "numel"))


def float64_copy(module: nn.Module) -> nn.Module:
    """Copy a module to the CPU, in eval mode and float64; NaN and infinite entries are refused."""
    try:
        clone = copy.deepcopy(module)
    except RuntimeError as error:
        raise ValueError(f"The module cannot be copied: {error}") from error
    clone.eval().cpu().requires_grad_(False)
    with torch.no_grad():
        for part in clone.modules():
            # The parametrised weight is the one that the module uses, in its own precision.
            for name in list(getattr(part, "parametrizations", ())):
                if parametrize.is_parametrized(part, name):
                    parametrize.remove_parametrizations(part, name, leave_parametrized=True)
    for name, tensor in [*clone.named_parameters(), *clone.named_buffers()]:
        if tensor.is_complex():
            raise NoLipschitzBound(f"The parameter {name!r} is complex; real ones are accepted.")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"The parameter {name!r} holds NaN or infinite entries.")
    return clone.double()


def trace(module: nn.Module, input_shape: tuple[int, ...]) -> fx.Graph:
    """Record the operations of a module on rows of shape `input_shape`.

    Every node gets ``meta["value"]``, what it returns for a batch of zeros; ``meta["shape"]``, its
    shape without the rows; ``meta["varies"]``, whether it depends on the input; ``meta["where"]``,
    the qualified name of the module it belongs to; and, for a layer, ``meta["stage"]``.
    """
    tracer = _ShapeTracer(input_shape)
    try:
        with _ONE_RECORDING, torch.no_grad():
            return tracer.trace(_OneInput(module))
    except fx.proxy.TraceError as error:
        raise NoLipschitzBound.of(
            subject_of(tracer.where, module.get_submodule(tracer.where)),
            f"its steps depend on the values of the data ({error})",
        ) from error


class _OneInput(nn.Module):
    """Gives every module the same name, and hides arguments that have a default."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Any:
        return self.module(x)


class _ShapedProxy(fx.Proxy):
    """A recorded value that knows its shape, so that branches on shapes can be followed."""

    @property
    def _value(self) -> Any:
        return self.node.meta["value"]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._value, name) if name in _KNOWN else super().__getattr__(name)

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self._value, tuple | list):
            item = partial(self.tracer.create_proxy, "call_function", operator.getitem)
            return iter([item((self, k), {}) for k in range(len(self._value))])
        return super().__iter__()


class _ShapeTracer(fx.Tracer):
    def __init__(self, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self._input_shape = input_shape
        self._path = [""]
        # While a step runs on the trial rows, fx must not record what happens inside it.
        self._running = False
        self._thread = threading.get_ident()

    @property
    def _passes_through(self) -> bool:
        return self._running or threading.get_ident() != self._thread

    @property
    def where(self) -> str:
        """Qualified name of the module that is being recorded."""
        return self._path[-1]

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        # Layers of torch without a rule are leaves as well, so that they are refused by name.
        return has_rule(m) or super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        if self._passes_through:
            return forward(*args, **kwargs)
        self._path.append(self.path_of_module(m).removeprefix("module").removeprefix("."))
        result = super().call_module(m, forward, args, kwargs)
        self._path.pop()
        return result

    def getattr(self, attr: str, attr_val: object, parameter_proxy_cache: dict[str, Any]) -> Any:
        if self._passes_through:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _ShapedProxy(node, self)

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(*args, **kwargs)
        self._running = True
        try:
            self._annotate(node)
        finally:
            self._running = False
        return node

    def _annotate(self, node: fx.Node) -> None:
        meta = node.meta
        meta["where"] = self.where
        meta["varies"] = node.op == "placeholder" or any(
            source.meta["varies"] for source in node.all_input_nodes
        )
        if node.op == "output":
            return
        meta["value"] = self._run(node)
        if isinstance(meta["value"], Tensor):
            meta["shape"] = tuple(meta["value"].shape[1:])

    def _run(self, node: fx.Node) -> Any:
        if node.op == "placeholder":
            return torch.zeros(N_TRIAL_ROWS, *self._input_shape, dtype=torch.float64, device="cpu")
        if node.op == "get_attr":
            module, _, name = str(node.target).rpartition(".")
            return getattr(self.root.get_submodule(module), name)
        args = fx.map_arg(node.args, lambda source: source.meta["value"])
        kwargs = fx.map_arg(node.kwargs, lambda source: source.meta["value"])
        if node.op == "call_module":
            return self._run_layer(node, args, kwargs)
        if is_random(node):
            raise NoLipschitzBound.of(
                subject_of_call(node), "it is random; dropout wants training=self.training"
            )
        try:
            if node.op == "call_method":
                return getattr(args[0], str(node.target))(*args[1:], **kwargs)
            assert callable(node.target)  # what "call_function" means
            return node.target(*args, **kwargs)
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            raise self._misfit(error) from error

    def _run_layer(self, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        layer = self.root.get_submodule(str(node.target))
        if kwargs or len(args) != 1 or not isinstance(args[0], Tensor):
            stage_of_layer(self.where, layer, ())  # refuses if there is no rule at all
            raise NoLipschitzBound.of(subject_of(self.where, layer), "it is given several inputs")
        if not has_rule(layer):
            stage_of_layer(self.where, layer, ())
        try:
            value = layer(args[0].clone())  # some layers work in place
        except (RuntimeError, ValueError, IndexError) as error:
            raise self._misfit(error) from error
        node.meta["stage"] = stage_of_layer(self.where, layer, tuple(args[0].shape[1:]))
        return value

    def _misfit(self, error: Exception) -> ValueError:
        return ValueError(
            f"The module does not accept rows of shape {tuple(self._input_shape)}; its part "
            f"{self.where!r} fails with: {error}"
        )

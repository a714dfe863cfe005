"""Record what a module does to one batch, with the shapes known on the way."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn

from specreg_sklearn.certificates.networks._function_names import is_random, subject_of_call
from specreg_sklearn.certificates.networks._in_place import (
    check_in_place,
    check_no_escape,
    may_view,
    run_and_note,
)
from specreg_sklearn.certificates.networks._layer_registry import (
    has_rule,
    stage_of_layer,
    subject_of,
)
from specreg_sklearn.certificates.networks._state import random_states_kept
from specreg_sklearn.certificates.stages import NoLipschitzBound

# Rows of the trial batch: a prime that hardly meets the size of another axis by chance.
N_TRIAL_ROWS = 7
# A second recording, with gradients on and a single row, must give the same steps.
_OTHER_TRIAL_ROWS = 1
# While fx records, it puts a hook into torch.nn.Module: one recording at a time, and calls that
# other threads make in the meantime go straight to their modules.
_ONE_RECORDING = threading.Lock()
# What a recorded tensor knows of itself.
_KNOWN = frozenset(("shape", "ndim", "dtype", "device", "size", "dim", "numel"))


def trace(module: nn.Module, input_shape: tuple[int, ...]) -> fx.Graph:
    """Record the operations of a module on rows of shape `input_shape`.

    Every node gets ``meta["value"]``, what it returns for a batch of zeros; ``meta["shape"]``, its
    shape without the rows; ``meta["varies"]``, whether it depends on the input; ``meta["where"]``,
    the qualified name of the module it belongs to; and, for a layer, ``meta["stage"]``.
    """
    with _ONE_RECORDING, random_states_kept(), torch.inference_mode(False):
        with torch.no_grad():
            graph = _recorded(module, input_shape, N_TRIAL_ROWS)
        if _is_leaf(module):  # recorded by its name, without a look inside: one step at any time
            return graph
        with torch.enable_grad():
            again = _recorded(module, input_shape, _OTHER_TRIAL_ROWS)
    differs = _difference(graph, again)
    if differs is not None:
        where = differs.meta["where"]
        raise NoLipschitzBound.of(
            subject_of(where, module.get_submodule(where)),
            "its steps are not always the same: they depend on the number of rows, on whether "
            "gradients are on, on earlier calls, or on chance",
        )
    return graph


def _is_leaf(module: nn.Module) -> bool:
    return has_rule(module) or fx.Tracer().is_leaf_module(module, "")


def _recorded(module: nn.Module, input_shape: tuple[int, ...], n_rows: int) -> fx.Graph:
    tracer = _ShapeTracer(input_shape, n_rows)
    root = _OneInput(module)
    try:
        graph = tracer.trace(root)
    except fx.proxy.TraceError as error:
        raise NoLipschitzBound.of(
            _subject_at(tracer, module),
            f"its steps depend on the values of the data ({error})",
        ) from error
    except (NoLipschitzBound, ValueError):
        raise
    except Exception as error:
        raise NoLipschitzBound.of(
            _subject_at(tracer, module),
            f"its steps cannot be recorded ({type(error).__name__}: {error})",
        ) from error
    check_in_place(graph, root)
    return graph


def _subject_at(tracer: _ShapeTracer, module: nn.Module) -> str:
    return subject_of(tracer.where, module.get_submodule(tracer.where))


def _difference(left: fx.Graph, right: fx.Graph) -> fx.Node | None:
    """Return the first node of a graph that the same module on other rows does not have."""
    nodes, others = list(left.nodes), list(right.nodes)
    place = {node: number for number, node in enumerate(others)}
    matched: dict[fx.Node, int] = {}
    for number, (node, other) in enumerate(zip(nodes, others, strict=False)):
        matched[node] = number
        same = node.op == other.op and (
            node.target == other.target or str(node.target) == str(other.target)
        )
        if not (same and _same(node.args, other.args, matched, place)):
            return node
        if not _same(dict(node.kwargs), dict(other.kwargs), matched, place):
            return node
        if node.op == "get_attr" and not _same(
            node.meta["value"], other.meta["value"], matched, place
        ):
            return node
    return None if len(nodes) == len(others) else nodes[-1]


def _same(left: Any, right: object, matched: dict[fx.Node, int], place: dict[fx.Node, int]) -> bool:
    if isinstance(left, fx.Node):
        return isinstance(right, fx.Node) and matched[left] == place[right]
    if isinstance(left, Tensor):
        return isinstance(right, Tensor) and _equal_tensors(left, right)
    if isinstance(left, tuple | list):
        return (
            isinstance(right, tuple | list)
            and len(left) == len(right)
            and all(_same(a, b, matched, place) for a, b in zip(left, right, strict=True))
        )
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(_same(left[key], right[key], matched, place) for key in left)
        )
    if isinstance(left, slice):
        return isinstance(right, slice) and all(
            _same(getattr(left, end), getattr(right, end), matched, place)
            for end in ("start", "stop", "step")
        )
    if isinstance(left, int) and isinstance(right, int) and left != right:
        return left * _OTHER_TRIAL_ROWS == right * N_TRIAL_ROWS  # a multiple of the rows
    return bool(left == right) or str(left) == str(right)


def _equal_tensors(left: Tensor, right: Tensor) -> bool:
    if left.shape != right.shape:  # zeros and the like, with one for each row
        return True
    return bool(((left == right) | (left != left)).all())


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

    def __setitem__(self, key: object, value: object) -> None:
        raise NoLipschitzBound.of(
            f"The assignment x[...] = ... in {self.node.meta['where']!r}",
            "it works in place on a part of a tensor; build the value with torch.where, torch.cat "
            "or torch.stack",
        )

    def __getattr__(self, name: str) -> Any:
        if name == "data":
            raise NoLipschitzBound.of(
                f"The attribute .data in {self.node.meta['where']!r}",
                "changes through it are not seen; use detach()",
            )
        return getattr(self._value, name) if name in _KNOWN else super().__getattr__(name)

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self._value, tuple | list):
            item = partial(self.tracer.create_proxy, "call_function", operator.getitem)
            return iter([item((self, k), {}) for k in range(len(self._value))])
        return super().__iter__()


def _in_place_operator(name: str) -> Callable[[_ShapedProxy, Any], Any]:
    """Return the method for ``y += x`` and its like: fx alone would record ``y = y + x``."""

    def method(self: _ShapedProxy, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", getattr(operator, name), (self, other), {})

    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or",
              "xor", "lshift", "rshift"):  # fmt: skip
    setattr(_ShapedProxy, f"__i{_name}__", _in_place_operator(f"i{_name}"))


class _ShapeTracer(fx.Tracer):
    def __init__(self, input_shape: tuple[int, ...], n_rows: int) -> None:
        # By default fx wraps every function of `math`, so that they can be recorded. None of them
        # has a rule here, and wrapping takes a fifth of the time of a recording. The annotation in
        # torch is `tuple[ModuleType]`, exactly one; the code loops over however many there are.
        super().__init__(autowrap_modules=())  # type: ignore[arg-type]
        self._input_shape = input_shape
        self._n_rows = n_rows
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
        if node.op in ("placeholder", "get_attr"):
            meta["memory"], meta["value"] = frozenset({node}), self._run(node)
        else:
            check_no_escape(node)
            meta["value"] = run_and_note(node, lambda: self._run(node))
        if isinstance(meta["value"], Tensor):
            meta["shape"] = tuple(meta["value"].shape[1:])

    def _run(self, node: fx.Node) -> Any:
        if node.op == "placeholder":
            shape = (self._n_rows, *self._input_shape)
            return torch.zeros(shape, dtype=torch.float64, device="cpu")
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
        node.meta["may_view"] = may_view(layer)
        try:
            value = layer(args[0])
        except (RuntimeError, ValueError, IndexError) as error:
            raise self._misfit(error) from error
        if self._n_rows == N_TRIAL_ROWS:
            node.meta["stage"] = stage_of_layer(self.where, layer, tuple(args[0].shape[1:]))
        return value

    def _misfit(self, error: Exception) -> ValueError:
        return ValueError(
            f"The module does not accept rows of shape {tuple(self._input_shape)}; its part "
            f"{self.where!r} fails with: {error}"
        )

"""Steps that work in place: a recording lists values, and says nothing about memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, fx, nn

from specreg_sklearn.certificates.networks import _function_names as names
from specreg_sklearn.certificates.networks._layer_registry import subject_of
from specreg_sklearn.certificates.stages import NoLipschitzBound

# What may return its input's own memory or a copy, by the layout of the input.
_PERHAPS_VIEWS = frozenset((*names.RESHAPES, *names.IDENTITIES, "flatten", "to", "type")) - {
    "clone"
}
_PERHAPS_VIEW_LAYERS = (nn.Identity, nn.Flatten, nn.Unflatten, nn.modules.dropout._DropoutNd)
# They hand the memory to somebody who can write to it unseen.
_ESCAPES = frozenset(
    ("numpy", "data_ptr", "set_", "storage", "untyped_storage", "apply_", "map_", "__array__")
)


def run_and_note(node: fx.Node, run: Callable[[], Any]) -> Any:
    """Run a node on the trial rows; note whose memory its value is, and whose it wrote to.

    The node gets ``meta["memory"]``, the nodes that own the memory of its value, and
    ``meta["written"]``, the inputs that it has changed.
    """
    sources = node.all_input_nodes
    versions = {source: _versions(source.meta["value"]) for source in sources}
    value = run()
    written = [source for source in sources if _versions(source.meta["value"]) != versions[source]]
    first = node.args[0] if node.args else None
    if isinstance(first, fx.Node) and first not in written and _says_in_place(node):
        written.append(first)
    node.meta["written"] = written
    owners = {
        owner
        for source in sources
        if _may_share(node, value, source)
        for owner in source.meta["memory"]
    }
    node.meta["memory"] = frozenset(owners or {node})
    return value


def check_in_place(graph: fx.Graph, root: nn.Module) -> None:
    """Refuse a step in place on memory that is read again under a name from before.

    Raises
    ------
    NoLipschitzBound
        If a later step reads such a value, or if the step changes what the module holds.
    """
    place = {node: number for number, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        for source in node.meta.get("written", ()):
            touched = source.meta["memory"]
            if any(owner.op == "get_attr" for owner in touched):
                raise NoLipschitzBound.of(
                    _subject(node, root),
                    "it changes in place a tensor that the module holds or has just made; build "
                    "the value with torch.where, torch.cat or torch.stack",
                )
            others = [part for part in node.all_input_nodes if part is not source]
            readers = [
                reader
                for later in graph.nodes
                if place[later] > place[node]
                for reader in later.all_input_nodes
                if place[reader] < place[node]
            ]
            if any(touched & part.meta.get("memory", frozenset()) for part in [*others, *readers]):
                raise NoLipschitzBound.of(
                    _subject(node, root),
                    "it works in place on a tensor that is used elsewhere, too, and changes it "
                    "there; write it without the change in place (y = y + x, not y += x; relu, "
                    "not relu_; inplace=False)",
                )


def check_unused(node: fx.Node) -> None:
    """Refuse a call whose result nobody reads and whose effects are not known."""
    if node.op == "call_function" and "." in names.name_of(node) and node.target is not getattr:
        raise NoLipschitzBound.of(
            names.subject_of_call(node),
            "its result is not used, and what else it does cannot be seen; leave it out",
        )


def check_no_escape(node: fx.Node) -> None:
    """Refuse a call that gives memory away, where changes are no longer seen."""
    if node.op == "call_method" and node.target in _ESCAPES:
        raise NoLipschitzBound.of(
            names.subject_of_call(node), "it leaves torch, where steps cannot be followed"
        )


def _says_in_place(node: fx.Node) -> bool:
    if node.op == "call_module":
        return False  # seen by its versions
    raw = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    if raw in ("setitem", "__setitem__", "delitem"):
        return True
    if raw.startswith("__i") and raw.endswith("__") and raw not in ("__invert__", "__index__"):
        return True
    if raw in ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "imatmul"):
        return True
    ends = raw.endswith("_") and not raw.endswith("__")
    return ends or node.kwargs.get("inplace") is True or "out" in node.kwargs


def _versions(value: object) -> list[int]:
    return [tensor._version for tensor in _tensors(value)]


def _tensors(value: object) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, tuple | list):
        return [tensor for part in value for tensor in _tensors(part)]
    return []


def _may_share(node: fx.Node, value: object, source: fx.Node) -> bool:
    places = {tensor.untyped_storage().data_ptr() for tensor in _tensors(value)} - {0}
    others = {tensor.untyped_storage().data_ptr() for tensor in _tensors(source.meta["value"])}
    if places & others or source in node.meta["written"]:
        return True
    if node.op == "call_module":
        return node.meta.get("may_view", False)
    return names.name_of(node) in _PERHAPS_VIEWS


def may_view(layer: nn.Module) -> bool:
    """Tell whether a layer may return its input's own memory."""
    return isinstance(layer, _PERHAPS_VIEW_LAYERS)


def _subject(node: fx.Node, root: nn.Module) -> str:
    if node.op == "call_module":
        return subject_of(node.meta["where"], root.get_submodule(str(node.target)))
    name = getattr(node.target, "__name__", str(node.target)).strip("_")
    where = node.meta["where"]
    return f"The step {name!r} in {where!r}" if where else f"The step {name!r}"

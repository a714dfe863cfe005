"""Networks of known layers, layer by layer, as nodes of an ONNX graph."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from specreg_sklearn.modules import BasicBlock, GroupSort, MaxMin, Network

if TYPE_CHECKING:
    from skl2onnx.common._container import ModelComponentContainer as Container
    from skl2onnx.common._topology import Scope

Shape: TypeAlias = tuple[int, ...]


class Graph:
    """The graph of ONNX nodes that a converter of skl2onnx writes to.

    Parameters
    ----------
    scope : skl2onnx.common._topology.Scope
        Gives names that are free.
    container : skl2onnx.common._container.ModelComponentContainer
        Takes nodes and constants.
    """

    def __init__(self, scope: Scope, container: Container) -> None:
        self.scope = scope
        self.container = container

    def add(self, kind: str, inputs: list[str], output: str | None = None, **settings: Any) -> str:
        """Add a node with one output, and return the name of that."""
        output = output or self.scope.get_unique_variable_name(kind.lower())
        name = self.scope.get_unique_operator_name(kind)
        self.container.add_node(kind, inputs, output, name=name, **settings)
        return output

    def constant(self, value: ArrayLike) -> str:
        """Add numbers, in single precision, whole numbers or strings, and return their name."""
        from onnx import TensorProto

        array = np.asarray(value)
        name = self.scope.get_unique_variable_name("constant")
        flat: Any
        if array.dtype.kind == "f":
            kind, flat = TensorProto.FLOAT, array.astype(np.float32).ravel()
        elif array.dtype.kind in "iub":
            kind, flat = TensorProto.INT64, array.astype(np.int64).ravel()
        else:
            kind, flat = TensorProto.STRING, [str(x).encode("utf-8") for x in array.ravel()]
        self.container.add_initializer(name, kind, list(array.shape), flat)
        return name


def add_network(graph: Graph, rows: str, network: Network, *, with_head: bool) -> str:
    """Add what a network makes of rows (n_samples, n_features): its features, or its logits.

    ValueError for a layer that has no rule here; the message names it.
    """
    shape = network.input_shape
    if len(shape) > 1:
        rows = graph.add("Reshape", [rows, graph.constant([-1, *shape])])
    values, shape = _add_layer(graph, rows, shape, network.backbone, "backbone")
    if with_head:
        values, _ = _add_layer(graph, values, shape, network.head, "head")
    return values


def _add_layer(
    graph: Graph, rows: str, shape: Shape, layer: nn.Module, name: str
) -> tuple[str, Shape]:
    """Add a layer; `shape` is that of one row, and the answer holds that of its output."""
    if type(layer) is nn.Sequential:
        for part, child in layer.named_children():
            rows, shape = _add_layer(graph, rows, shape, child, f"{name}.{part}")
        return rows, shape
    if type(layer) is BasicBlock:
        return _add_block(graph, rows, shape, layer, name)
    rule = _RULES.get(type(layer))
    if rule is None:
        known = ", ".join(sorted(kind.__name__ for kind in _RULES))
        raise ValueError(
            f"to_onnx has no rule for {name} of the network, a "
            f"{type(layer).__module__}.{type(layer).__qualname__}. It knows: Sequential, "
            f"BasicBlock, {known}."
        )
    with torch.no_grad():
        found = layer(torch.zeros(1, *shape, dtype=_dtype(layer)))
    return rule(graph, rows, shape, layer, name), tuple(found.shape[1:])


def _dtype(layer: nn.Module) -> torch.dtype:
    weight = next(layer.parameters(), None)
    return torch.float32 if weight is None else weight.dtype


def _add_block(
    graph: Graph, rows: str, shape: Shape, block: nn.Module, name: str
) -> tuple[str, Shape]:
    inner, inner_shape = rows, shape
    for part in ("conv1", "norm1", "activation1", "conv2", "norm2"):
        layer = block.get_submodule(part)
        inner, inner_shape = _add_layer(graph, inner, inner_shape, layer, f"{name}.{part}")
    shortcut, _ = _add_layer(
        graph, rows, shape, block.get_submodule("shortcut"), f"{name}.shortcut"
    )
    total = graph.add("Add", [inner, shortcut])
    last = block.get_submodule("activation2")
    return _add_layer(graph, total, inner_shape, last, f"{name}.activation2")


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def _linear(graph: Graph, rows: str, shape: Shape, layer: nn.Linear, name: str) -> str:
    inputs = [rows, graph.constant(_array(layer.weight))]
    if layer.bias is not None:
        inputs.append(graph.constant(_array(layer.bias)))
    return graph.add("Gemm", inputs, transB=1)


def _convolution(graph: Graph, rows: str, shape: Shape, layer: nn.Conv2d, name: str) -> str:
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise ValueError(
            f"to_onnx needs zeros and a number of pixels as the padding of {name}; it has "
            f"padding_mode={layer.padding_mode!r}, padding={layer.padding!r}."
        )
    inputs = [rows, graph.constant(_array(layer.weight))]
    if layer.bias is not None:
        inputs.append(graph.constant(_array(layer.bias)))
    return graph.add(
        "Conv",
        inputs,
        kernel_shape=[*layer.kernel_size],
        strides=[*layer.stride],
        pads=[*layer.padding, *layer.padding],
        dilations=[*layer.dilation],
        group=layer.groups,
    )


def _batch_norm(
    graph: Graph, rows: str, shape: Shape, layer: nn.BatchNorm1d | nn.BatchNorm2d, name: str
) -> str:
    values = layer.weight, layer.bias, layer.running_mean, layer.running_var
    if any(value is None for value in values):
        raise ValueError(
            f"to_onnx needs running statistics and weights in {name}, without which the answer for "
            "a row depends on the other rows. Use track_running_stats=True and affine=True."
        )
    inputs = [rows, *(graph.constant(_array(value)) for value in values if value is not None)]
    return graph.add("BatchNormalization", inputs, epsilon=layer.eps)


def _group_sort(graph: Graph, rows: str, shape: Shape, layer: GroupSort, name: str) -> str:
    channels, size = shape[0], layer.group_size
    groups = graph.constant([-1, channels // size, size, math.prod(shape[1:])])
    grouped = graph.add("Reshape", [rows, groups])
    ordered = graph.scope.get_unique_variable_name("sorted")
    places = graph.scope.get_unique_variable_name("places")
    graph.container.add_node(
        "TopK",
        [grouped, graph.constant([size])],
        [ordered, places],
        name=graph.scope.get_unique_operator_name("TopK"),
        axis=2,
        largest=1,
        sorted=1,
    )
    return graph.add("Reshape", [ordered, graph.constant([-1, *shape])])


def _gelu(graph: Graph, rows: str, shape: Shape, layer: nn.GELU, name: str) -> str:
    if layer.approximate != "none":
        raise ValueError(f"to_onnx needs approximate='none' in {name}, a GELU.")
    scaled = graph.add("Mul", [rows, graph.constant(np.array(math.sqrt(0.5)))])
    error = graph.add("Erf", [scaled])
    share = graph.add("Add", [error, graph.constant(np.array(1.0))])
    half = graph.add("Mul", [share, graph.constant(np.array(0.5))])
    return graph.add("Mul", [rows, half])


def _softplus(graph: Graph, rows: str, shape: Shape, layer: nn.Softplus, name: str) -> str:
    sharper = graph.add("Mul", [rows, graph.constant(np.array(float(layer.beta)))])
    raised = graph.add("Softplus", [sharper])
    return graph.add("Div", [raised, graph.constant(np.array(float(layer.beta)))])


def _average_all(
    graph: Graph, rows: str, shape: Shape, layer: nn.AdaptiveAvgPool2d, name: str
) -> str:
    if layer.output_size not in (1, (1, 1)):
        raise ValueError(f"to_onnx needs output_size=1 in {name}; it is {layer.output_size!r}.")
    return graph.add("GlobalAveragePool", [rows])


def _flatten(graph: Graph, rows: str, shape: Shape, layer: nn.Flatten, name: str) -> str:
    if (layer.start_dim, layer.end_dim) != (1, -1):
        raise ValueError(f"to_onnx needs a Flatten of all axes but the first in {name}.")
    return graph.add("Flatten", [rows], axis=1)


def _same(graph: Graph, rows: str, shape: Shape, layer: nn.Module, name: str) -> str:
    return rows


def _plain(kind: str, **settings: str) -> Callable[..., str]:
    """Return the rule of a layer with an ONNX operator of its own; settings name its attributes."""

    def rule(graph: Graph, rows: str, shape: Shape, layer: nn.Module, name: str) -> str:
        given: dict[str, Any] = {
            theirs: float(getattr(layer, ours)) for theirs, ours in settings.items()
        }
        return graph.add(kind, [rows], **given)

    return rule


_RULES: dict[type[nn.Module], Callable[..., str]] = {
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.AdaptiveAvgPool2d: _average_all,
    nn.Flatten: _flatten,
    nn.Identity: _same,
    nn.Dropout: _same,
    nn.ReLU: _plain("Relu"),
    nn.LeakyReLU: _plain("LeakyRelu", alpha="negative_slope"),
    nn.Tanh: _plain("Tanh"),
    nn.Sigmoid: _plain("Sigmoid"),
    nn.ELU: _plain("Elu", alpha="alpha"),
    nn.Softplus: _softplus,
    nn.GELU: _gelu,
    GroupSort: _group_sort,
    MaxMin: _group_sort,
}

"""Rules for functions and tensor methods that a module calls in its forward."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor, fx
from torch.fx.node import Argument

from specreg_sklearn.certificates.networks import _function_names as names
from specreg_sklearn.certificates.networks._layer_registry import stage_of_layer
from specreg_sklearn.certificates.networks._pooling_rules import pad_stage
from specreg_sklearn.certificates.networks._tracing import N_TRIAL_ROWS
from specreg_sklearn.certificates.stages import (
    Affine,
    AxisProduct,
    Concatenation,
    Elementwise,
    Join,
    NoLipschitzBound,
    Rearrange,
    Single,
    Stage,
    Sum,
    identity,
    reshape,
)
from specreg_sklearn.spectral.bounds import above, gamma


def join_of_call(node: fx.Node) -> tuple[Join, list[fx.Node]]:
    """Return what a recorded call does, and the nodes whose values it takes."""
    name = names.name_of(node)
    subject = names.subject_of_call(node)
    value = node.meta["value"]
    try:
        if isinstance(value, Tensor) and (value.ndim == 0 or len(value) != N_TRIAL_ROWS):
            raise NoLipschitzBound("it mixes the rows of a batch")
        return _join(name, node)
    except NoLipschitzBound as error:
        raise NoLipschitzBound.of(subject, str(error)) from None
    except ValueError as error:
        raise ValueError(f"{subject}: {error}") from error


def _join(name: str, node: fx.Node) -> tuple[Join, list[fx.Node]]:
    if name in ("cat", "stack"):
        return _concatenation(name, node)
    varying = [source for source in node.all_input_nodes if source.meta["varies"]]
    if name in ("add", "sub", "rsub"):
        return _sum(name, node)
    if len(varying) == 1 and name in ("mul", "div"):
        return Single(_scaling(name, node)), varying
    if len(varying) != 1 or _argument(node, 0, "input") is not varying[0]:
        raise NoLipschitzBound(
            "it combines values in a way that has no known constant"
            if varying
            else "it computes with weights; move them into a layer"
        )
    return Single(_stage(name, node, varying[0])), varying


def _stage(name: str, node: fx.Node, source: fx.Node) -> Stage:
    """Return the stage of a call with one varying input, its first argument."""
    if name in names.ACTIVATIONS:
        return Elementwise(name, **_settings(node, (*names.ACTIVATIONS[name][1], "inplace")))
    if name in names.LAYERS:
        kind, parameters = names.LAYERS[name]
        return stage_of_layer(
            node.meta["where"], kind(**_settings(node, parameters)), source.meta["shape"]
        )
    if name in _RULES:
        return _RULES[name](node, source)
    if len(node.all_input_nodes) > 1:
        raise NoLipschitzBound("it computes with weights; move them into a layer")
    raise NoLipschitzBound("no rule is known for it")


def _settings(node: fx.Node, parameters: tuple[str, ...]) -> dict[str, Any]:
    given = dict(zip(parameters, node.args[1:], strict=False)) | dict(node.kwargs)
    given = {key: value for key, value in given.items() if key in parameters}
    if any(isinstance(value, fx.Node) for value in given.values()):
        raise NoLipschitzBound("it computes with weights; move them into a layer")
    return {key: value for key, value in given.items() if key != "inplace"}


def _argument(node: fx.Node, position: int, *keywords: str, default: Argument = None) -> Any:
    """Return an argument of a call, however it was given."""
    if len(node.args) > position:
        return node.args[position]
    return next((node.kwargs[key] for key in keywords if key in node.kwargs), default)


def _sum(name: str, node: fx.Node) -> tuple[Join, list[fx.Node]]:
    left, right = _argument(node, 0, "input"), _argument(node, 1, "other")
    factor = float(_argument(node, 2, "alpha", default=1))
    signs = {"add": (1.0, factor), "sub": (1.0, -factor), "rsub": (-factor, 1.0)}[name]
    shape = node.meta["value"].shape
    if _varies(left) and _varies(right):
        return Sum(signs, [_repeats(part, shape) for part in (left, right)]), [left, right]
    if _varies(left):
        varying, constant, (own, other) = left, right, signs
    else:
        varying, constant, (other, own) = right, left, signs
    if _repeats(varying, shape) != 1:
        raise NoLipschitzBound("it repeats a value by broadcasting")
    shift = other * _constant(constant, len(shape))
    return Single(_Scaled(np.array(own), shift)), [varying]


def _scaling(name: str, node: fx.Node) -> Stage:
    left, right = _argument(node, 0, "input"), _argument(node, 1, "other")
    varying, constant = (left, right) if _varies(left) else (right, left)
    shape = node.meta["value"].shape
    if node.kwargs.get("rounding_mode") is not None:
        raise NoLipschitzBound("it jumps")
    if name == "div" and varying is right:
        raise NoLipschitzBound("it divides by a value that depends on the input")
    if _repeats(varying, shape) != 1:
        raise NoLipschitzBound("it repeats a value by broadcasting")
    factor = _constant(constant, len(shape))
    if name == "div":
        if not factor.all():
            raise ValueError("it divides by zero.")
        return _Scaled(1 / factor, np.array(0.0), relative_error=2.0**-52)
    return _Scaled(factor, np.array(0.0))


class _Scaled(Stage):
    """One factor and one shift for each entry, or for whole axes."""

    def __init__(self, factor: np.ndarray, shift: np.ndarray, relative_error: float = 0.0) -> None:
        self.factor, self.shift, self.relative_error = factor, shift, relative_error

    def lipschitz(self) -> float:
        largest = float(np.abs(self.factor).max(initial=0.0))
        return above(largest * (1 + self.relative_error), 2) if self.relative_error else largest

    def forward(self, X: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Entry by entry this is a diagonal affine map.
        shape = np.broadcast_shapes(X.shape, self.factor.shape, self.shift.shape)
        flat = np.broadcast_to(X, shape).reshape(-1)
        Y, after = Affine(
            np.broadcast_to(self.factor, shape).reshape(-1),
            np.broadcast_to(self.shift, shape).reshape(-1),
            entry_error=self.relative_error,
        ).forward(flat, np.broadcast_to(error, shape).reshape(-1))
        return Y.reshape(shape), after.reshape(shape)

    def spread(self, change: np.ndarray) -> np.ndarray:
        factor = np.abs(self.factor) * (1 + self.relative_error)
        shape = np.broadcast_shapes(change.shape, factor.shape, self.shift.shape)
        return above(np.broadcast_to(change * factor, shape), 4)

    def rounding_growth(self, size: np.ndarray) -> np.ndarray:
        return above((gamma(3) + self.relative_error * (1 + gamma(4))) * self.spread(size), 4)

    def tensor(self, X: Tensor) -> Tensor:
        return X * torch.from_numpy(np.array(self.factor)) + torch.from_numpy(np.array(self.shift))


def _varies(part: Argument) -> TypeGuard[fx.Node]:
    return isinstance(part, fx.Node) and part.meta["varies"]


def _repeats(part: fx.Node, shape: torch.Size) -> int:
    """Return how often broadcasting to `shape` repeats each entry of a row."""
    own = part.meta["value"].shape
    if len(own) != len(shape) or own[0] != shape[0]:
        raise NoLipschitzBound("it combines values with different numbers of axes")
    return math.prod(shape) // math.prod(own)


def _constant(part: Argument, n_axes: int) -> np.ndarray:
    """Return a number or a stored tensor as an array that has no axis of rows."""
    if isinstance(part, fx.Node):
        if part.op != "get_attr":
            raise NoLipschitzBound("it uses a number that is computed from weights")
        part = part.meta["value"]
    number: Any = part.detach().double().cpu() if isinstance(part, Tensor) else part
    array = np.asarray(number, dtype=np.float64)
    if array.ndim > n_axes or (array.ndim == n_axes and array.shape[0] != 1):
        raise NoLipschitzBound("it treats the rows of a batch differently")
    if not np.isfinite(array).all():
        raise ValueError("a constant holds NaN or infinity.")
    return array


def _concatenation(name: str, node: fx.Node) -> tuple[Join, list[fx.Node]]:
    parts = list(_argument(node, 0, "tensors"))
    if not all(_varies(part) for part in parts):
        raise NoLipschitzBound("it joins values with constants")
    axis = int(_argument(node, 1, "dim", "axis", default=0)) % node.meta["value"].ndim
    if axis == 0:
        raise NoLipschitzBound("it joins along the axis of the rows")
    return Concatenation(axis, new_axis=name == "stack"), parts


def _permute(node: fx.Node, source: fx.Node) -> Stage:
    n_axes = source.meta["value"].ndim
    order = _argument(node, 1, "dims")
    if isinstance(order, int):  # x.permute(0, 2, 1)
        order = node.args[1:]
    return _reordered([int(axis) % n_axes for axis in order])


def _transpose(node: fx.Node, source: fx.Node) -> Stage:
    n_axes = source.meta["value"].ndim
    first = int(_argument(node, 1, "dim0", "axis0")) % n_axes
    second = int(_argument(node, 2, "dim1", "axis1")) % n_axes
    order = list(range(n_axes))
    order[first], order[second] = second, first
    return _reordered(order)


def _reordered(order: list[int]) -> Stage:
    if order[0] != 0:
        raise NoLipschitzBound("it moves the axis of the rows")
    return Rearrange(lambda X: np.ascontiguousarray(X.transpose(order)))


def _getitem(node: fx.Node, source: fx.Node) -> Stage:
    if not isinstance(source.meta["value"], Tensor):
        raise NoLipschitzBound("it reads from a tuple")
    given: Any = node.args[1]
    index = given if isinstance(given, tuple) else (given,)
    plain = all(part is Ellipsis or isinstance(part, int | slice) for part in index)
    n_axes = source.meta["value"].ndim
    whole = index[0] == slice(None) or (index[0] is Ellipsis and len(index) <= n_axes)
    if not plain or not whole or any(isinstance(part, bool) for part in index):
        raise NoLipschitzBound("only slices and integers behind [:, ...] are covered")
    return Rearrange(lambda X: X[index])


def _axes(node: fx.Node, source: fx.Node) -> tuple[list[int], bool]:
    dims = _argument(node, 1, "dim", "axis")
    keep = bool(_argument(node, 2, "keepdim", default=False))
    if dims is None:
        raise NoLipschitzBound("it mixes the rows of a batch")
    n_axes = source.meta["value"].ndim
    axes = [int(axis) % n_axes for axis in (dims if isinstance(dims, tuple | list) else (dims,))]
    if 0 in axes:
        raise NoLipschitzBound("it mixes the rows of a batch")
    return axes, keep


def _weighted_sum(node: fx.Node, source: fx.Node, average: bool) -> Stage:
    axes, _ = _axes(node, source)
    shape = source.meta["value"].shape
    matrices = []
    for axis in range(1, len(shape)):
        side = shape[axis]
        row = np.full((1, side), 1.0 / side if average else 1.0)
        matrices.append(row if axis in axes else np.eye(side))
    return AxisProduct(matrices, node.meta["shape"])


def _extreme(node: fx.Node, source: fx.Node) -> Stage:
    axes, keep = _axes(node, source)
    largest = names.name_of(node) == "amax"

    def values(X: np.ndarray) -> np.ndarray:
        return (np.max if largest else np.min)(X, axis=tuple(axes), keepdims=keep)

    # Groups do not overlap, and a maximum moves by at most the largest step in its group.
    return Rearrange(values, lambda error: np.max(error, axis=tuple(axes), keepdims=keep))


def _clamp(node: fx.Node, source: fx.Node) -> Stage:
    given = _settings(node, ("min", "max"))
    low, high = given.get("min"), given.get("max")
    return Elementwise(
        "hardtanh",
        min_val=-math.inf if low is None else low,
        max_val=math.inf if high is None else high,
    )


def _pad(node: fx.Node, source: fx.Node) -> Stage:
    settings = _settings(node, ("pad", "mode", "value"))
    mode = settings.get("mode", "constant")
    return pad_stage(settings["pad"], mode, settings.get("value"), source.meta["shape"])


_RULES: dict[str, Callable[[fx.Node, fx.Node], Stage]] = {
    **dict.fromkeys(names.RESHAPES, lambda node, source: reshape(node.meta["shape"])),
    # Dropouts were found to be inactive.
    **dict.fromkeys((*names.IDENTITIES, *names.DROPOUTS), lambda node, source: identity()),
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), _transpose),
    "permute": _permute,
    "getitem": _getitem,
    "mean": lambda node, source: _weighted_sum(node, source, average=True),
    "sum": lambda node, source: _weighted_sum(node, source, average=False),
    "amax": _extreme,
    "amin": _extreme,
    "clamp": _clamp,
    "pad": _pad,
}

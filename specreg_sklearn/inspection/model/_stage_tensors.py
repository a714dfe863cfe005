"""The stages of a proof as differentiable torch functions in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from torch import Tensor

from specreg_sklearn.certificates.networks import BoundedLayer, TorchGraph, _Scaled, _Stack, _Then
from specreg_sklearn.certificates.stages import (
    Affine,
    AxisProduct,
    ChannelAffine,
    Concatenation,
    ConvolutionStage,
    Elementwise,
    Join,
    Parallel,
    Rearrange,
    Selection,
    Single,
    Stage,
    Sum,
)

# The step at which rounding and curvature cost a central difference about the same.
_STEP = 6e-6

# Activations without settings; the settings of others are inside their numpy function.
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "relu": torch.relu,
    "relu6": torch.nn.functional.relu6,
    "abs": torch.abs,
    "neg": torch.neg,
    "selu": torch.selu,
    "silu": torch.nn.functional.silu,
    "mish": torch.nn.functional.mish,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softsign": torch.nn.functional.softsign,
    "logsigmoid": torch.nn.functional.logsigmoid,
    "erf": torch.erf,
    "sin": torch.sin,
    "cos": torch.cos,
    "atan": torch.atan,
}


def apply_stages(stages: Sequence[Stage], x: Tensor) -> Tensor:
    """Apply stages one after the other to rows; gradients flow to `x`."""
    for stage in stages:
        x = apply_stage(stage, x)
    return x


@singledispatch
def apply_stage(stage: Stage, x: Tensor) -> Tensor:
    """Apply a stage to rows of shape (n_samples, n_inputs), float64; gradients flow to `x`.

    The gradient of a stage of an unknown kind is taken by central differences, column by column.
    """
    return _AnyStage.apply(x, stage)


def _numpy(x: Tensor) -> np.ndarray:
    return np.array(x.detach().numpy())


class _AnyStage(torch.autograd.Function):
    """A stage that is known as a numpy function alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stage: Stage) -> Tensor:
        ctx.stage = stage
        ctx.save_for_backward(x)
        return torch.from_numpy(_values(stage, _numpy(x)))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        X, gradient = (
            _numpy(ctx.saved_tensors[0]),
            gradients[0].numpy().reshape(len(gradients[0]), -1),
        )
        flat = X.reshape(len(X), -1)
        pulled = np.empty_like(flat)
        for column in range(flat.shape[1]):
            step = _STEP * np.maximum(1.0, np.abs(flat[:, column]))
            ends = []
            for sign in (1.0, -1.0):
                moved = flat.copy()
                moved[:, column] += sign * step
                ends.append(_values(ctx.stage, moved.reshape(X.shape)).reshape(len(X), -1))
            slope = (ends[0] - ends[1]) / (2 * step)[:, None]
            pulled[:, column] = (slope * gradient).sum(axis=1)
        return torch.from_numpy(pulled.reshape(X.shape)), None


def _values(stage: Stage, X: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(stage.forward(X, np.zeros_like(X))[0], dtype=np.float64)


class _NumericSlope(torch.autograd.Function):
    """An elementwise numpy function; its slope by central differences."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, function: Callable[[np.ndarray], np.ndarray]) -> Tensor:
        ctx.function = function
        ctx.save_for_backward(x)
        return torch.from_numpy(np.asarray(function(_numpy(x)), dtype=np.float64))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        X = _numpy(ctx.saved_tensors[0])
        step = _STEP * np.maximum(1.0, np.abs(X))
        slope = (ctx.function(X + step) - ctx.function(X - step)) / (2 * step)
        return gradients[0] * torch.from_numpy(slope), None


@apply_stage.register
def _affine(stage: Affine, x: Tensor) -> Tensor:
    weight, bias = torch.from_numpy(stage.weight), torch.from_numpy(stage.bias)
    return x * weight + bias if stage.is_diagonal else x @ weight.T + bias


@apply_stage.register
def _elementwise(stage: Elementwise, x: Tensor) -> Tensor:
    known = _ACTIVATIONS.get(stage.activation.name)
    return _NumericSlope.apply(x, stage.activation.function) if known is None else known(x)


@apply_stage.register
def _parallel(stage: Parallel, x: Tensor) -> Tensor:
    parts = [apply_stages(stages, x[:, torch.as_tensor(cols)]) for cols, stages in stage.branches]
    return torch.cat(parts, dim=1)


@apply_stage.register
def _graph(stage: TorchGraph, x: Tensor) -> Tensor:
    values = {-1: x.reshape(len(x), *stage.input_shape)}
    for position, step in enumerate(stage.steps):
        values[position] = _joined(step.join, [values[source] for source in step.sources])
    return values[len(stage.steps) - 1].reshape(len(x), -1)


def _joined(join: Join, values: list[Tensor]) -> Tensor:
    if isinstance(join, Single):
        return apply_stage(join.stage, values[0])
    if isinstance(join, Sum):
        return join.signs[0] * values[0] + join.signs[1] * values[1]
    if isinstance(join, _Stack):
        return torch.stack(values, join.axis)
    assert isinstance(join, Concatenation)
    return torch.cat(values, join.axis)


@apply_stage.register
def _channels(stage: ChannelAffine, x: Tensor) -> Tensor:
    scale, shift = (
        torch.from_numpy(np.asarray(part)).reshape(-1, *(1,) * (x.ndim - 2))
        for part in (stage.scale, stage.shift)
    )
    return x * scale + shift


@apply_stage.register(ConvolutionStage)
@apply_stage.register(BoundedLayer)
def _layer(stage: Any, x: Tensor) -> Tensor:
    return stage.layer(x)


@apply_stage.register
def _axis_product(stage: AxisProduct, x: Tensor) -> Tensor:
    for axis, matrix in enumerate(stage.matrices, start=x.ndim - len(stage.matrices)):
        x = (x.movedim(axis, -1) @ torch.from_numpy(matrix).T).movedim(-1, axis)
    return x


@apply_stage.register
def _selection(stage: Selection, x: Tensor) -> Tensor:
    return stage.function(x)


@apply_stage.register
def _scaled(stage: _Scaled, x: Tensor) -> Tensor:
    return x * torch.from_numpy(np.array(stage.factor)) + torch.from_numpy(np.array(stage.shift))


@apply_stage.register
def _then(stage: _Then, x: Tensor) -> Tensor:
    return apply_stage(stage.move, apply_stage(stage.first, x))


@apply_stage.register
def _rearranged(stage: Rearrange, x: Tensor) -> Tensor:
    """Find out which entry ends up where, and fetch the entries themselves.

    A move only picks entries, perhaps the largest of some, or writes constants. So it moves the
    ranks of the entries the same way, and ranks say where they come from.
    """
    if stage.keeps_order:
        return x.reshape(stage.move(_numpy(x)).shape)
    flat = x.reshape(len(x), -1)
    n = flat.shape[1]
    order = flat.detach().argsort(dim=1, stable=True)
    ranks = _numpy(order.argsort(dim=1)).astype(np.float64).reshape(x.shape)
    first, second = stage.move(ranks), stage.move(ranks + n)
    picked = torch.from_numpy(second - first == n)
    places = torch.from_numpy(np.where(second - first == n, first, 0.0)).long()
    fetched = flat.gather(1, order.gather(1, places.reshape(len(x), -1))).reshape(first.shape)
    return torch.where(picked, fetched, torch.from_numpy(np.ascontiguousarray(first)))

"""Rules for pooling, padding and resizing: what a window does to distances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from specreg_sklearn.certificates.networks._layer_registry import register_lipschitz_rule
from specreg_sklearn.certificates.stages import (
    AxisProduct,
    NoLipschitzBound,
    Rearrange,
    Selection,
    Stage,
    identity,
    through_torch,
)

if TYPE_CHECKING:
    from torch.nn.modules.padding import (
        _CircularPadNd,
        _ConstantPadNd,
        _ReflectionPadNd,
        _ReplicationPadNd,
    )
    from torch.nn.modules.pooling import _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd

T = TypeVar("T")

_COPYING_PADS: dict[type[nn.Module], str] = {
    nn.ReflectionPad1d: "reflect", nn.ReflectionPad2d: "reflect", nn.ReflectionPad3d: "reflect",
    nn.ReplicationPad1d: "replicate", nn.ReplicationPad2d: "replicate",
    nn.ReplicationPad3d: "replicate",
    nn.CircularPad1d: "circular", nn.CircularPad2d: "circular", nn.CircularPad3d: "circular",
}  # fmt: skip


def _per_axis(setting: T | Sequence[T], n_axes: int) -> tuple[T, ...]:
    """Repeat a setting that is one number for all axes."""
    return tuple(setting) if isinstance(setting, Sequence) else (setting,) * n_axes


def _adaptive_windows(n_inputs: int, n_outputs: int | None) -> np.ndarray:
    """Return which input lies in which window, of shape (n_outputs, n_inputs)."""
    n_outputs = n_inputs if n_outputs is None else n_outputs
    windows = np.zeros((n_outputs, n_inputs))
    for k in range(n_outputs):
        windows[k, k * n_inputs // n_outputs : -(-(k + 1) * n_inputs // n_outputs)] = 1.0
    return windows


def _output_size(layer: nn.Module, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the spatial shape of the output."""
    return through_torch(layer, np.zeros((1, *input_shape))).shape[2:]


@register_lipschitz_rule(nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
def _average(
    layer: nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d, input_shape: tuple[int, ...]
) -> Stage:
    size = input_shape[1:]
    n_axes = len(size)
    outputs = _output_size(layer, input_shape)
    steps = (_per_axis(part, n_axes) for part in (layer.kernel_size, layer.stride, layer.padding))
    # AvgPool1d has no divisor_override.
    override = getattr(layer, "divisor_override", None)
    matrices = []
    for side, n_out, kernel, stride, padding in zip(size, outputs, *steps, strict=True):
        matrix = np.zeros((n_out, side))
        for k in range(n_out):
            start = k * stride - padding
            end = min(start + kernel, side + padding)
            inside = slice(max(start, 0), min(end, side))
            divisor = end - start if layer.count_include_pad else inside.stop - inside.start
            matrix[k, inside] = 1.0 if override else 1.0 / divisor
        matrices.append(matrix)
    if override:
        matrices[-1] = matrices[-1] / override
    return AxisProduct(matrices)


@register_lipschitz_rule(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
def _adaptive_average(layer: _AdaptiveAvgPoolNd, input_shape: tuple[int, ...]) -> Stage:
    size = input_shape[1:]
    matrices = []
    for side, n_out in zip(size, _per_axis(layer.output_size, len(size)), strict=True):
        windows = _adaptive_windows(side, n_out)
        matrices.append(windows / windows.sum(axis=1, keepdims=True))
    return AxisProduct(matrices)


@register_lipschitz_rule(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
def _maximum(
    layer: nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d, input_shape: tuple[int, ...]
) -> Stage:
    if layer.return_indices:
        raise NoLipschitzBound("it returns indices")
    size = input_shape[1:]
    n_axes = len(size)
    settings = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    steps = (_per_axis(part, n_axes) for part in settings)
    multiplicities = []
    for side, n_out, kernel, stride, padding, gap in zip(
        size, _output_size(layer, input_shape), *steps, strict=True
    ):
        starts = np.arange(n_out)[:, None] * stride - padding
        inputs = (starts + gap * np.arange(kernel)).ravel()
        inside = inputs[(inputs >= 0) & (inputs < side)]
        multiplicities.append(int(np.bincount(inside).max()))
    return Selection(layer, multiplicities)


@register_lipschitz_rule(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
def _adaptive_maximum(layer: _AdaptiveMaxPoolNd, input_shape: tuple[int, ...]) -> Stage:
    if layer.return_indices:
        raise NoLipschitzBound("it returns indices")
    size = input_shape[1:]
    windows = map(_adaptive_windows, size, _per_axis(layer.output_size, len(size)))
    return Selection(layer, [int(part.sum(axis=0).max()) for part in windows])


@register_lipschitz_rule(nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d, *_COPYING_PADS)
@register_lipschitz_rule(nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d)
def _pad(
    layer: _ConstantPadNd | _ReflectionPadNd | _ReplicationPadNd | _CircularPadNd,
    input_shape: tuple[int, ...],
) -> Stage:
    modes = (_COPYING_PADS[kind] for kind in type(layer).__mro__ if kind in _COPYING_PADS)
    value = getattr(layer, "value", 0.0)
    return pad_stage(layer.padding, next(modes, "constant"), value, input_shape)


def pad_stage(
    padding: Sequence[int], mode: str, value: float | None, input_shape: tuple[int, ...]
) -> Stage:
    """Return the stage of ``torch.nn.functional.pad``; negative padding crops."""
    padding = [int(side) for side in padding]
    if len(padding) // 2 > len(input_shape):
        raise NoLipschitzBound("it pads the axis of the rows")
    if mode == "constant":
        return Rearrange(
            lambda X: through_torch(lambda x: F.pad(x, padding, value=value or 0.0), X),
            lambda error: through_torch(lambda e: F.pad(e, padding), error),
        )
    multiplicities = []
    for axis in range(len(padding) // 2):  # torch lists the last axis first
        side = input_shape[-1 - axis]
        index = torch.arange(side, dtype=torch.float64, device="cpu").reshape(1, 1, -1)
        copies = F.pad(index, padding[2 * axis : 2 * axis + 2], mode=mode).long().ravel()
        multiplicities.append(int(torch.bincount(copies).max()))
    return Selection(lambda x: F.pad(x, padding, mode=mode), multiplicities)


@register_lipschitz_rule(nn.Upsample)
def _upsample(layer: nn.Upsample, input_shape: tuple[int, ...]) -> Stage:
    if layer.mode not in ("nearest", "nearest-exact", "linear", "bilinear", "trilinear"):
        raise NoLipschitzBound(f"mode={layer.mode!r} is not covered, 'nearest' and linear ones are")
    size = input_shape[1:]
    factors = _per_axis(layer.scale_factor, len(size))
    mode = layer.mode if layer.mode.startswith("nearest") else "linear"
    corners = None if mode != "linear" else layer.align_corners
    matrices = []
    for side, n_out, factor in zip(size, _output_size(layer, input_shape), factors, strict=True):
        rows = torch.eye(side, dtype=torch.float64, device="cpu")[:, None]
        if factor is None or layer.recompute_scale_factor:
            columns = F.interpolate(rows, size=n_out, mode=mode, align_corners=corners)
        else:
            columns = F.interpolate(rows, scale_factor=factor, mode=mode, align_corners=corners)
        matrices.append(columns[:, 0].T.numpy().copy())
    return AxisProduct(matrices) if matrices else identity()

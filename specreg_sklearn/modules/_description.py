"""Networks of known layers as plain data: numbers, strings, lists and arrays, and back.

What is stored this way can be read without trust: reading builds layers of this table, and nothing
that a file names.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import nn
from torch.nn.utils import convert_conv2d_weight_memory_format

from specreg_sklearn.modules._group_sort import GroupSort, MaxMin
from specreg_sklearn.modules._network import Network
from specreg_sklearn.modules._resnet import BasicBlock
from specreg_sklearn.modules._seeded_draws import SeededDraws

_POOLING = ("kernel_size", "stride", "padding")
# Each layer with its settings, which are both its arguments and its attributes.
_SETTINGS: dict[type[nn.Module], tuple[str, ...]] = {
    nn.Linear: ("in_features", "out_features"),
    nn.Conv2d: (
        "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups",
        "padding_mode",
    ),
    nn.BatchNorm1d: ("num_features", "eps", "momentum", "affine", "track_running_stats"),
    nn.BatchNorm2d: ("num_features", "eps", "momentum", "affine", "track_running_stats"),
    nn.AdaptiveAvgPool2d: ("output_size",),
    nn.AvgPool2d: _POOLING,
    nn.MaxPool2d: _POOLING,
    nn.Flatten: ("start_dim", "end_dim"),
    nn.Dropout: ("p",),
    nn.Identity: (),
    nn.ReLU: (),
    nn.LeakyReLU: ("negative_slope",),
    nn.Tanh: (),
    nn.Sigmoid: (),
    nn.Softplus: ("beta", "threshold"),
    nn.ELU: ("alpha",),
    nn.GELU: ("approximate",),
    MaxMin: (),
    GroupSort: ("group_size",),
}  # fmt: skip
_WITH_BIAS = (nn.Linear, nn.Conv2d)
_KINDS = {kind.__name__: kind for kind in _SETTINGS}
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

Description = dict[str, Any]


def describe_network(network: Network) -> Description:
    """Return a network of known layers as plain data, without its weights.

    Parameters
    ----------
    network : Network
        Its weights are in its ``state_dict()``.

    Returns
    -------
    dict
        Strings, numbers, lists and dicts.

    Raises
    ------
    ValueError
        For a layer that is not known, a parametrised one, or one with hooks; the message names it.
    """
    frozen = [name for name, weight in network.named_parameters() if not weight.requires_grad]
    return {
        "backbone": _describe(network.backbone, "backbone"),
        "head": _describe(network.head, "head"),
        "input_shape": [*network.input_shape],
        "n_features_out": network.n_features_out,
        "dtype": str(network.dtype).removeprefix("torch."),
        "frozen": frozen,
    }


def network_from_description(description: Description) -> Network:
    """Build the network that :func:`describe_network` has described; its weights are arbitrary.

    Parameters
    ----------
    description : dict
        Of known layers.

    Returns
    -------
    Network
        On the CPU, in evaluation mode.

    Raises
    ------
    ValueError
        If the description names a layer that is not known.
    """
    if description["dtype"] not in ("float32", "float64"):
        raise ValueError(f"dtype={description['dtype']!r} must be 'float32' or 'float64'.")
    with SeededDraws(torch.Generator().manual_seed(0)):  # drawn in vain, from no global generator
        backbone, head = _build(description["backbone"]), _build(description["head"])
    shape = tuple(description["input_shape"])
    network = Network(backbone, head, shape, description["n_features_out"])
    network = network.to(device="cpu", dtype=getattr(torch, description["dtype"]))
    network.backbone = convert_conv2d_weight_memory_format(network.backbone, torch.channels_last)
    frozen = set(description["frozen"])
    for name, weight in network.named_parameters():
        weight.requires_grad_(name not in frozen)
    return network.eval()


def _describe(layer: nn.Module, name: str) -> Description:
    kind = type(layer)
    if any(getattr(layer, hooks) for hooks in _HOOKS):
        raise ValueError(f"{name} of the network has hooks, which are code. Remove them.")
    if kind is nn.Sequential:
        parts = layer.named_children()
        return {
            "kind": "Sequential",
            "parts": [[part, _describe(child, f"{name}.{part}")] for part, child in parts],
        }
    if isinstance(layer, BasicBlock) and kind is BasicBlock:
        for part, child in layer.named_children():  # they may have been replaced
            _describe(child, f"{name}.{part}")
        return {
            "kind": "BasicBlock",
            "sizes": [layer.conv1.in_channels, layer.conv1.out_channels, layer.conv1.stride[0]],
            "activation": type(layer.activation1).__name__,
        }
    if kind not in _SETTINGS:
        raise ValueError(
            f"{name} of the network is a {kind.__module__}.{kind.__qualname__}, which is not among "
            f"the layers that plain data can describe: Sequential, BasicBlock, {', '.join(_KINDS)}."
        )
    settings = {setting: _plain(getattr(layer, setting)) for setting in _SETTINGS[kind]}
    if kind in _WITH_BIAS:
        settings["bias"] = layer.bias is not None
    return {"kind": kind.__name__, "settings": settings}


def _build(description: Description) -> nn.Module:
    kind = description["kind"]
    if kind == "Sequential":
        parts = [(name, _build(part)) for name, part in description["parts"]]
        return nn.Sequential(OrderedDict(parts))
    if kind == "BasicBlock":
        n_inputs, n_outputs, stride = description["sizes"]
        return BasicBlock(n_inputs, n_outputs, stride, _kind(description["activation"]))
    settings = {name: _tuple(value) for name, value in description["settings"].items()}
    return _kind(kind)(**settings)


def _kind(name: str) -> type[nn.Module]:
    if name not in _KINDS:
        raise ValueError(f"{name!r} is not a known layer; these are: {', '.join(_KINDS)}.")
    return _KINDS[name]


def _plain(value: Any) -> Any:
    return [*value] if isinstance(value, tuple) else value


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value

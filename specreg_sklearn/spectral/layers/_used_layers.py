"""The layers of a network in the order in which a row meets them, each with its batch norm."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from specreg_sklearn.spectral.layers._batch_norm import (
    BATCH_NORMS,
    batch_norm_scale,
    fold_batch_norm,
)
from specreg_sklearn.spectral.layers._convolution import CONVOLUTIONS, TRANSPOSED
from specreg_sklearn.spectral.layers._eval_mode import evaluated, weight_of
from specreg_sklearn.spectral.layers._module_copy import copied, replaced_method

_LAYERS = (nn.Linear, *CONVOLUTIONS, *TRANSPOSED)
_ACCEPTED = (
    "torch.nn.Linear, Conv1d to Conv3d, ConvTranspose1d to ConvTranspose3d, and BatchNorm1d to "
    "BatchNorm3d are accepted"
)


@dataclass(frozen=True)
class UsedLayer:
    """A layer with weights, as one row meets it.

    Parameters
    ----------
    name : str
        Qualified name in the network.
    module : torch.nn.Module
        A linear layer, a convolution, a transposed one, or a batch norm that follows none.
    input_shape : tuple of int
        What it reads of one row.
    batch_norm : torch.nn.Module or None
        The batch norm that reads exactly its output.
    """

    name: str
    module: nn.Module
    input_shape: tuple[int, ...]
    batch_norm: nn.Module | None = None

    def weight(self) -> Tensor:
        """Return the weight with the batch norm folded in; gradients flow to weight and gain.

        Of a batch norm on its own, the factors of its channels.
        """
        if isinstance(self.module, BATCH_NORMS):
            return batch_norm_scale(self.module)
        if self.batch_norm is not None:
            return fold_batch_norm(self.module, self.batch_norm)
        return weight_of(self.module)


def used_layers(
    network: nn.Module,
    input_shape: tuple[int, ...] | None = None,
    *,
    prefix: str = "",
    on_unknown: Literal["raise", "skip"] = "raise",
) -> list[UsedLayer]:
    """Find the layers with weights that a row meets on its way through a network.

    One row of zeros is sent through in eval mode, which moves no running statistics; the modes
    and the global random state are as before afterwards.

    Parameters
    ----------
    network : torch.nn.Module
        Maps (n_samples, *input_shape) to anything.
    input_shape : tuple of int, default=None
        Shape of one row. A network of linear layers alone does without: no row is sent, and its
        layers come in the order of ``network.named_modules()``.
    prefix : str, default=""
        Put before the names.
    on_unknown : {"raise", "skip"}, default="raise"
        What happens to layers with parameters whose norm is not known.

    Returns
    -------
    list of UsedLayer
        In order of first use. A layer used several times is listed once, with its largest input.
        A batch norm is joined to the layer whose output it reads, the very tensor and unchanged;
        it stands on its own where something comes between, or where either is used twice.

    Raises
    ------
    ValueError
        If a layer with parameters has no known norm (the message names it), or the network has
        other than linear layers and `input_shape` is None.

    Examples
    --------
    >>> from torch import nn
    >>> from specreg_sklearn.spectral import used_layers
    >>> network = nn.Sequential(
    ...     nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)
    ... )
    >>> for layer in used_layers(network, (1, 8, 8)):
    ...     print(layer.name, layer.input_shape, layer.batch_norm is network[1])
    0 (1, 8, 8) True
    4 (144,) False
    """
    known = []
    for name, layer in network.named_modules(prefix=prefix):
        if isinstance(layer, _LAYERS + BATCH_NORMS):
            known.append((name, layer))
        elif on_unknown == "raise" and next(layer.parameters(recurse=False), None) is not None:
            raise ValueError(
                f"the layer {name!r} ({type(layer).__name__}) has no known operator norm; "
                f"{_ACCEPTED}."
            )
    linear = [(name, layer) for name, layer in known if isinstance(layer, nn.Linear)]
    if len(linear) == len(known):
        return [UsedLayer(name, layer, (layer.in_features,)) for name, layer in linear]
    if input_shape is None:
        raise ValueError(
            "convolutions and batch norms need the shape of a row: give input_shape, such as "
            "(n_channels, height, width)."
        )
    return _in_order_of_use(
        {layer: name for name, layer in known},
        _trial(network, tuple(input_shape), [layer for _, layer in known]),
    )


def _in_order_of_use(names: dict[nn.Module, str], calls: list[_Call]) -> list[UsedLayer]:
    n_calls = Counter(call.module for call in calls)
    makers = {id(call.output): call.module for call in calls if isinstance(call.module, _LAYERS)}
    shapes: dict[nn.Module, tuple[int, ...]] = {}
    for call in calls:
        shape = tuple(call.input.shape[1:])
        shapes[call.module] = max(shapes.get(call.module, shape), shape, key=math.prod)
    versions = {id(call.output): call.output_version for call in calls}
    folded: dict[nn.Module, nn.Module] = {}
    for call in calls:
        maker = makers.get(id(call.input))
        if (
            maker is not None
            and isinstance(call.module, BATCH_NORMS)
            # An activation in place leaves the tensor's identity and raises its version.
            and versions[id(call.input)] == call.input_version
            and n_calls[maker] == n_calls[call.module] == 1
            and maker not in folded
        ):
            folded[maker] = call.module
    alone = set(folded.values())
    return [
        UsedLayer(names[module], module, shape, folded.get(module))
        for module, shape in shapes.items()
        if module not in alone
    ]


@dataclass
class _Call:
    """One use of a layer. The tensors are kept alive, so that their ids stay theirs."""

    module: nn.Module
    input: Tensor
    input_version: int
    output: Tensor
    output_version: int


def _trial(
    network: nn.Module, input_shape: tuple[int, ...], layers: list[nn.Module]
) -> list[_Call]:
    """Send two rows of zeros through (some layers want two); note what each reads and gives.

    They go through a copy: some networks change when they run, be it only by a hook of the user.
    """
    trial = _copy_or_itself(network)
    originals = dict(zip(trial.modules(), network.modules(), strict=True))
    wanted = set(layers)
    layers = [part for part, original in originals.items() if original in wanted]
    calls: list[_Call] = []
    versions: dict[nn.Module, int] = {}

    def before(module: nn.Module, args: tuple[Any, ...]) -> None:
        versions[module] = args[0]._version

    def after(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        calls.append(_Call(originals[module], args[0], versions[module], output, output._version))

    hooks = [layer.register_forward_pre_hook(before) for layer in layers]
    hooks += [layer.register_forward_hook(after) for layer in layers]
    example = next(network.parameters(), torch.zeros((), dtype=torch.float32))
    rows = torch.zeros(2, *input_shape, dtype=example.dtype, device=example.device)
    # The global generators go back to where they were: a network may draw in eval mode too.
    devices = [example.device] if example.device.type == "cuda" else []
    try:
        with evaluated(trial), torch.random.fork_rng(devices=devices), torch.no_grad():
            trial(rows)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _copy_or_itself(network: nn.Module) -> nn.Module:
    if any(replaced_method(part) is not None for part in network.modules()):
        return network
    try:
        trial = copied(network)
    except Exception:  # whatever a module's own __deepcopy__ may raise
        return network
    return trial

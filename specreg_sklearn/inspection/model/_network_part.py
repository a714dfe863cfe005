"""A torch network inside a view: named layers, and what each of them gives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from specreg_sklearn.certificates.networks import ACTIVATION_LAYERS, float64_copy
from specreg_sklearn.modules import GroupSort, Network
from specreg_sklearn.spectral import UsedLayer, used_layers
from specreg_sklearn.spectral.layers import BATCH_NORMS

_PASSING = (
    *ACTIVATION_LAYERS,
    GroupSort,
    *BATCH_NORMS,
    nn.PReLU,
    nn.Identity,
    nn.Dropout,
    nn.Dropout2d,
)


@dataclass
class _Call:
    """One use of a layer; the tensors are kept alive, so that their identities stay theirs."""

    module: nn.Module
    source: Tensor | None
    result: Tensor


class NetworkPart:
    """The network of an encoder, up to the features or up to the logits: a float64 copy.

    Its `layers` are those with weights in order of use, under the names of ``spectral_norms_`` with
    `prefix` before them.
    """

    def __init__(self, network: Network, *, up_to_logits: bool, prefix: str = "") -> None:
        copied = float64_copy(network)
        assert isinstance(copied, Network)
        self.network, self.up_to_logits = copied, up_to_logits
        shape = copied.input_shape
        used = used_layers(copied.backbone, shape, prefix=f"{prefix}backbone", on_unknown="skip")
        if up_to_logits:
            used += used_layers(copied.head, prefix=f"{prefix}head")
        self.layers: dict[str, UsedLayer] = {layer.name: layer for layer in used}
        n_inputs = torch.Size(shape).numel()
        with torch.no_grad(), self._calls() as calls:
            self._run(torch.zeros(1, n_inputs, dtype=torch.float64))
        self._ends = {name: _end_of(layer.module, calls) for name, layer in self.layers.items()}
        self.n_inputs: int | None = n_inputs

    def features(self, x: Tensor) -> Tensor:
        """Return the output of the backbone."""
        return self.network.features(x.clone())  # a first layer may work in place

    def readout(self) -> tuple[Tensor, Tensor]:
        """Return weight and bias of the head."""
        head = self.network.head
        assert isinstance(head, nn.Linear)
        bias = head.bias if head.bias is not None else torch.zeros(head.out_features).double()
        return head.weight.detach(), bias.detach()

    def forward(self, x: Tensor, record: dict[str, Tensor] | None = None) -> Tensor:
        """Return the output; put what the layers give, one flat row per row, into `record`."""
        if record is None:
            return self._run(x)
        with self._calls() as calls:
            output = self._run(x)
        for name, end in self._ends.items():
            record[name] = calls[end].result.flatten(1)
        return output

    def _run(self, x: Tensor) -> Tensor:
        x = x.clone()  # a first layer may work in place
        return self.network(x) if self.up_to_logits else self.network.features(x)

    @contextmanager
    def _calls(self) -> Iterator[list[_Call]]:
        """List the uses of all layers; a network in eval mode uses them in the same order."""
        calls: list[_Call] = []

        def note(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            calls.append(_Call(module, args[0] if args else None, output))

        leaves = [part for part in self.network.modules() if not len(list(part.children()))]
        hooks = [part.register_forward_hook(note) for part in leaves]
        try:
            yield calls
        finally:
            for hook in hooks:
                hook.remove()


def _end_of(layer: nn.Module, calls: list[_Call]) -> int:
    """Return the use of the batch norm or activation right behind a layer; else of itself."""
    place = max(k for k, call in enumerate(calls) if call.module is layer)
    while True:
        readers = [
            k for k in range(place + 1, len(calls)) if calls[k].source is calls[place].result
        ]
        if len(readers) != 1 or not isinstance(calls[readers[0]].module, _PASSING):
            return place
        place = readers[0]

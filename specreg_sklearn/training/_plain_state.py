"""A trained net as plain data: what formats that run no code, such as that of skops, store of it.

Weights and the state of the optimizer are arrays, the network is a description of its layers, and
all else are numbers. A loaded net goes on with a warm start as if it had never been stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from specreg_sklearn.modules import Network, describe_network, network_from_description
from specreg_sklearn.training._solver_device_seed import resolve_device

if TYPE_CHECKING:
    from specreg_sklearn.training._net import PenalizedNet

# Settings of a fit, with the names that both the net and its constructor have for them.
_SETTINGS = (
    "lr", "max_epochs", "batch_size", "strength", "weight_decay", "burn_in_epochs",
    "backbone_rate_factor",
)  # fmt: skip
_OPTIMIZER = "optimizer__"


def plain_state(net: PenalizedNet) -> dict[str, Any]:
    """Return a fitted net as arrays, numbers, strings, and its objective.

    ValueError for a network with layers that cannot be described; the message names them.
    """
    try:
        description = describe_network(net.module_)
    except ValueError as error:
        raise ValueError(
            f"A network can be stored as plain data only if all its layers are known: {error} "
            "joblib and pickle store any network; safetensors stores its weights."
        ) from error
    optimizer = net.optimizer
    known = getattr(torch.optim, optimizer.__name__, None) is optimizer
    settings = {name: value for name, value in vars(net).items() if name.startswith(_OPTIMIZER)}
    moments = net.optimizer_.state
    return {
        "network": description,
        "weights": {name: _array(value) for name, value in net.module_.state_dict().items()},
        "objective": net.criterion,
        "settings": {name: getattr(net, name) for name in _SETTINGS},
        "stop_reason": net.stop_reason,
        "device": str(net.device),
        "optimizer": optimizer.__name__ if known else optimizer,
        "optimizer_settings": settings,
        "optimizer_state": {
            name: {key: _array(value) for key, value in moments[weight].items()}
            for name, weight in net.module_.named_parameters()
            if weight in moments
        },
        "row_order": None if net.generator is None else net.generator.get_state().numpy(),
        "history": [dict(epoch) for epoch in net.history],
    }


def restore(net: PenalizedNet, state: dict[str, Any]) -> None:
    """Make an empty net what :func:`plain_state` has stored.

    The device is the one of the fit where there is one, else the CPU.
    """
    network = network_from_description(state["network"])
    network.load_state_dict({name: _tensor(value) for name, value in state["weights"].items()})
    device = _device(state["device"])
    generator = None
    if state["row_order"] is not None:
        generator = torch.Generator()
        generator.set_state(_tensor(state["row_order"]))
    type(net).__init__(
        net,
        network.to(device),
        state["objective"],
        optimizer=_optimizer(state["optimizer"]),
        generator=generator,
        device=device,
        predict_nonlinearity=nn.Softmax(dim=-1),
        train_split=None,
        verbose=0,
        **state["settings"],
        **state["optimizer_settings"],
    )
    net.initialize()
    net.stop_reason = state["stop_reason"]
    net.history.extend(state["history"])
    _restore_moments(net, network, state["optimizer_state"])


def _restore_moments(
    net: PenalizedNet, network: Network, moments: dict[str, dict[str, Any]]
) -> None:
    weights = dict(network.named_parameters())
    for name, values in moments.items():
        weight = weights[name]
        net.optimizer_.state[weight] = {
            key: _like(weight, value) if isinstance(value, np.ndarray) else value
            for key, value in values.items()
        }


def _like(weight: nn.Parameter, value: np.ndarray) -> Tensor:
    """Return a moment on the device of its weight, in its memory order: fused steps need that."""
    moment = _tensor(value)
    if moment.shape == weight.shape:
        return torch.empty_like(weight, dtype=moment.dtype).copy_(moment)
    return moment.to(weight.device)


def _optimizer(stored: str | type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    found = getattr(torch.optim, stored, None) if isinstance(stored, str) else stored
    if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
        raise ValueError(f"optimizer={stored!r} is no class of torch.optim.")
    return found


def _device(name: str) -> torch.device:
    try:
        return resolve_device(name)
    except ValueError:
        return torch.device("cpu")


def _array(value: Any) -> Any:
    return value.detach().cpu().numpy().copy() if isinstance(value, Tensor) else value


def _tensor(value: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(value))

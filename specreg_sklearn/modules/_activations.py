"""The activations that have a name."""

from __future__ import annotations

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
}


def check_activation(activation: str) -> type[nn.Module]:
    """Return the layer that an activation's name stands for.

    Parameters
    ----------
    activation : str
        A key of ``ACTIVATIONS``.

    Returns
    -------
    type of torch.nn.Module
        The layer, to be built without arguments.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the valid ones.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation={activation!r} is not one of {sorted(ACTIVATIONS)}.")
    return ACTIVATIONS[activation]

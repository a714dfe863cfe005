"""Networks that have one mode only."""

from __future__ import annotations

from torch import nn

from specreg_sklearn.modules import Network

# Layers that do in training what they do in evaluation; of others, nothing is assumed.
_SAME_IN_BOTH_MODES = {
    Network,
    nn.Sequential,
    nn.ModuleList,
    nn.Linear,
    nn.Identity,
    nn.Flatten,
    nn.Unflatten,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.ReLU,
    nn.LeakyReLU,
    nn.ELU,
    nn.GELU,
    nn.SiLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.Softplus,
}


def same_in_both_modes(network: nn.Module) -> bool:
    """Tell whether a forward pass surely does not depend on ``network.training``."""
    return all(type(module) in _SAME_IN_BOTH_MODES for module in network.modules())

"""A backbone of one's own: a narrow layer with layer normalisation in front of it."""

from __future__ import annotations

import math

from torch import nn

from specreg_sklearn import SpectrallyRegularizedEncoder


def normalised(input_shape: tuple[int, ...], *, activation: str = "relu") -> nn.Module:
    """Build the backbone; its output is the feature space."""
    n_inputs = math.prod(input_shape)
    return nn.Sequential(
        nn.LayerNorm(n_inputs),
        nn.Linear(n_inputs, 12),
        nn.Tanh() if activation == "tanh" else nn.ReLU(),
    )


encoder = SpectrallyRegularizedEncoder(normalised, activation="tanh", penalty="l2", alpha=1e-4)

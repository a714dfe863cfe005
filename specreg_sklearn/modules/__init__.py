"""Torch architectures: backbones that map inputs to features, and the network around them.

A module factory is any callable ``(input_shape) -> torch.nn.Module`` whose output has shape
``(n_samples, n_features_out)``. It may also accept ``hidden_layer_sizes`` and ``activation``.
"""

from specreg_sklearn.modules._mlp import ACTIVATIONS, mlp
from specreg_sklearn.modules._network import Network, build_network
from specreg_sklearn.modules._seeding import SeededDraws

__all__ = ["ACTIVATIONS", "Network", "SeededDraws", "build_network", "mlp"]

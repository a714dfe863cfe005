"""Torch architectures: backbones that map inputs to features, and the network around them.

A module factory is any callable ``(input_shape) -> torch.nn.Module`` whose output has shape
``(n_samples, n_features_out)``. It may also accept ``hidden_layer_sizes`` and ``activation``.
"""

from specreg_sklearn.modules._architecture import ACTIVATIONS, ModuleFactory
from specreg_sklearn.modules._convnet import ConvNet
from specreg_sklearn.modules._description import describe_network as describe_network
from specreg_sklearn.modules._description import (
    network_from_description as network_from_description,
)
from specreg_sklearn.modules._group_sort import GroupSort, MaxMin
from specreg_sklearn.modules._mlp import mlp, projector
from specreg_sklearn.modules._network import Network, build_network, readout
from specreg_sklearn.modules._predicting import predicting
from specreg_sklearn.modules._resnet import BasicBlock as BasicBlock
from specreg_sklearn.modules._resnet import ResNet18
from specreg_sklearn.modules._seeded_draws import SeededDraws

__all__ = [
    "ACTIVATIONS",
    "ConvNet",
    "GroupSort",
    "MaxMin",
    "ModuleFactory",
    "Network",
    "ResNet18",
    "SeededDraws",
    "build_network",
    "mlp",
    "predicting",
    "projector",
    "readout",
]

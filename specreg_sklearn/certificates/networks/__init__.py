"""Torch modules as stages: one rule for each kind of layer and function."""

from specreg_sklearn.certificates.networks._function_rules import _Scaled, _Stack, _Then
from specreg_sklearn.certificates.networks._input_shape import input_shape_of
from specreg_sklearn.certificates.networks._layer_registry import (
    BoundedLayer,
    register_lipschitz_rule,
)
from specreg_sklearn.certificates.networks._layer_rules import ACTIVATION_LAYERS
from specreg_sklearn.certificates.networks._torch_graph import TorchGraph
from specreg_sklearn.certificates.networks._torch_stages import module_lipschitz_bound, torch_stages
from specreg_sklearn.certificates.networks._tracing import float64_copy

__all__ = [
    "ACTIVATION_LAYERS",
    "BoundedLayer",
    "TorchGraph",
    "_Scaled",
    "_Stack",
    "_Then",
    "float64_copy",
    "input_shape_of",
    "module_lipschitz_bound",
    "register_lipschitz_rule",
    "torch_stages",
]

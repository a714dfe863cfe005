"""Torch modules as stages: one rule for each kind of layer and function."""

from specreg_sklearn.certificates.networks._layer_registry import register_lipschitz_rule

# Importing the rules registers them.
from specreg_sklearn.certificates.networks._layer_rules import ACTIVATION_LAYERS
from specreg_sklearn.certificates.networks._module_checks import check_no_hooks
from specreg_sklearn.certificates.networks._plain_copy import float64_copy
from specreg_sklearn.certificates.networks._torch_graph import TorchGraph
from specreg_sklearn.certificates.networks._torch_stages import (
    input_shape_of,
    module_lipschitz_bound,
    torch_stages,
)

__all__ = [
    "ACTIVATION_LAYERS",
    "TorchGraph",
    "check_no_hooks",
    "float64_copy",
    "input_shape_of",
    "module_lipschitz_bound",
    "register_lipschitz_rule",
    "torch_stages",
]

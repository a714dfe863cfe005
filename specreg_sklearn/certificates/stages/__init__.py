"""Stages: the parts of a function that a proof knows a Lipschitz constant of."""

from specreg_sklearn.certificates.stages._activations import Activation, activation
from specreg_sklearn.certificates.stages._affine import Affine
from specreg_sklearn.certificates.stages._elementwise import Elementwise
from specreg_sklearn.certificates.stages._image_stages import (
    AxisProduct,
    ChannelAffine,
    ConvolutionStage,
    Rearrange,
    Selection,
    identity,
    reshape,
    through_torch,
)
from specreg_sklearn.certificates.stages._joins import (
    Concatenation,
    Join,
    Single,
    Sum,
    Value,
    growth_after,
)
from specreg_sklearn.certificates.stages._no_lipschitz_bound import NoLipschitzBound
from specreg_sklearn.certificates.stages._parallel import (
    Parallel,
    apply_stages,
    compare_with_models,
    product_bound,
    run,
    side_by_side,
    width_after,
)
from specreg_sklearn.certificates.stages._precision import (
    COARSEST,
    FINEST,
    Arithmetic,
    Precision,
    Units,
)
from specreg_sklearn.certificates.stages._stage import Stage
from specreg_sklearn.certificates.stages._stated_function import BoundedLayer, StatedFunction

__all__ = [
    "COARSEST",
    "FINEST",
    "Activation",
    "Affine",
    "Arithmetic",
    "AxisProduct",
    "BoundedLayer",
    "ChannelAffine",
    "Concatenation",
    "ConvolutionStage",
    "Elementwise",
    "Join",
    "NoLipschitzBound",
    "Parallel",
    "Precision",
    "Rearrange",
    "Selection",
    "Single",
    "Stage",
    "StatedFunction",
    "Sum",
    "Units",
    "Value",
    "activation",
    "apply_stages",
    "compare_with_models",
    "growth_after",
    "identity",
    "product_bound",
    "reshape",
    "run",
    "side_by_side",
    "through_torch",
    "width_after",
]

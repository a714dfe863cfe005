"""Stages: the parts of a function that a proof knows a Lipschitz constant of."""

from specreg_sklearn.certificates.stages._activations import Activation, activation
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
from specreg_sklearn.certificates.stages._joins import Concatenation, Join, Single, Sum, Value
from specreg_sklearn.certificates.stages._no_lipschitz_bound import NoLipschitzBound
from specreg_sklearn.certificates.stages._parallel import (
    Parallel,
    product_bound,
    side_by_side,
    width_after,
)
from specreg_sklearn.certificates.stages._stage import Affine, Elementwise, Stage

__all__ = [
    "Activation",
    "Affine",
    "AxisProduct",
    "ChannelAffine",
    "Concatenation",
    "ConvolutionStage",
    "Elementwise",
    "Join",
    "NoLipschitzBound",
    "Parallel",
    "Rearrange",
    "Selection",
    "Single",
    "Stage",
    "Sum",
    "Value",
    "activation",
    "identity",
    "product_bound",
    "reshape",
    "side_by_side",
    "through_torch",
    "width_after",
]

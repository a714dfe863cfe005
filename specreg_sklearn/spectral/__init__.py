"""Linear algebra on torch layers: estimates for training, exact norms, and bounds that prove.

A layer is the operator that it applies. Three questions are asked of it, and three kinds of answers
kept apart. Warm iterations (:class:`BlockPowerIteration`, :class:`ConvolutionIteration`,
:class:`FourierIteration`) never exceed the true norm: they steer training and prove nothing.
:func:`spectral_norm` gives the norm to machine precision, for reports. :func:`certified_norm` is
never below it: proofs rest on it (:mod:`specreg_sklearn.certificates`).
"""

from specreg_sklearn._lazy import lazy_names
from specreg_sklearn.spectral.bounds import (
    CertifiedBound,
    certified_bound,
    certified_matrix_norm,
    certified_norm,
    matrix_norm,
    spectral_norm,
)
from specreg_sklearn.spectral.estimates import (
    BlockPowerIteration,
    ConvolutionIteration,
    FourierIteration,
    SquaredNorm,
    convolution_norm,
    follow_convolution,
    largest_square,
)
from specreg_sklearn.spectral.layers import (
    Convolution,
    UsedLayer,
    batch_norm_scale,
    fold_batch_norm,
    used_layers,
)

__all__ = [
    "BlockPowerIteration",
    "CertifiedBound",
    "Convolution",
    "ConvolutionIteration",
    "FourierIteration",
    "SquaredNorm",
    "UsedLayer",
    "batch_norm_scale",
    "certified_bound",
    "certified_matrix_norm",
    "certified_norm",
    "convolution_norm",
    "fold_batch_norm",
    "follow_convolution",
    "largest_square",
    "matrix_norm",
    "spectral_norm",
    "used_layers",
]

# These moved up to the proofs that they are parts of, and are still found here.
_MOVED = (
    "Activation",
    "Affine",
    "BoundedLayer",
    "CertifiedMap",
    "Elementwise",
    "NoLipschitzBound",
    "Stage",
    "TorchGraph",
    "activation",
    "module_lipschitz_bound",
    "register_lipschitz_rule",
    "torch_stages",
)
__getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(_MOVED, "specreg_sklearn.certificates"))

"""Linear algebra on torch layers: estimates for training, exact norms, and bounds that prove.

A layer is the operator that it applies. Three questions are asked of it, and three kinds of answers
kept apart. Warm iterations (:class:`BlockPowerIteration`, :class:`ConvolutionIteration`,
:class:`FourierIteration`) never exceed the true norm: they steer training and prove nothing.
:func:`spectral_norm` gives the norm to machine precision, for reports. :func:`certified_norm` is
never below it, and all that certificates rest on: stages of a function (:class:`Stage`) make up a
:class:`CertifiedMap`, with a Lipschitz constant for each pair of classes.
"""

from specreg_sklearn.spectral._activations import Activation, activation
from specreg_sklearn.spectral._batch_norm import batch_norm_scale, fold_batch_norm
from specreg_sklearn.spectral._certified import (
    CertifiedBound,
    certified_bound,
    certified_norm,
)
from specreg_sklearn.spectral._certified_map import CertifiedMap
from specreg_sklearn.spectral._certified_matrix import certified_matrix_norm
from specreg_sklearn.spectral._choice import follow_convolution
from specreg_sklearn.spectral._conv_iteration import ConvolutionIteration
from specreg_sklearn.spectral._conv_norm import convolution_norm
from specreg_sklearn.spectral._convolution import Convolution
from specreg_sklearn.spectral._exact import matrix_norm, spectral_norm
from specreg_sklearn.spectral._fourier_iteration import FourierIteration
from specreg_sklearn.spectral._graph import TorchGraph
from specreg_sklearn.spectral._layer_rules import BoundedLayer, register_lipschitz_rule
from specreg_sklearn.spectral._layers import UsedLayer, used_layers
from specreg_sklearn.spectral._power_iteration import BlockPowerIteration
from specreg_sklearn.spectral._refusal import NoLipschitzBound
from specreg_sklearn.spectral._ritz import SquaredNorm, largest_square
from specreg_sklearn.spectral._stages import Affine, Elementwise, Stage
from specreg_sklearn.spectral._torch_stages import module_lipschitz_bound, torch_stages

__all__ = [
    "Activation",
    "Affine",
    "BlockPowerIteration",
    "BoundedLayer",
    "CertifiedBound",
    "CertifiedMap",
    "Convolution",
    "ConvolutionIteration",
    "Elementwise",
    "FourierIteration",
    "NoLipschitzBound",
    "SquaredNorm",
    "Stage",
    "TorchGraph",
    "UsedLayer",
    "activation",
    "batch_norm_scale",
    "certified_bound",
    "certified_matrix_norm",
    "certified_norm",
    "convolution_norm",
    "fold_batch_norm",
    "follow_convolution",
    "largest_square",
    "matrix_norm",
    "module_lipschitz_bound",
    "register_lipschitz_rule",
    "spectral_norm",
    "torch_stages",
    "used_layers",
]

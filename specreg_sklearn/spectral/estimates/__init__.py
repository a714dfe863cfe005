"""Norms that training follows: warm iterations, which never exceed the true norm."""

from specreg_sklearn.spectral.estimates._convolution_norm import convolution_norm
from specreg_sklearn.spectral.estimates._follow import follow_convolution
from specreg_sklearn.spectral.estimates._followed_layer import FollowedLayer
from specreg_sklearn.spectral.estimates._fourier_iteration import FourierIteration
from specreg_sklearn.spectral.estimates._operator_iteration import ConvolutionIteration
from specreg_sklearn.spectral.estimates._power_iteration import BlockPowerIteration
from specreg_sklearn.spectral.estimates._ritz import SquaredNorm, largest_square

__all__ = [
    "BlockPowerIteration",
    "ConvolutionIteration",
    "FollowedLayer",
    "FourierIteration",
    "SquaredNorm",
    "convolution_norm",
    "follow_convolution",
    "largest_square",
]

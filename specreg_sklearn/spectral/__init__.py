"""Linear algebra on torch layers: power iteration for training, exact norms for reporting.

A power iteration never exceeds the true norm, so it steers training and proves nothing.
"""

from specreg_sklearn.spectral._convolution import Convolution
from specreg_sklearn.spectral._exact import matrix_norm, spectral_norm
from specreg_sklearn.spectral._power_iteration import BlockPowerIteration

__all__ = ["BlockPowerIteration", "Convolution", "matrix_norm", "spectral_norm"]

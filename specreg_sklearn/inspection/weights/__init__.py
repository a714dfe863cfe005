"""What the weights of a network do: singular values and complexity."""

from specreg_sklearn.inspection.weights._singular_values import (
    LayerSpectrum,
    singular_value_spectrum,
)
from specreg_sklearn.inspection.weights._spectral_complexity import (
    normalized_margins,
    spectral_complexity,
)

__all__ = [
    "LayerSpectrum",
    "normalized_margins",
    "singular_value_spectrum",
    "spectral_complexity",
]

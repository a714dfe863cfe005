"""Diagnostics and scores as pictures, in the manner of scikit-learn's displays."""

from specreg_sklearn.inspection.displays._adversarial_examples import AdversarialExamplesDisplay
from specreg_sklearn.inspection.displays._confidence import ConfidenceDisplay
from specreg_sklearn.inspection.displays._layer_stretch import LayerStretchDisplay
from specreg_sklearn.inspection.displays._margin import MarginDisplay
from specreg_sklearn.inspection.displays._robustness_curve import RobustnessCurveDisplay
from specreg_sklearn.inspection.displays._spectrum import SpectrumDisplay
from specreg_sklearn.inspection.displays._strength_path import StrengthPathDisplay

__all__ = [
    "AdversarialExamplesDisplay",
    "ConfidenceDisplay",
    "LayerStretchDisplay",
    "MarginDisplay",
    "RobustnessCurveDisplay",
    "SpectrumDisplay",
    "StrengthPathDisplay",
]

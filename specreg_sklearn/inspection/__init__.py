"""Why a model is robust or not: margins, spectra, stretch, confidence, and honest gradients.

Functions take a fitted classifier, network or linear model, alone or at the end of a pipeline, and
return arrays or small frozen results. They look at one thing each: how far rows are from the
boundary (:func:`logit_margins`, :func:`feature_margins`, :func:`instance_margins`), what the
weights do (:func:`singular_value_spectrum`, :func:`spectral_complexity`), how layers answer to
moves of a row (:func:`layer_stretch`, :func:`feature_jacobian_spectrum`), how sure the model is
(:func:`confidence_profile`, :func:`generalization_gap`), how straight its loss is
(:func:`local_linearity`, :func:`loss_curvature`), and whether attacks by gradients can be believed
(:func:`gradient_masking_report`).

Displays draw all this in scikit-learn's manner: ``from_estimator`` measures and draws,
``from_predictions`` draws what is known already, ``plot`` draws once more. matplotlib is imported
when something is drawn, not before.
"""

from specreg_sklearn.inspection._calibration import expected_calibration_error
from specreg_sklearn.inspection._confidence import ConfidenceProfile, confidence_profile
from specreg_sklearn.inspection._display_adversarial_examples import AdversarialExamplesDisplay
from specreg_sklearn.inspection._display_confidence import ConfidenceDisplay
from specreg_sklearn.inspection._display_layer_stretch import LayerStretchDisplay
from specreg_sklearn.inspection._display_margin import MarginDisplay
from specreg_sklearn.inspection._display_robustness_curve import RobustnessCurveDisplay
from specreg_sklearn.inspection._display_spectrum import SpectrumDisplay
from specreg_sklearn.inspection._display_strength_path import StrengthPathDisplay
from specreg_sklearn.inspection._feature_margins import feature_margins
from specreg_sklearn.inspection._generalization import GeneralizationGap, generalization_gap
from specreg_sklearn.inspection._gradient_masking import MaskingReport, gradient_masking_report
from specreg_sklearn.inspection._instance_margins import InstanceMargins, instance_margins
from specreg_sklearn.inspection._jacobian_spectrum import feature_jacobian_spectrum
from specreg_sklearn.inspection._layer_stretch import LayerStretch, layer_stretch
from specreg_sklearn.inspection._local_linearity import local_linearity
from specreg_sklearn.inspection._logit_margins import logit_margins
from specreg_sklearn.inspection._loss_curvature import loss_curvature
from specreg_sklearn.inspection._margin_statistics import (
    boundary_mass,
    margin_concentration,
    ramp_risk,
)
from specreg_sklearn.inspection._results import PerLayer
from specreg_sklearn.inspection._singular_values import LayerSpectrum, singular_value_spectrum
from specreg_sklearn.inspection._spectral_complexity import (
    normalized_margins,
    spectral_complexity,
)

__all__ = [
    "AdversarialExamplesDisplay",
    "ConfidenceDisplay",
    "ConfidenceProfile",
    "GeneralizationGap",
    "InstanceMargins",
    "LayerSpectrum",
    "LayerStretch",
    "LayerStretchDisplay",
    "MarginDisplay",
    "MaskingReport",
    "PerLayer",
    "RobustnessCurveDisplay",
    "SpectrumDisplay",
    "StrengthPathDisplay",
    "boundary_mass",
    "confidence_profile",
    "expected_calibration_error",
    "feature_jacobian_spectrum",
    "feature_margins",
    "generalization_gap",
    "gradient_masking_report",
    "instance_margins",
    "layer_stretch",
    "local_linearity",
    "logit_margins",
    "loss_curvature",
    "margin_concentration",
    "normalized_margins",
    "ramp_risk",
    "singular_value_spectrum",
    "spectral_complexity",
]

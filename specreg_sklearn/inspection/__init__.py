"""Why a model is robust or not: margins, spectra, stretch, confidence, and honest gradients.

Functions take a fitted classifier, network or linear model, alone or at the end of a pipeline, and
return arrays or small frozen results. They look at one thing each: how far rows are from the
boundary (:func:`logit_margins`, :func:`feature_margins`, :func:`instance_margins`), what the
weights do (:func:`singular_value_spectrum`, :func:`spectral_complexity`), how layers answer to
perturbations of a row (:func:`layer_stretch`, :func:`feature_jacobian_spectrum`), how sure the
model is (:func:`confidence_profile`, :func:`generalization_gap`), how straight its loss is
(:func:`local_linearity`, :func:`loss_curvature`), and whether attacks by gradients can be believed
(:func:`gradient_masking_report`).

Displays draw all this in scikit-learn's manner: ``from_estimator`` measures and draws,
``from_estimators`` does so for several models on the same axes, ``from_predictions`` draws what is
known already, ``plot`` draws once more. matplotlib is imported when something is drawn, not before.
"""

from specreg_sklearn.inspection.confidence import (
    ConfidenceProfile,
    GeneralizationGap,
    confidence_profile,
    expected_calibration_error,
    generalization_gap,
)
from specreg_sklearn.inspection.displays import (
    AdversarialExamplesDisplay,
    ConfidenceDisplay,
    LayerStretchDisplay,
    MarginDisplay,
    RobustnessCurveDisplay,
    SpectrumDisplay,
    StrengthPathDisplay,
)
from specreg_sklearn.inspection.inputs import (
    LayerStretch,
    MaskingReport,
    feature_jacobian_spectrum,
    gradient_masking_report,
    layer_stretch,
    local_linearity,
    loss_curvature,
)
from specreg_sklearn.inspection.margins import (
    InstanceMargins,
    boundary_mass,
    feature_margins,
    instance_margins,
    logit_margins,
    margin_concentration,
    ramp_risk,
)
from specreg_sklearn.inspection.model import PerLayer
from specreg_sklearn.inspection.weights import (
    LayerSpectrum,
    normalized_margins,
    singular_value_spectrum,
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

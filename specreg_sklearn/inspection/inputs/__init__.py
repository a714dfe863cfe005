"""How a network answers when its input is perturbed."""

from specreg_sklearn.inspection.inputs._gradient_masking import (
    MaskingReport,
    gradient_masking_report,
)
from specreg_sklearn.inspection.inputs._jacobian_spectrum import feature_jacobian_spectrum
from specreg_sklearn.inspection.inputs._layer_stretch import LayerStretch, layer_stretch
from specreg_sklearn.inspection.inputs._local_linearity import local_linearity
from specreg_sklearn.inspection.inputs._loss_curvature import loss_curvature

__all__ = [
    "LayerStretch",
    "MaskingReport",
    "feature_jacobian_spectrum",
    "gradient_masking_report",
    "layer_stretch",
    "local_linearity",
    "loss_curvature",
]

"""How sure a model is, and how far that can be believed."""

from specreg_sklearn.inspection.confidence._generalization import (
    GeneralizationGap,
    generalization_gap,
)
from specreg_sklearn.inspection.confidence._profile import (
    ConfidenceProfile,
    confidence_profile,
    expected_calibration_error,
)

__all__ = [
    "ConfidenceProfile",
    "GeneralizationGap",
    "confidence_profile",
    "expected_calibration_error",
    "generalization_gap",
]

"""How far rows are from the decision boundary."""

from specreg_sklearn.inspection.margins._feature_margins import feature_margins
from specreg_sklearn.inspection.margins._instance_margins import InstanceMargins, instance_margins
from specreg_sklearn.inspection.margins._logit_margins import logit_margins, margins_of
from specreg_sklearn.inspection.margins._margin_statistics import (
    boundary_mass,
    margin_concentration,
    ramp_risk,
)

__all__ = [
    "InstanceMargins",
    "boundary_mass",
    "feature_margins",
    "instance_margins",
    "logit_margins",
    "margin_concentration",
    "margins_of",
    "ramp_risk",
]

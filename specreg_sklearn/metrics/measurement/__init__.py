"""What scores, scorers, displays and reports share: the settings of a measurement, and shares."""

from specreg_sklearn.metrics.measurement._measurement import (
    Measurement,
    check_certify,
    read_eps,
    read_grid,
)
from specreg_sklearn.metrics.measurement._shares import (
    certified_shares,
    decided,
    radii_of_labels,
    robust_shares,
    shares_beyond,
)

__all__ = [
    "Measurement",
    "certified_shares",
    "check_certify",
    "decided",
    "radii_of_labels",
    "read_eps",
    "read_grid",
    "robust_shares",
    "shares_beyond",
]

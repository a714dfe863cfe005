"""What scores, scorers, displays and reports share: the settings of a measurement, and shares."""

from specreg_sklearn.metrics.measurement._measurement import (
    Measurement,
    check_certify,
    read_eps,
    read_grid,
)
from specreg_sklearn.metrics.measurement._shares import (
    certified_shares,
    radii_of_labels,
    robust_shares,
    shares_beyond,
    warn_of_undecided,
)

__all__ = [
    "Measurement",
    "certified_shares",
    "check_certify",
    "radii_of_labels",
    "read_eps",
    "read_grid",
    "robust_shares",
    "shares_beyond",
    "warn_of_undecided",
]

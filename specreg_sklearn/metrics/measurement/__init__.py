"""What scores, scorers, displays and reports share: the settings of a measurement, and shares."""

from specreg_sklearn.metrics.measurement._measurement import (
    Measurement,
    choose_attack,
    choose_space,
)
from specreg_sklearn.metrics.measurement._settings import check_certify, read_eps
from specreg_sklearn.metrics.measurement._shares import (
    certified_shares,
    decided,
    radii_of_labels,
    shares_beyond,
)

__all__ = [
    "Measurement",
    "certified_shares",
    "check_certify",
    "choose_attack",
    "choose_space",
    "decided",
    "radii_of_labels",
    "read_eps",
    "shares_beyond",
]

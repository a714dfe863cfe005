"""What the scores of this package are asked for: sizes, attack, feature space."""

from specreg_sklearn.metrics.measurement._settings import (
    check_certify,
    check_space,
    choose_attack,
    choose_space,
    read_eps,
)

__all__ = [
    "check_certify",
    "check_space",
    "choose_attack",
    "choose_space",
    "read_eps",
]

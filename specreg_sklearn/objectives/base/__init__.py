"""The contract of an objective, and the settings that several share."""

from specreg_sklearn.objectives.base._epsilon_objective import (
    EpsilonBound,
    EpsilonObjective,
    Schedule,
    SearchBound,
    SearchObjective,
)
from specreg_sklearn.objectives.base._objective import (
    BoundObjective,
    Objective,
    bind_objective,
    resolve_objective,
)
from specreg_sklearn.objectives.base._perturbation_settings import (
    check_norm,
    check_share_of_epsilon,
)

__all__ = [
    "BoundObjective",
    "EpsilonBound",
    "EpsilonObjective",
    "Objective",
    "Schedule",
    "SearchBound",
    "SearchObjective",
    "bind_objective",
    "check_norm",
    "check_share_of_epsilon",
    "resolve_objective",
]

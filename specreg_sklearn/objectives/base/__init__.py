"""The contract of an objective, and the settings that several share."""

from specreg_sklearn.objectives.base._epsilon_objective import EpsilonBound, EpsilonObjective
from specreg_sklearn.objectives.base._objective import (
    BoundObjective,
    Objective,
    bind_objective,
    resolve_objective,
)
from specreg_sklearn.objectives.base._setting_checks import (
    check_choice,
    check_count,
    check_flag,
    check_norm,
    check_number,
    check_rows_in_range,
    check_search,
    check_share,
    check_share_of_epsilon,
)

__all__ = [
    "BoundObjective",
    "EpsilonBound",
    "EpsilonObjective",
    "Objective",
    "bind_objective",
    "check_choice",
    "check_count",
    "check_flag",
    "check_norm",
    "check_number",
    "check_rows_in_range",
    "check_search",
    "check_share",
    "check_share_of_epsilon",
    "resolve_objective",
]

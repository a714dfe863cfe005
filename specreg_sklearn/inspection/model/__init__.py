"""A fitted model as a differentiable function with named layers."""

from specreg_sklearn.inspection.model._diagnostic_arguments import (
    as_numbers,
    check_layer_names,
    check_numbers,
    check_positive,
    check_positive_grid,
    codes_of,
    places_in,
    rows_of,
    targets_of,
    units_of,
)
from specreg_sklearn.inspection.model._results import PerLayer, Report
from specreg_sklearn.inspection.model._view import ModelView

__all__ = [
    "ModelView",
    "PerLayer",
    "Report",
    "as_numbers",
    "check_layer_names",
    "check_numbers",
    "check_positive",
    "check_positive_grid",
    "codes_of",
    "places_in",
    "rows_of",
    "targets_of",
    "units_of",
]

"""What may change in a row, in which units, and how long a change is."""

from specreg_sklearn.space._clean_rows import CleanRows
from specreg_sklearn.space._describe import records as column_records
from specreg_sklearn.space._describe import rule_names
from specreg_sklearn.space._feature_space import FeatureSpace, check_room
from specreg_sklearn.space._norms import (
    CONVEX_NORMS,
    L0,
    L1,
    L2,
    LINF,
    NORMS,
    Norm,
    as_norm,
    check_norm,
)
from specreg_sklearn.space._suggest_eps import EpsSuggestion, suggest_eps
from specreg_sklearn.space.columns import check_scale

__all__ = [
    "CONVEX_NORMS",
    "L0",
    "L1",
    "L2",
    "LINF",
    "NORMS",
    "CleanRows",
    "EpsSuggestion",
    "FeatureSpace",
    "Norm",
    "as_norm",
    "check_norm",
    "check_room",
    "check_scale",
    "column_records",
    "rule_names",
    "suggest_eps",
]

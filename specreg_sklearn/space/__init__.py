"""What may change in a row, in which units, and how long a change is."""

from specreg_sklearn.space._clean_rows import CleanRows
from specreg_sklearn.space._feature_space import FeatureSpace
from specreg_sklearn.space._norms import length
from specreg_sklearn.space._options import check_scale

__all__ = [
    "CleanRows",
    "FeatureSpace",
    "check_scale",
    "length",
]

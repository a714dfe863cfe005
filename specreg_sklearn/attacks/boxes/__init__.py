"""The search on models whose decision regions are boxes: trees, and tables of whole numbers."""

from specreg_sklearn.attacks.boxes._axis_test import is_oblique
from specreg_sklearn.attacks.boxes._box_search import BoxSearch
from specreg_sklearn.attacks.boxes._threshold_rows import ThresholdRows

__all__ = [
    "BoxSearch",
    "ThresholdRows",
    "is_oblique",
]

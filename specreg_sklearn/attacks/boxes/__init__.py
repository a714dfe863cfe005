"""The search on models whose decision regions are boxes: trees, and tables of whole numbers."""

from specreg_sklearn.attacks.boxes._axis_test import is_oblique
from specreg_sklearn.attacks.boxes._box_search import BoxSearch
from specreg_sklearn.attacks.boxes._column_trades import trade_columns
from specreg_sklearn.attacks.boxes._cube_draws import CubeDraws, into_cube
from specreg_sklearn.attacks.boxes._exchange import exchanged
from specreg_sklearn.attacks.boxes._threshold_rows import ThresholdRows

__all__ = [
    "BoxSearch",
    "CubeDraws",
    "ThresholdRows",
    "exchanged",
    "into_cube",
    "is_oblique",
    "trade_columns",
]

"""Rows with another label that lie near, found by the gradients of a model's scores."""

from specreg_sklearn.certificates.gradients._constants_prover import ConstantsProver
from specreg_sklearn.certificates.gradients._room import Room, farthest_corners
from specreg_sklearn.certificates.gradients._row_margins import (
    DenseMargins,
    RowMargins,
    StagesMargins,
)
from specreg_sklearn.certificates.gradients._row_search import RowSearch, has_room

__all__ = [
    "ConstantsProver",
    "DenseMargins",
    "Room",
    "RowMargins",
    "RowSearch",
    "StagesMargins",
    "farthest_corners",
    "has_room",
]

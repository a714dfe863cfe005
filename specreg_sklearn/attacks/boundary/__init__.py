"""Attacks on smooth models: points on the decision boundary, and moves along it."""

from specreg_sklearn.attacks.boundary._boundary_points import BoundaryPoints
from specreg_sklearn.attacks.boundary._boundary_walk import BoundaryWalk
from specreg_sklearn.attacks.boundary._choose_starts import choose_starts
from specreg_sklearn.attacks.boundary._directions import (
    Directions,
    ImageShape,
    check_image_shape,
)
from specreg_sklearn.attacks.boundary._normals import boundary_normals
from specreg_sklearn.attacks.boundary._priced_slopes import follow_priced_slopes
from specreg_sklearn.attacks.boundary._restarts import FIRST_STARTS, BeforeStep, Restarts
from specreg_sklearn.attacks.boundary._semicircle import (
    PER_ROUND,
    ROUNDS,
    STEP_QUERIES,
    semicircle_step,
)
from specreg_sklearn.attacks.boundary._sphere_search import MOST_DIMENSIONS, SphereSearch
from specreg_sklearn.attacks.boundary._square_moves import Blocks, CornerMoves, SphereMoves

__all__ = [
    "FIRST_STARTS",
    "MOST_DIMENSIONS",
    "PER_ROUND",
    "ROUNDS",
    "STEP_QUERIES",
    "BeforeStep",
    "Blocks",
    "BoundaryPoints",
    "BoundaryWalk",
    "CornerMoves",
    "Directions",
    "ImageShape",
    "Restarts",
    "SphereMoves",
    "SphereSearch",
    "boundary_normals",
    "check_image_shape",
    "choose_starts",
    "follow_priced_slopes",
    "semicircle_step",
]

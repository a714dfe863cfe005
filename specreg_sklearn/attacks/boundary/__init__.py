"""Attacks on smooth models: points on the decision boundary, and moves along it."""

from specreg_sklearn.attacks.boundary._boundary_points import Chains
from specreg_sklearn.attacks.boundary._boundary_walk import BoundaryWalk
from specreg_sklearn.attacks.boundary._choose_starts import race
from specreg_sklearn.attacks.boundary._linf_moves import (
    Moves,
    block_flips,
    random_moves,
    shrink,
    try_moves,
)
from specreg_sklearn.attacks.boundary._normals import boundary_normals
from specreg_sklearn.attacks.boundary._semicircle import ROUNDS, STEP_QUERIES, semicircle_step
from specreg_sklearn.attacks.boundary._sphere_search import MOST_DIMENSIONS, Sweep
from specreg_sklearn.attacks.boundary._square_moves import Blocks, CornerMoves, SphereMoves

__all__ = [
    "MOST_DIMENSIONS",
    "ROUNDS",
    "STEP_QUERIES",
    "Blocks",
    "BoundaryWalk",
    "Chains",
    "CornerMoves",
    "Moves",
    "SphereMoves",
    "Sweep",
    "block_flips",
    "boundary_normals",
    "race",
    "random_moves",
    "semicircle_step",
    "shrink",
    "try_moves",
]

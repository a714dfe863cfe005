"""Attacks in Linf: the corners of growing boxes, and cubes beside them."""

from specreg_sklearn.attacks.linf._corners import CornerSearch
from specreg_sklearn.attacks.linf._cubes import CubeSearch
from specreg_sklearn.attacks.linf._lattice import Lattice
from specreg_sklearn.attacks.linf._moves import (
    Moves,
    block_flips,
    random_moves,
    try_moves,
)
from specreg_sklearn.attacks.linf._shrink import shrink

__all__ = [
    "CornerSearch",
    "CubeSearch",
    "Lattice",
    "Moves",
    "block_flips",
    "random_moves",
    "shrink",
    "try_moves",
]

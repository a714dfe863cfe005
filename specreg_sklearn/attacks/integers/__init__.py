"""The search on tables of flags and whole numbers: flips and unit steps, exchanged for fewer."""

from specreg_sklearn.attacks.integers._cube_search import IntegerCubeSearch
from specreg_sklearn.attacks.integers._flip_search import FlipSearch, improve
from specreg_sklearn.attacks.integers._swap_search import turns_of_swaps

__all__ = [
    "FlipSearch",
    "IntegerCubeSearch",
    "improve",
    "turns_of_swaps",
]

"""The search on tables of flags and whole numbers: flips and unit steps, exchanged for fewer."""

from specreg_sklearn.attacks.integers._cube_search import IntegerCubeSearch
from specreg_sklearn.attacks.integers._flip_search import FlipSearch, improve

__all__ = [
    "FlipSearch",
    "IntegerCubeSearch",
    "improve",
]

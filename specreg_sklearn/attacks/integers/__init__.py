"""The search on tables of whole numbers and flags: flips and unit steps, exchanged for fewer."""

from specreg_sklearn.attacks.integers._flip_search import FlipSearch, improve

__all__ = [
    "FlipSearch",
    "improve",
]

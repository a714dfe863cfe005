"""The search on models whose decision regions are boxes: trees and whole numbers."""

from specreg_sklearn.attacks.boxes._box_search import Walls

__all__ = [
    "Walls",
]

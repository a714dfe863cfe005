"""The search on models whose decision regions are boxes: trees, and tables of whole numbers."""

from specreg_sklearn.attacks.boxes._box_search import BoxSearch

__all__ = [
    "BoxSearch",
]

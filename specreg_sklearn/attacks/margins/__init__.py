"""The search on class scores: minimal distances for trees and for smooth models alike."""

from specreg_sklearn.attacks.margins._margin_search import MarginSearch

__all__ = [
    "MarginSearch",
]

"""Toy problems in the plane, where the geometry of a decision boundary can be looked at."""

from specreg_sklearn.datasets._toys import make_noisy_xor, make_sin_boundary

__all__ = ["make_noisy_xor", "make_sin_boundary"]

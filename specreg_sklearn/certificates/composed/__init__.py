"""Distances for classifiers made of classifiers, from what their members may answer."""

from specreg_sklearn.certificates.composed._members import member_ranges
from specreg_sklearn.certificates.composed._prover import ComposedProver

__all__ = ["ComposedProver", "member_ranges"]

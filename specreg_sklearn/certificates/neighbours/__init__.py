"""Distances for classifiers that ask which points are near."""

from specreg_sklearn.certificates.neighbours._provers import (
    CentroidProver,
    NeighboursProver,
    RadiusProver,
)

__all__ = ["CentroidProver", "NeighboursProver", "RadiusProver"]

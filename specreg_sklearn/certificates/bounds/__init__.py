"""Lipschitz constants of a sequence of stages, for each pair of classes."""

from specreg_sklearn.certificates.bounds._certified_map import CertifiedMap

__all__ = [
    "CertifiedMap",
]

"""Distances for classifiers whose scores are sums of kernels."""

from specreg_sklearn.certificates.kernels._provers import (
    GaussianProcessProver,
    SupportVectorProver,
)

__all__ = ["GaussianProcessProver", "SupportVectorProver"]

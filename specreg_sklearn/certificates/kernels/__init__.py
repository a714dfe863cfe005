"""Distances for classifiers whose scores are sums of kernels."""

from specreg_sklearn.certificates.kernels._curves import (
    Curve,
    Exponential,
    HyperbolicTangent,
    Power,
)
from specreg_sklearn.certificates.kernels._margins import Expansion, Margin
from specreg_sklearn.certificates.kernels._provers import (
    GaussianProcessProver,
    LabelSpreadingProver,
    SupportVectorProver,
    machine_pairs,
)
from specreg_sklearn.certificates.kernels._taylor_sums import TaylorSum

__all__ = [
    "Curve",
    "Expansion",
    "Exponential",
    "GaussianProcessProver",
    "HyperbolicTangent",
    "LabelSpreadingProver",
    "Margin",
    "Power",
    "SupportVectorProver",
    "TaylorSum",
    "machine_pairs",
]

"""Exact distances for classifiers with linear scores."""

from specreg_sklearn.certificates.linear._leads import Lead
from specreg_sklearn.certificates.linear._prover import LinearProver

__all__ = ["Lead", "LinearProver"]

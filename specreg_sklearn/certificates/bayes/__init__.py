"""Distances for classifiers that compare classes by quadratic scores."""

from specreg_sklearn.certificates.bayes._provers import QuadraticProver

__all__ = ["QuadraticProver"]

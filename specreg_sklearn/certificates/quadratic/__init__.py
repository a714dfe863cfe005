"""Distances for classifiers that compare classes by quadratic scores."""

from specreg_sklearn.certificates.quadratic._provers import QuadraticProver, quadratic_scores

__all__ = ["QuadraticProver", "quadratic_scores"]

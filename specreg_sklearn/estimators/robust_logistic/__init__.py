"""Robust logistic regression: its convex problem, and a solver that knows how near it is.

Newton's method on rounded kinks of the dual norms; the pieces of a Newton step also bound the
minimum from below, so the distance from it is known at no cost.
"""

from specreg_sklearn.estimators.robust_logistic._dual_norms import DUAL_NORMS
from specreg_sklearn.estimators.robust_logistic._newton import Solution, solve
from specreg_sklearn.estimators.robust_logistic._problem import Problem, probe_problem

__all__ = ["DUAL_NORMS", "Problem", "Solution", "probe_problem", "solve"]

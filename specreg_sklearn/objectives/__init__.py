"""What a batch is scored on: per-sample losses."""

from specreg_sklearn.objectives._base import Objective, resolve_objective
from specreg_sklearn.objectives._cross_entropy import CrossEntropy

__all__ = ["CrossEntropy", "Objective", "resolve_objective"]

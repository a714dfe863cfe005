"""Minimisation with gradients, for models that say how to compute them."""

from specreg_sklearn.attacks.gradients._differentiable import DifferentiableEstimator, Role
from specreg_sklearn.attacks.gradients._gradient_attack import GradientAttack
from specreg_sklearn.attacks.gradients._logits import DifferentiablePredict

__all__ = [
    "DifferentiableEstimator",
    "DifferentiablePredict",
    "GradientAttack",
    "Role",
]

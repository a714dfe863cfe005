"""Perturbed rows inside a ball, and the loss they raise."""

from specreg_sklearn.objectives.perturbations._balls import dual_norm, row_norms, steepest
from specreg_sklearn.objectives.perturbations._divergence import divergence
from specreg_sklearn.objectives.perturbations._gradient_ascent import (
    Ascent,
    Ball,
    Loss,
    input_gradient,
)
from specreg_sklearn.objectives.perturbations._modes import same_in_both_modes

__all__ = [
    "Ascent",
    "Ball",
    "Loss",
    "divergence",
    "dual_norm",
    "input_gradient",
    "row_norms",
    "same_in_both_modes",
    "steepest",
]

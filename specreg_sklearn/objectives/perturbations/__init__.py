"""Perturbed rows inside a ball, and the loss they raise."""

from specreg_sklearn.objectives.perturbations._balls import BALLS, row_norms, steepest
from specreg_sklearn.objectives.perturbations._gradient_ascent import (
    Ascent,
    Ball,
    FeatureRange,
    Loss,
    divergence,
    input_gradient,
    same_in_both_modes,
    value_and_gradient,
)

__all__ = [
    "BALLS",
    "Ascent",
    "Ball",
    "FeatureRange",
    "Loss",
    "divergence",
    "input_gradient",
    "row_norms",
    "same_in_both_modes",
    "steepest",
    "value_and_gradient",
]

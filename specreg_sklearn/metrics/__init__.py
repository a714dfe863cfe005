"""Robustness of a fitted classifier as numbers and as scorers for model selection.

:func:`adversarial_band` bounds the distance of every row from both sides, exactly for most rows of
trees. Attacks give upper bounds: :func:`robust_accuracy_score` is the share of rows that are
classified correctly and withstand an attack of a given size, and :func:`adversarial_distances` says
how far each row is from being misclassified. Certificates give lower bounds, by proof:
:func:`certified_radius` and :func:`certified_accuracy_score` for trees and other models that
:func:`~specreg_sklearn.certificates.distance_prover` knows, and for those whose steps have a known
Lipschitz constant, which :func:`lipschitz_bound` reports and :func:`register_certified_step`
extends to new steps. :func:`make_robust_scorer` turns all of them into scorers for ``GridSearchCV``
and ``cross_validate``, and :data:`robust_accuracy` is such a scorer, ready made.
"""

from specreg_sklearn.certificates import StatedLipschitz, register_certified_step
from specreg_sklearn.metrics._adversarial_band import adversarial_band
from specreg_sklearn.metrics._band import AdversarialBand
from specreg_sklearn.metrics._certified import (
    certified_accuracy_score,
    certified_radius,
    lipschitz_bound,
)
from specreg_sklearn.metrics._comparison import RobustnessComparison, compare_robustness
from specreg_sklearn.metrics._make_robust_scorer import make_robust_scorer, robust_accuracy
from specreg_sklearn.metrics._robust_accuracy import adversarial_distances, robust_accuracy_score
from specreg_sklearn.metrics._robustness_result import RobustnessScore
from specreg_sklearn.metrics._robustness_score import robustness_score
from specreg_sklearn.space import EpsSuggestion, suggest_eps

__all__ = [
    "AdversarialBand",
    "EpsSuggestion",
    "RobustnessComparison",
    "RobustnessScore",
    "StatedLipschitz",
    "adversarial_band",
    "adversarial_distances",
    "certified_accuracy_score",
    "certified_radius",
    "compare_robustness",
    "lipschitz_bound",
    "make_robust_scorer",
    "register_certified_step",
    "robust_accuracy",
    "robust_accuracy_score",
    "robustness_score",
    "suggest_eps",
]

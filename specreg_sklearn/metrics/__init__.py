"""Robustness of a fitted classifier as numbers and as scorers for model selection.

:func:`robust_accuracy_score` is the share of rows that are classified correctly and withstand an
attack of a given size; :func:`adversarial_distances` says how far each row is from being
misclassified. :func:`make_robust_scorer` turns either into a scorer for ``GridSearchCV`` and
``cross_validate``, and :data:`robust_accuracy` is such a scorer, ready made.
"""

from specreg_sklearn.metrics._robust_accuracy import adversarial_distances, robust_accuracy_score
from specreg_sklearn.metrics._scorer import make_robust_scorer, robust_accuracy

__all__ = [
    "adversarial_distances",
    "make_robust_scorer",
    "robust_accuracy",
    "robust_accuracy_score",
]

"""How finely a model computes, as far as can be seen from outside."""

from __future__ import annotations

from specreg_sklearn._typing import Classifier
from specreg_sklearn.space import CleanRows

_SINGLE = 2.0**-24
# Networks of this package speak of their gradients by this name. They compute in the type of the
# rows that they were fitted on, which may be short whatever they are asked with.
_NETWORK = "__differentiable__"


def unit_roundoff(estimator: Classifier, rows: CleanRows) -> float:
    """Return the unit roundoff of a model on rows; 0 for double precision, which is fine enough.

    Tables of short floats are taken to be computed in single precision, and so are networks.
    """
    part: object = estimator
    while not hasattr(part, _NETWORK):
        if hasattr(part, "best_estimator_"):
            part = part.best_estimator_
        elif hasattr(part, "steps"):
            part = part.steps[-1][1]
        else:
            return _SINGLE if rows.narrow else 0.0
    return _SINGLE

"""What is added to the loss: a penalty on the weights, up to the feature space or beyond.

A :class:`Penalty` holds settings; :meth:`Penalty.bind` attaches it to a network and returns a
:class:`BoundPenalty`, which keeps the state (such as warm vectors) and computes the value.
"""

from specreg_sklearn.penalties._base import BoundPenalty, Penalty, PenaltyReport, resolve_penalty
from specreg_sklearn.penalties._l2 import L2
from specreg_sklearn.penalties._spectral import LLSpectral, RepSpectral

__all__ = [
    "L2",
    "BoundPenalty",
    "LLSpectral",
    "Penalty",
    "PenaltyReport",
    "RepSpectral",
    "resolve_penalty",
]

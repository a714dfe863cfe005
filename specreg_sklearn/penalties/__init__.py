"""What is added to the loss: a penalty on the weights, up to the feature space or beyond.

A :class:`Penalty` holds settings; :meth:`Penalty.bind` attaches it to a network and returns a
:class:`BoundPenalty`, which keeps the state (such as warm vectors) and computes the value.
"""

from specreg_sklearn.penalties._batch_shrinkage import BatchSpectralShrinkage
from specreg_sklearn.penalties._input_gradients import CrossLipschitz, Jacobian
from specreg_sklearn.penalties._l2 import L2, L2SP
from specreg_sklearn.penalties._orthogonal import Orthogonal
from specreg_sklearn.penalties._penalty import (
    BoundPenalty,
    Penalty,
    PenaltyReport,
    bind_penalty,
)
from specreg_sklearn.penalties._product_spectral import ProductSpectral
from specreg_sklearn.penalties._resolve_penalty import resolve_penalty
from specreg_sklearn.penalties._spectral import LLSpectral, RepSpectral
from specreg_sklearn.penalties._sum import Sum, SumReport

__all__ = [
    "L2",
    "L2SP",
    "BatchSpectralShrinkage",
    "BoundPenalty",
    "CrossLipschitz",
    "Jacobian",
    "LLSpectral",
    "Orthogonal",
    "Penalty",
    "PenaltyReport",
    "ProductSpectral",
    "RepSpectral",
    "Sum",
    "SumReport",
    "bind_penalty",
    "resolve_penalty",
]

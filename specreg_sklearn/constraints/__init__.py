"""What the weights must keep: projections after every training step.

A :class:`Constraint` holds settings; :meth:`Constraint.bind` attaches it to a network and returns
a :class:`BoundConstraint`, which moves the weights in place. A penalty trades a small norm against
the loss; a constraint sets it, whatever the loss.
"""

from specreg_sklearn.constraints._constraint import BoundConstraint, Constraint, resolve_constraint
from specreg_sklearn.constraints._orthogonal import Orthogonal
from specreg_sklearn.constraints._parseval import Parseval
from specreg_sklearn.constraints._spectral_norm import SpectralNorm
from specreg_sklearn.constraints._svb import SVB

__all__ = [
    "SVB",
    "BoundConstraint",
    "Constraint",
    "Orthogonal",
    "Parseval",
    "SpectralNorm",
    "resolve_constraint",
]

"""What a batch is scored on: per-sample losses.

The log loss, and objectives that train for rows that others have moved. Most have a strength
`epsilon`, the length of the move; at 0 they are the log loss. Those of self-supervision need no
labels: they compare two views of every row.
"""

from specreg_sklearn.objectives._adversarial import Adversarial
from specreg_sklearn.objectives._cross_entropy import CrossEntropy
from specreg_sklearn.objectives._gradient import Gradient
from specreg_sklearn.objectives._linearity import Linearity
from specreg_sklearn.objectives._lipschitz_margin import LipschitzMargin
from specreg_sklearn.objectives._trades import Trades
from specreg_sklearn.objectives._vat import VAT
from specreg_sklearn.objectives.base import (
    BoundObjective,
    Objective,
    bind_objective,
    resolve_objective,
)
from specreg_sklearn.objectives.self_supervised import (
    BarlowTwins,
    BoundSelfSupervised,
    ImageViews,
    SelfSupervisedObjective,
    SimCLR,
    TableViews,
    VICReg,
    Views,
)

__all__ = [
    "VAT",
    "Adversarial",
    "BarlowTwins",
    "BoundObjective",
    "BoundSelfSupervised",
    "CrossEntropy",
    "Gradient",
    "ImageViews",
    "Linearity",
    "LipschitzMargin",
    "Objective",
    "SelfSupervisedObjective",
    "SimCLR",
    "TableViews",
    "Trades",
    "VICReg",
    "Views",
    "bind_objective",
    "resolve_objective",
]

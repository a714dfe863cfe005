"""Objectives without labels: they compare two views of every row."""

from specreg_sklearn.objectives.self_supervised._image_views import ImageViews
from specreg_sklearn.objectives.self_supervised._projection_losses import (
    BarlowTwins,
    SimCLR,
    VICReg,
)
from specreg_sklearn.objectives.self_supervised._self_supervised_objective import (
    BoundSelfSupervised,
    SelfSupervisedObjective,
)
from specreg_sklearn.objectives.self_supervised._table_views import TableViews
from specreg_sklearn.objectives.self_supervised._views import Views

__all__ = [
    "BarlowTwins",
    "BoundSelfSupervised",
    "ImageViews",
    "SelfSupervisedObjective",
    "SimCLR",
    "TableViews",
    "VICReg",
    "Views",
]

"""The scikit-learn estimators."""

from specreg_sklearn.estimators._certified_network import (
    is_only_backbone_and_head as is_only_backbone_and_head,
)
from specreg_sklearn.estimators._encoder import SpectrallyRegularizedEncoder
from specreg_sklearn.estimators._probe import RobustLinearProbe
from specreg_sklearn.estimators._self_supervised import SelfSupervisedEncoder
from specreg_sklearn.estimators._stored_version import InconsistentVersionWarning

__all__ = [
    "InconsistentVersionWarning",
    "RobustLinearProbe",
    "SelfSupervisedEncoder",
    "SpectrallyRegularizedEncoder",
]

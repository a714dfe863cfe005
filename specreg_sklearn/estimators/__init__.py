"""The scikit-learn estimators."""

from specreg_sklearn.estimators._encoder import SpectrallyRegularizedEncoder
from specreg_sklearn.estimators._probe import RobustLinearProbe
from specreg_sklearn.estimators._self_supervised import SelfSupervisedEncoder

__all__ = ["RobustLinearProbe", "SelfSupervisedEncoder", "SpectrallyRegularizedEncoder"]

"""The scikit-learn estimators."""

from specreg_sklearn.estimators._encoder import SpectrallyRegularizedEncoder
from specreg_sklearn.estimators._probe import RobustLinearProbe

__all__ = ["RobustLinearProbe", "SpectrallyRegularizedEncoder"]

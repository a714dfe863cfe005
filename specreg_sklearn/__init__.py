"""Adversarial robustness as ordinary scikit-learn parts."""

from specreg_sklearn._version import __version__
from specreg_sklearn.estimators import RobustLinearProbe, SpectrallyRegularizedEncoder

__all__ = ["RobustLinearProbe", "SpectrallyRegularizedEncoder", "__version__"]

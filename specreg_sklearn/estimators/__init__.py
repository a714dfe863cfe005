"""The scikit-learn estimators."""

from specreg_sklearn.estimators._encoder import SpectrallyRegularizedEncoder

__all__ = ["SpectrallyRegularizedEncoder"]

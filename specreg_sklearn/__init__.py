"""Adversarial robustness as ordinary scikit-learn parts."""

from specreg_sklearn._version import __version__

__all__ = ["__version__"]

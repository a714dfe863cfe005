"""Adversarial robustness as ordinary scikit-learn parts.

Train representations that are hard to fool (:class:`SpectrallyRegularizedEncoder`,
:class:`SelfSupervisedEncoder`, :class:`RobustLinearProbe`), measure how hard any scikit-learn
classifier or pipeline is to fool (:func:`robust_accuracy`, :func:`make_robust_scorer`), and report
it so that somebody else can check it (:func:`robustness_report`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from specreg_sklearn._lazy import lazy_names
from specreg_sklearn._version import __version__

if TYPE_CHECKING:
    from specreg_sklearn._registry import register
    from specreg_sklearn._show_versions import show_versions
    from specreg_sklearn.estimators import (
        RobustLinearProbe,
        SelfSupervisedEncoder,
        SpectrallyRegularizedEncoder,
    )
    from specreg_sklearn.metrics import make_robust_scorer, robust_accuracy
    from specreg_sklearn.report import robustness_report
    from specreg_sklearn.space import FeatureSpace
    from specreg_sklearn.tables import as_classifier

# Names are imported on first use: whoever only attacks a scikit-learn model never loads torch.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "FeatureSpace": "specreg_sklearn.space",
        "RobustLinearProbe": "specreg_sklearn.estimators",
        "SelfSupervisedEncoder": "specreg_sklearn.estimators",
        "SpectrallyRegularizedEncoder": "specreg_sklearn.estimators",
        "as_classifier": "specreg_sklearn.tables",
        "make_robust_scorer": "specreg_sklearn.metrics",
        "register": "specreg_sklearn._registry",
        "robust_accuracy": "specreg_sklearn.metrics",
        "robustness_report": "specreg_sklearn.report",
        "show_versions": "specreg_sklearn._show_versions",
    },
)

__all__ = [
    "FeatureSpace",
    "RobustLinearProbe",
    "SelfSupervisedEncoder",
    "SpectrallyRegularizedEncoder",
    "__version__",
    "as_classifier",
    "make_robust_scorer",
    "register",
    "robust_accuracy",
    "robustness_report",
    "show_versions",
]

"""Adversarial robustness as ordinary scikit-learn parts.

Train representations that are hard to fool (:class:`SpectrallyRegularizedEncoder`,
:class:`SelfSupervisedEncoder`, :class:`RobustLinearProbe`) and measure how hard any scikit-learn
classifier or pipeline is to fool (:func:`robust_accuracy`, :func:`make_robust_scorer`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

# Names are imported on first use: whoever only attacks a scikit-learn model never loads torch.
_HOMES = {
    "RobustLinearProbe": "estimators",
    "SelfSupervisedEncoder": "estimators",
    "SpectrallyRegularizedEncoder": "estimators",
    "make_robust_scorer": "metrics",
    "register": "_registry",
    "robust_accuracy": "metrics",
    "show_versions": "_show_versions",
}

__all__ = [
    "RobustLinearProbe",
    "SelfSupervisedEncoder",
    "SpectrallyRegularizedEncoder",
    "__version__",
    "make_robust_scorer",
    "register",
    "robust_accuracy",
    "show_versions",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""The only place that imports private or version-dependent names of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import _fit_context
from sklearn.metrics._scorer import _BaseScorer as BaseScorer
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight

__all__ = [
    "BaseScorer",
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "check_sample_weight",
    "fit_context",
    "fit_has_callbacks",
]

_Fit = TypeVar("_Fit", bound=Callable[..., Any])


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[_Fit], _Fit]:
    """Check parameters before a fit, as scikit-learn does, and leave the type of `fit` alone."""
    return _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)


if TYPE_CHECKING:
    from sklearn.callback import CallbackSupportMixin
else:
    try:  # scikit-learn 1.9 and later
        from sklearn.callback import CallbackSupportMixin
    except ImportError:

        class CallbackSupportMixin:
            """Stand-in for scikit-learn 1.6 to 1.8, which know no callbacks."""


def fit_has_callbacks(estimator: CallbackSupportMixin) -> bool:
    """Tell whether scikit-learn callbacks watch the fit; searches and pipelines pass theirs on."""
    return bool(getattr(estimator, "_skl_callbacks", None))


def check_sample_weight(sample_weight: ArrayLike | None, X: np.ndarray) -> np.ndarray:
    """Validate sample weights: right length, finite, not negative; float64, all ones for None."""
    return _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)

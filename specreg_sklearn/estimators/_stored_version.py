"""The version of this library is stored with an estimator, and compared when it is loaded."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.exceptions import InconsistentVersionWarning as _SklearnWarning

from specreg_sklearn._version import __version__

_KEY = "_specreg_sklearn_version"


class InconsistentVersionWarning(_SklearnWarning):
    """A stored estimator was loaded by another version of specreg-sklearn than the one it is from.

    It derives from scikit-learn's warning of the same name, so that filters and handlers for that
    one see it, too.

    Parameters
    ----------
    estimator_name : str
        Class of the estimator.
    current_version : str
        The version that loads it.
    original_version : str
        The version that stored it.

    Examples
    --------
    >>> from specreg_sklearn.estimators import InconsistentVersionWarning
    >>> print(InconsistentVersionWarning("RobustLinearProbe", "0.2", "0.1"))
    RobustLinearProbe was stored by specreg-sklearn 0.1, and this is 0.2. It may break, or ...
    """

    def __init__(self, estimator_name: str, current_version: str, original_version: str) -> None:
        self.estimator_name = estimator_name
        self.current_version = current_version
        self.original_version = original_version

    def __str__(self) -> str:
        return (
            f"{self.estimator_name} was stored by specreg-sklearn {self.original_version}, and "
            f"this is {self.current_version}. It may break, or give other numbers: load it with "
            "the version that stored it, or fit it anew."
        )


class StoredVersionMixin:
    """Write the version of this library into pickles and skops files, and warn of another one.

    It stands before ``BaseEstimator`` among the bases.
    """

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__()
        return {**state, _KEY: __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        stored_by = state.pop(_KEY, "unknown")
        if stored_by != __version__:
            warnings.warn(
                InconsistentVersionWarning(type(self).__name__, __version__, stored_by),
                stacklevel=2,
            )
        behind: Any = super()  # BaseEstimator, which alone a mixin does not know
        behind.__setstate__(state)

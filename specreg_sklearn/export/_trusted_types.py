"""The types of this library that a file of skops may name."""

from __future__ import annotations

import inspect

from specreg_sklearn import constraints, estimators, modules, objectives, penalties
from specreg_sklearn.objectives import self_supervised
from specreg_sklearn.training import PenalizedNet


def _settings_of(package: object) -> list[type]:
    """Return the public classes of a folder that can be written down as their settings."""
    names = getattr(package, "__all__", ())
    found = (getattr(package, name) for name in names)
    return [kind for kind in found if inspect.isclass(kind) and hasattr(kind, "get_params")]


_TYPES = {
    estimators.RobustLinearProbe,
    estimators.SelfSupervisedEncoder,
    estimators.SpectrallyRegularizedEncoder,
    PenalizedNet,
    *_settings_of(modules),
    *_settings_of(penalties),
    *_settings_of(constraints),
    *_settings_of(objectives),
    *_settings_of(self_supervised),
}

#: What ``skops.io.load(file, trusted=SKOPS_TRUSTED_TYPES)`` needs for the estimators of this
#: library and the objects that are their settings. Loading them runs no code of the file: networks
#: are built from a fixed table of layers, and weights are arrays.
SKOPS_TRUSTED_TYPES: tuple[str, ...] = tuple(
    sorted(f"{kind.__module__}.{kind.__qualname__}" for kind in _TYPES)
)

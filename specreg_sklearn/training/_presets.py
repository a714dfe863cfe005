"""Named recipes of the encoder: settings that were measured together, and in which units."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from specreg_sklearn.objectives import Adversarial, LipschitzMargin
from specreg_sklearn.tables import stacklevel_of_caller

_DECAY = 1e-4
# Root mean squares of columns that z-scores and pixels of 0 to 1 have, with room: one in z-scores,
# less in pixels. Beyond 10 a column needs another strength, and so do rows that all lie below .03.
_LARGEST_COLUMN, _SMALLEST_ROWS = 10.0, 0.03
_SHOWN = 3


def preset_settings(name: str) -> dict[str, Any]:
    """Return what a preset sets.

    Parameters
    ----------
    name : str
        Of the preset.

    Returns
    -------
    dict of str to object
        Settings of the encoder, with objects of their own.

    Raises
    ------
    ValueError
        If there is no such preset; the message lists the names.
    """
    presets = _presets()
    if name not in presets:
        raise ValueError(f"preset={name!r} is not known. Valid names: {[*presets]}.")
    return presets[name]


def _presets() -> dict[str, dict[str, Any]]:
    return {
        "robust": {"penalty": "ll_spectral+jacobian", "alpha": "scale", "weight_decay": _DECAY},
        "fast": {"penalty": "rep_spectral", "alpha": 1e-2, "weight_decay": _DECAY},
        "distance": {
            "penalty": "rep_spectral",
            "alpha": 1e-2,
            "weight_decay": _DECAY,
            "objective": Adversarial(epsilon=0.12, norm=2, n_steps=3),
        },
        "certified": {
            "penalty": "jacobian",
            "alpha": 3e-3,
            "weight_decay": _DECAY,
            "objective": LipschitzMargin(epsilon=0.1),
        },
        "transfer": {"penalty": "rep_spectral", "alpha": 0.1, "weight_decay": 0.0},
    }


def warn_of_units(X: np.ndarray, settings: dict[str, Any], names: np.ndarray | None = None) -> None:
    """Warn where the strengths of a preset meet rows in other units than they were measured in.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training rows, as the network gets them.
    settings : dict of str to object
        Of the encoder; nothing is said where they are those of no preset.
    names : ndarray of shape (n_features,) or None
        Names of the columns.

    Warns
    -----
    UserWarning
        The message names the preset, the columns and the remedy.
    """
    sizes = np.sqrt(np.einsum("ij,ij->j", X, X, dtype=np.float64) / len(X))
    large = np.flatnonzero(sizes > _LARGEST_COLUMN)
    unusual = len(large) or sizes.max() < _SMALLEST_ROWS
    preset = _preset_of(settings) if unusual else None
    if preset is None:
        return
    if len(large):
        first = large[np.argsort(-sizes[large], kind="stable")[:_SHOWN]]
        shown = ", ".join(
            f"{k if names is None else repr(str(names[k]))} ({sizes[k]:.3g})" for k in first
        )
        what = (
            f"{len(large)} of {len(sizes)} columns of X have a root mean square beyond "
            f"{_LARGEST_COLUMN:g}, such as {shown}"
        )
    else:
        what = f"no column of X has a root mean square of {_SMALLEST_ROWS:g}"
    warnings.warn(
        f"{what}. alpha={settings['alpha']!r} (preset {preset!r}) is meant for columns in units of "
        "their spread, or pixels from 0 to 1: put a StandardScaler in front, divide images by "
        "their largest pixel, or search another alpha.",
        UserWarning,
        stacklevel=stacklevel_of_caller(),
    )


def _preset_of(settings: dict[str, Any]) -> str | None:
    """Return the preset that an encoder's settings are those of."""
    for name, preset in _presets().items():
        wanted = {"objective": "cross_entropy", **preset}
        if all(repr(settings[key]) == repr(value) for key, value in wanted.items()):
            return name
    return None

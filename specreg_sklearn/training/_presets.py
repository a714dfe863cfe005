"""Named recipes of the encoder: settings that were measured together."""

from __future__ import annotations

from typing import Any

from specreg_sklearn.objectives import Adversarial, LipschitzMargin

_DECAY = 1e-4


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
    presets: dict[str, dict[str, Any]] = {
        "robust": {"penalty": "ll_spectral+jacobian", "alpha": 3e-3, "weight_decay": _DECAY},
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
    if name not in presets:
        raise ValueError(f"preset={name!r} is not known. Valid names: {[*presets]}.")
    return presets[name]

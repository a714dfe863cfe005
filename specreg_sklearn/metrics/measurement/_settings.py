"""What the scores of this folder are asked for: sizes, attack, feature space."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn.attacks import BlackBoxAttack, resolve_attack
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import check_eps, check_norm


def read_eps(eps: Any) -> tuple[np.ndarray, bool]:
    """Return the sizes as an increasing array, and whether there were several."""
    several = not isinstance(eps, str) and np.ndim(eps) > 0
    if several and (np.ndim(eps) != 1 or not len(eps)):
        raise ValueError(f"eps={eps!r} is not accepted; give a number >= 0 or a list of them.")
    grid = np.array([check_eps(value) for value in (list(eps) if several else [eps])])
    stuck = np.flatnonzero(grid[1:] <= grid[:-1])
    if stuck.size:
        before, after = grid[stuck[0]], grid[stuck[0] + 1]
        raise ValueError(
            f"eps={eps!r} is not increasing: {after:g} comes after {before:g}. Give each value "
            "once, from the smallest to the largest."
        )
    return grid, several


def choose_attack(attack: str | BlackBoxAttack, norm: float, random_state: Any) -> BlackBoxAttack:
    """Return the attack that a score runs."""
    norm = check_norm(norm, (2, np.inf), "this score")
    chosen = resolve_attack(attack, norm=norm, random_state=random_state)
    if chosen.targeted:
        raise ValueError(
            f"{chosen!r} is targeted: it would take y for the labels to reach. Robustness is "
            "measured with targeted=False."
        )
    if chosen.norm != norm:
        raise ValueError(
            f"norm={norm!r}, but {chosen!r} measures in norm={chosen.norm!r}. Pass the same norm "
            "to both."
        )
    return chosen


def choose_space(space: FeatureSpace | None, X: Any, scale: Any) -> FeatureSpace:
    """Return the given space, or the one that `X` spans with units by `scale`."""
    check_space(space, scale)
    return FeatureSpace.from_data(X, scale=scale) if space is None else space


def check_space(space: Any, scale: Any) -> None:
    """Raise unless a space and a scale fit together."""
    if space is None:
        if isinstance(scale, str) and scale not in ("std", "range"):
            raise ValueError(
                f"scale={scale!r} is not one of 'std', 'range', None, a number or an array."
            )
        return
    if not isinstance(space, FeatureSpace):
        raise TypeError(f"space={type(space).__name__} is not a FeatureSpace or None.")
    if not (isinstance(scale, str) and scale == "std"):
        raise ValueError(
            f"scale={scale!r} is given together with a space, which has its own units. Pass "
            "FeatureSpace.from_data(X, scale=...) as space, and leave scale out."
        )


def check_certify(certify: Any) -> None:
    """Raise unless `certify` is True, False or "auto"."""
    if isinstance(certify, (bool, np.bool_)) or (isinstance(certify, str) and certify == "auto"):
        return
    raise ValueError(f"certify={certify!r} is not accepted; give 'auto', True or False.")

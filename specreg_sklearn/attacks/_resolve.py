"""From what a user writes as ``attack=`` to an attack."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from specreg_sklearn import _registry
from specreg_sklearn.attacks.art import SUPPORTED, ARTAttack
from specreg_sklearn.attacks.frame import BlackBoxAttack
from specreg_sklearn.space import check_norm

_ART_PREFIX = "art/"
_BY_NORM: dict[float, str] = {
    0: "threshold_search",
    1: "threshold_search",
    2: "cgba",
    np.inf: "rays",
}


def resolve_attack(attack: str | BlackBoxAttack, **parameters: Any) -> BlackBoxAttack:
    """Return the attack that a name or an object stands for, with its parameters checked.

    Parameters
    ----------
    attack : str or BlackBoxAttack
        "auto" for the best attack in a norm that asks for labels only ("cgba" in L2, "rays" in
        Linf, "threshold_search" in L1 and L0), whatever else the model offers: its numbers are
        those of an attacker who sees answers. "strongest" for labels, scores and gradients, as far
        as the model has them, and the nearest row of all: the number to publish. Or a registered
        name ("cgba", "hop_skip_jump", "tangent", "rays", "square", "threshold_search", "scores",
        "gradients"), ``"art/<ClassName>"`` for an attack of the Adversarial Robustness Toolbox, or
        an attack, which is copied.
    **parameters
        Passed to the class if `attack` is a name, such as `norm` and `random_state`. An object has
        its own parameters and ignores these.

    Returns
    -------
    BlackBoxAttack
        A new object.

    Raises
    ------
    ValueError
        If the name is unknown or a parameter is not accepted.
    TypeError
        If `attack` is neither a name nor an attack.

    Examples
    --------
    >>> from specreg_sklearn.attacks import resolve_attack
    >>> resolve_attack("auto", random_state=3)
    CGBA(random_state=3)
    >>> resolve_attack("art/HopSkipJump", max_iter=5)
    ARTAttack(max_iter=5, name='HopSkipJump')
    """
    if isinstance(attack, str):
        found = _by_name(attack, parameters)
    elif isinstance(attack, BlackBoxAttack):
        found = clone(attack)
    else:
        raise TypeError(
            f"attack={attack!r} is neither a name nor an attack. Give a name such as "
            "'cgba', or an instance of a subclass of BlackBoxAttack."
        )
    found._check_parameters()
    return found


def _by_name(name: str, parameters: dict[str, Any]) -> BlackBoxAttack:
    if name.startswith(_ART_PREFIX):
        return ARTAttack(name.removeprefix(_ART_PREFIX), **parameters)
    if name == "auto":
        name = _BY_NORM[check_norm(parameters.get("norm", 2), _BY_NORM, "attack='auto'")]
    if not _registry.is_known("attacks", name):
        valid = ["auto", *_registry.available("attacks"), *(_ART_PREFIX + n for n in SUPPORTED)]
        raise ValueError(
            f"attack={name!r} is not known. Valid names: {valid}. Attacks of the Adversarial "
            f"Robustness Toolbox take the prefix 'art/', as in 'art/HopSkipJump'."
        )
    found = _registry.resolve("attacks", name)(**parameters)
    if not isinstance(found, BlackBoxAttack):
        raise TypeError(
            f"attack={name!r} is registered as {type(found).__name__}, which is not a subclass of "
            "BlackBoxAttack."
        )
    return found

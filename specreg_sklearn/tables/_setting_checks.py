"""Checks of single settings: numbers, counts, flags, names."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Literal

import numpy as np


def check_number(
    name: str,
    value: object,
    low: float,
    high: float = math.inf,
    *,
    closed: Literal["left", "right", "both", "neither"] = "left",
    accepted: str | None = None,
) -> None:
    """Raise ValueError unless `value` is a finite real number within limits.

    Parameters
    ----------
    name : str
        The setting, for the message.
    value : object
        What the user gave.
    low, high : float
        The limits.
    closed : {"left", "right", "both", "neither"}, default="left"
        Which limit is itself accepted.
    accepted : str, default=None
        What is accepted, in words; by default a sentence about `low`.
    """
    if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
        number = float(value)
        above = number > low or (number == low and closed in ("left", "both"))
        below = number < high or (number == high and closed in ("right", "both"))
        if above and below:
            return
    if accepted is None:
        accepted = f"a finite number {'of at least' if closed == 'left' else 'above'} {low:g}"
    raise ValueError(f"{name}={value!r} must be {accepted}.")


def check_share(name: str, value: object) -> None:
    """Raise ValueError unless `value` is a real number in [0, 1]."""
    check_number(name, value, 0, 1, closed="both", accepted="a number from 0 to 1")


def check_count(
    name: str,
    value: object,
    *,
    otherwise: tuple[str | None, ...] = (),
    accepted: str | None = None,
    owner: str | None = None,
) -> None:
    """Raise ValueError unless `value` is a positive integer.

    Parameters
    ----------
    name : str
        The setting, for the message.
    value : object
        What the user gave.
    otherwise : tuple of str or None, default=()
        Other values that are accepted.
    accepted : str, default=None
        What is accepted, in words; by default made from `otherwise`.
    owner : str, default=None
        Whose setting it is, for the message.
    """
    if (value is None or isinstance(value, str)) and value in otherwise:
        return
    if isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1:
        return
    if accepted is None:
        accepted = " or ".join(["a positive integer", *map(repr, otherwise)])
    of_owner = "" if owner is None else f" of {owner}"
    raise ValueError(f"{name}={value!r}{of_owner} must be {accepted}.")


def check_flag(name: str, value: object) -> None:
    """Raise ValueError unless `value` is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name}={value!r} must be True or False.")


def check_choice(name: str, value: object, accepted: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of the names that are accepted."""
    if not isinstance(value, str) or value not in accepted:
        raise ValueError(f"{name}={value!r} must be one of {accepted}.")
